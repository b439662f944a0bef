#include "syscall-broker/script.h"

#include <fnmatch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "syscall-broker/primitive_table.h"
#include "tests/unit/broker/script_lines.h"

namespace alos::broker {
namespace {

using test::line_of_command;
using test::line_of_file;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

TEST(WordPattern, matches_as_fnmatch_without_flags) {
  const struct {
    std::string_view pattern, word;
    bool fits;
  } kRows[] = {
      {"push", "push", true},
      {"push", "push ", false},
      {"push", "pus", false},
      {"", "", true},
      {"", "x", false},
      {"*", "", true},
      {"*", ".a/b", true},
      {"--from=*", "--from=", true},
      {"*.c", "a/b.c", true},
      {"*.c", "a.cc", false},
      {"a*b*c", "axbxbxc", true},
      {"a*b*c", "axbxbx", false},
      {"**", "x", true},
      {"?", "x", true},
      {"?", "", false},
      {"?", "xy", false},
      {"?", "\u00e4", true},  // one character of two bytes
      {"??", "\u00e4", false},
      {"?", "\xff", true},  // a byte that is no UTF-8
      {"\u00e4*", "\u00e4b", true},
      {"v[0-9]", "v7", true},
      {"v[0-9]", "vx", false},
      {"v[!0-9]", "vx", true},
      {"v[^0-9]", "v7", false},
      {"v[!0-9]", "v", false},
      {"[]a]", "]", true},
      {"[a-]", "-", true},
      {"[a\\]]", "]", true},
      {"[\u00e0-\u00e9]", "\u00e4", true},
      {"\\*", "*", true},
      {"\\*", "x", false},
      {"\\[x]", "[x]", true},
      {"a]", "a]", true},
  };
  for (const auto& row : kRows) {
    const auto pattern = WordPattern::parse(row.pattern);
    ASSERT_TRUE(pattern) << row.pattern << ": " << pattern.error().text();
    EXPECT_EQ(pattern->matches(row.word), row.fits) << row.pattern << " with '" << row.word << "'";
  }
}

TEST(WordPattern, agrees_with_fnmatch_on_whatever_both_take) {
  std::mt19937 random(7);
  const auto some = [&](std::span<const std::string_view> pieces, unsigned most) {
    std::string out;
    for (unsigned n = random() % (most + 1); n > 0; --n) out += pieces[random() % pieces.size()];
    return out;
  };
  constexpr std::string_view kPatterns[] = {"a",    "b",     "/",    ".",     "*",   "?", "[ab]",
                                            "[!a]", "[^b/]", "[]a]", "[a-c]", "\\*", "]"};
  constexpr std::string_view kWords[] = {"a", "b", "c", "/", ".", "*", "]"};
  size_t fitting = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string text = some(kPatterns, 6), word = some(kWords, 6);
    const bool fits = ::fnmatch(text.c_str(), word.c_str(), 0) == 0;
    ASSERT_EQ(WordPattern::parse(text).value().matches(word), fits) << text << " with '" << word << "'";
    fitting += fits ? 1 : 0;
  }
  EXPECT_GT(fitting, 5'000U);
}

TEST(WordPattern, what_cannot_be_meant_is_refused) {
  for (const auto& [text, hint] : {std::pair<std::string, std::string>{"[a", "close it"},
                                   {"[", "close it"},
                                   {"[]", "close it"},
                                   {"[!", "close it"},
                                   {"[a-", "close it"},
                                   {"[a\\", "close it"},
                                   {"[z-a]", "upwards"},
                                   {"[[:alpha:]]", "classes"},
                                   {"x\\", "backslash"},
                                   {std::string("a\0b", 3), "NUL"},
                                   {std::string(5000, 'x'), "4096"}}) {
    const auto pattern = WordPattern::parse(text);
    ASSERT_FALSE(pattern) << text;
    EXPECT_THAT(pattern.error().text(), HasSubstr(hint)) << text;
  }
}

TEST(WordPattern, says_the_one_word_that_it_is) {
  EXPECT_THAT(WordPattern::parse("/usr/bin/x")->literal(), Optional(std::string("/usr/bin/x")));
  EXPECT_THAT(WordPattern::parse("/opt/\\[x\\]")->literal(), Optional(std::string("/opt/[x]")));
  for (const char* text : {"/usr/bin/*", "/usr/bin/?", "/usr/bin/[x]"})
    EXPECT_EQ(WordPattern::parse(text)->literal(), std::nullopt) << text;
}

// fnmatch(3) of glibc goes back to every star, and a word of an agent's would hold its broker for years.
TEST(WordPattern, takes_no_longer_than_pattern_times_word) {
  std::string stars;
  for (int i = 0; i < 200; ++i) stars += "a*";
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(WordPattern::parse(stars + "b")->matches(std::string(20'000, 'a')));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
}

ScriptLine command(std::initializer_list<const char*> argv, uint32_t times = 0) {
  ScriptLine out = line_of_command(argv);
  out.times = times;
  return out;
}

ScriptLine file(const char* call, const char* path, uint32_t times = 0) {
  ScriptLine out = line_of_file(call, path, EIO);
  out.times = times;
  return out;
}

std::optional<size_t> line(const Script& script, std::vector<std::string> argv, std::string path = "",
                           std::string target = "") {
  if (path.empty()) path = "/usr/bin/" + argv[0];
  if (target.empty()) target = path;
  return script.line_for({.word = argv[0], .path = path, .file = target}, std::span(argv).subspan(1));
}

TEST(Script, the_first_line_that_fits_answers) {
  const Script script({command({"git", "push", "**"}), command({"git", "*"}), command({"git", "**"})});
  EXPECT_EQ(line(script, {"git", "push"}), 0U);
  EXPECT_EQ(line(script, {"git", "push", "--force", "origin"}), 0U);
  EXPECT_EQ(line(script, {"git", "fetch"}), 1U);
  EXPECT_EQ(line(script, {"git"}), 2U);
  EXPECT_EQ(line(script, {"git", "fetch", "origin"}), 2U);
  EXPECT_EQ(line(script, {"gitk"}), std::nullopt);
}

TEST(Script, a_program_is_what_it_is_called_and_what_it_is) {
  const Script by_name({command({"python3"})});
  EXPECT_EQ(line(by_name, {"python3"}, "/usr/bin/python3", "/usr/bin/python3.11"), 0U);
  EXPECT_EQ(line(by_name, {"./py"}, "/w/py", "/opt/bin/python3"), 0U);
  EXPECT_EQ(line(by_name, {"python"}, "/usr/bin/python", "/usr/bin/python3.11"), std::nullopt);
  const Script by_path({command({"/usr/bin/python3*"})});
  EXPECT_EQ(line(by_path, {"python3"}, "/usr/bin/python3", "/opt/python/bin/python"), 0U);
  EXPECT_EQ(line(by_path, {"./py"}, "/w/py", "/usr/bin/python3.11"), 0U);
  EXPECT_EQ(line(by_path, {"python3"}, "/w/python3"), std::nullopt);
  const Script any({command({"**"})});
  EXPECT_EQ(line(any, {"whatever", "it", "is"}), 0U);
}

TEST(Script, what_is_used_up_answers_no_more) {
  Script script({command({"make"}, 2), command({"make"}, 1), file("fs.write", "/w/**", 1)});
  for (const size_t expected : {0, 0, 1}) {
    const auto found = line(script, {"make"});
    ASSERT_EQ(found, expected);
    script.use(*found);
  }
  EXPECT_EQ(line(script, {"make"}), std::nullopt);
  EXPECT_EQ(script.line_for("fs.write", "/w/a"), 2U);
  EXPECT_EQ(script.use(2).fails, EIO);
  EXPECT_EQ(script.line_for("fs.write", "/w/a"), std::nullopt);
}

TEST(Script, a_line_without_times_has_no_end) {
  Script script({command({"make"})});
  for (int i = 0; i < 1000; ++i) script.use(0);
  EXPECT_EQ(line(script, {"make"}), 0U);
}

TEST(Script, files_are_matched_by_call_and_path) {
  const Script script({file("fs.write", "/srv/out/**"), file("fs.read", "/srv/*.md")});
  EXPECT_EQ(script.line_for("fs.write", "/srv/out"), 0U);
  EXPECT_EQ(script.line_for("fs.write", "/srv/out/a/b"), 0U);
  EXPECT_EQ(script.line_for("fs.append", "/srv/out/a"), std::nullopt);
  EXPECT_EQ(script.line_for("fs.read", "/srv/a.md"), 1U);
  EXPECT_EQ(script.line_for("fs.read", "/srv/a/b.md"), std::nullopt);
  EXPECT_EQ(line(script, {"fs.write"}), std::nullopt);
}

TEST(Script, says_where_a_program_is_taken_to_be) {
  Script script({command({"kubectl"}), command({"/usr/bin/kube*"}), command({"/opt/kubectl", "x"}, 1),
                 command({"/usr/bin/kubectl"})});
  EXPECT_EQ(script.place_of("kubectl"), "/opt/kubectl") << "the first that says so";
  EXPECT_EQ(script.place_of("/usr/bin/kubectl"), "/usr/bin/kubectl");
  EXPECT_EQ(script.place_of("/bin/kubectl"), "") << "another path";
  EXPECT_EQ(script.place_of("bectl"), "");
  script.use(2);
  EXPECT_EQ(script.place_of("kubectl"), "/opt/kubectl") << "a program does not go away with its answers";
}

TEST(Script, lines_are_handed_over_as_they_are) {
  std::vector<ScriptLine> lines{command({"/usr/bin/git", "push", "[a-z]*", "**"}, 3), file("fs.write", "/srv/**")};
  lines[0].status = 1 << 8;
  lines[0].out = std::string("a\0b", 3);
  lines[0].err = "rejected\n";
  lines[0].takes_ms = 3000;
  const auto again = decode<std::vector<ScriptLine>>(encode(lines), "script");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(encode(*again), encode(lines));
  EXPECT_EQ((*again)[0].argv[2].text(), "[a-z]*");
  EXPECT_FALSE(decode<std::vector<ScriptLine>>(encode(lines).substr(1), "script"));
}

TEST(Script, can_answer_every_primitive_of_files_and_commands) {
  std::vector<std::string_view> files;
  for (const PrimitiveRow& row : primitives())
    if (row.name.starts_with("fs.")) files.push_back(row.name);
  EXPECT_THAT(files, testing::UnorderedElementsAreArray(kScriptedFiles));
  EXPECT_TRUE(std::ranges::any_of(primitives(), [](const auto& row) { return row.name == kScriptedRun; }));
}

}  // namespace
}  // namespace alos::broker
