#include "supervisor/audit/line.h"

#include <gtest/gtest.h>

namespace alos::audit {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

TEST(JsonText, is_ascii_that_a_terminal_can_show_and_loses_nothing) {
  EXPECT_EQ(as_json("plain"), R"("plain")");
  EXPECT_EQ(as_json("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(as_json("a\nb\x1b[31m\x7f"), R"("a\u000ab\u001b[31m\u007f")");
  EXPECT_EQ(as_json("é\u202e"), R"("\u00e9\u202e")");
  EXPECT_EQ(as_json("\xf0\x9f\x98\x80"), R"("\ud83d\ude00")");
  EXPECT_EQ(as_json("\xff\xc0"), R"("\ufffdff\ufffdc0")");
  EXPECT_EQ(as_json(std::string_view("a\0b", 3)), R"("a\u0000b")");
}

TEST(JsonText, is_cut_and_says_so) {
  const std::string out = as_json(std::string(kMaxText + 1, 'x'));
  EXPECT_TRUE(out.ends_with("x...[cut, 8193 bytes]\""));
  EXPECT_LT(out.size(), kMaxText + 40);
}

TEST(Line, is_taken_apart_as_it_was_made) {
  std::string body, line;
  append_body(body, {.run = "r", .action = "fs.read", .target = "/a\"b", .decision = Decision::deny}, "w-1",
              1'700'000'000'123'456'789);
  EXPECT_EQ(body,
            R"(,"id":"w-1","time":"2023-11-14T22:13:20.123456Z","ns":1700000000123456789,"run":"r","action":"fs.read",)"
            R"("target":"/a\"b","decision":"deny")");
  const Digest prev = digest("before");
  const Digest hash = append_line(line, 7, body, prev);
  ASSERT_EQ(line.back(), '\n');
  line.pop_back();
  const auto got = parse_line(line);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->seq, 7u);
  EXPECT_EQ(got->prev, prev);
  EXPECT_EQ(got->hash, hash);
  EXPECT_EQ(digest(got->hashed), hash);
  EXPECT_EQ(got->body, body);
  EXPECT_EQ(got->action, "fs.read");
}

TEST(Line, has_one_spelling) {
  std::string line;
  append_line(line, 7, R"(,"id":"w-1","action":"a")", digest("before"));
  line.pop_back();
  ASSERT_TRUE(parse_line(line));
  EXPECT_FALSE(parse_line(line + " "));
  EXPECT_FALSE(parse_line(" " + line));
  EXPECT_FALSE(parse_line(line.substr(0, line.size() - 1)));
  std::string zero = line;
  zero.insert(zero.find('7'), "0");
  EXPECT_FALSE(parse_line(zero));
  std::string upper = line;
  const size_t letter = upper.find_first_of("abcdef", upper.find("\"hash\":\"") + 8);
  upper[letter] = static_cast<char>(upper[letter] - 32);
  EXPECT_FALSE(parse_line(upper)) << "a second spelling of the same hash";
}

TEST(Line, a_name_cannot_pass_for_a_field) {
  std::string body;
  append_body(body, {.run = R"(x","action":"audit.seal)", .process = "\"ns\":5", .action = "fs.read"}, "w-1",
              1'000'000'000);
  EXPECT_EQ(text_in(body, "action"), "fs.read");
  EXPECT_EQ(number_in(body, "ns"), 1'000'000'000u);
}

TEST(Anchor, is_read_as_it_is_written_and_nothing_else_is) {
  const Head head{.count = 42, .hash = digest("x")};
  EXPECT_EQ(parse_head(head.text()).value(), head);
  for (const std::string& bad : {std::string(""), std::string("42"), "42:" + std::string(63, 'a'), ":" + hex(head.hash),
                                 head.text() + "0", "-1:" + hex(head.hash), "99999999999999999999:" + hex(head.hash)})
    EXPECT_FALSE(parse_head(bad)) << bad;
}

}  // namespace
}  // namespace alos::audit
