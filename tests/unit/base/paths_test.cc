#include "base/paths.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace alos {
namespace {

TEST(CanonicalPath, removes_what_says_nothing) {
  EXPECT_EQ(canonical_path("//a/./b//c/").value(), "/a/b/c");
  EXPECT_EQ(canonical_path("/a/../../b").value(), "/b");
  EXPECT_EQ(canonical_path("/..").value(), "/");
  EXPECT_EQ(canonical_path("/a/..b/...").value(), "/a/..b/...");
}

TEST(CanonicalPath, refuses_what_names_no_file) {
  EXPECT_EQ(canonical_path("a/b").error().code, EINVAL);
  EXPECT_EQ(canonical_path("").error().code, EINVAL);
  EXPECT_EQ(canonical_path(std::string_view("/a\0b", 4)).error().code, EINVAL);
  EXPECT_EQ(canonical_path("/" + std::string(256, 'x')).error().code, ENAMETOOLONG);
  std::string deep;
  for (int i = 0; i < 3000; ++i) deep += "/a";
  EXPECT_EQ(canonical_path(deep).error().code, ENAMETOOLONG);
}

TEST(LiesBelow, knows_components) {
  EXPECT_TRUE(lies_below("/src", "/src"));
  EXPECT_TRUE(lies_below("/src/a", "/src"));
  EXPECT_FALSE(lies_below("/src2", "/src"));
  EXPECT_TRUE(lies_below("/anything", "/"));
  EXPECT_FALSE(lies_below("/", "/src"));
}

TEST(DecodeUtf8, gives_length_and_character_or_nothing) {
  char32_t c = 0;
  EXPECT_EQ(decode_utf8("é!", c), 2u);
  EXPECT_EQ(c, U'é');
  EXPECT_EQ(decode_utf8("\xf0\x9f\x98\x80", c), 4u);
  EXPECT_EQ(c, U'\U0001f600');
  for (const char* bad : {"\x80", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80"})
    EXPECT_EQ(decode_utf8(bad, c), 0u);
}

TEST(Printable, shows_what_would_deceive) {
  for (const auto& shown : {printable, printable_text}) {
    EXPECT_EQ(shown("plain é 漢"), "plain é 漢");
    EXPECT_EQ(shown("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
    EXPECT_EQ(shown("a\u202egnp.exe"), "a\\u{202e}gnp.exe");
    EXPECT_EQ(shown("zero\u200bwidth"), "zero\\u{200b}width");
    EXPECT_EQ(shown("\xc0\x80\xff"), "\\xc0\\x80\\xff");           // overlong, invalid
    EXPECT_EQ(shown("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
    EXPECT_EQ(shown("\xe2\x82"), "\\xe2\\x82");                    // cut short
    EXPECT_EQ(shown("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  }
}

TEST(Printable, shows_what_of_a_name_is_not_seen) {
  EXPECT_EQ(printable("a\\x0a"), "a\\\\x0a");
  EXPECT_EQ(printable("a b"), "a b");
  EXPECT_EQ(printable("a  b   c"), "a \\x20b \\x20\\x20c");
  EXPECT_EQ(printable(" a "), "\\x20a\\x20");
  EXPECT_EQ(printable(" "), "\\x20");
  EXPECT_EQ(printable("a\u00a0b\u2003c\u3000d"), "a\\u{a0}b\\u{2003}c\\u{3000}d");
  EXPECT_EQ(printable("e\u0301"), "e\\u{301}");  // looks like U+00E9
  EXPECT_EQ(printable("\ue000\U000f0000\uffff"), "\\u{e000}\\u{f0000}\\u{ffff}");
}

TEST(Printable, keeps_text_as_it_was_written) {
  for (const char* text : {"  indented", "a\\x0a", "C:\\dir", "a\u00a0b", "trailing  "})
    EXPECT_EQ(printable_text(text), text);
}

// The bytes that a shown name stands for.
std::string meant(std::string_view shown) {
  std::string out;
  for (size_t at = 0; at < shown.size();) {
    if (shown[at] != '\\') {
      out += shown[at++];
    } else if (shown[at + 1] == '\\') {
      out += '\\', at += 2;
    } else if (shown[at + 1] == 'x') {
      out += static_cast<char>(std::stoi(std::string(shown.substr(at + 2, 2)), nullptr, 16)), at += 4;
    } else {
      const auto c = static_cast<uint32_t>(std::stoul(std::string(shown.substr(at + 3)), nullptr, 16));
      at = shown.find('}', at) + 1;
      if (c >= 0x10000) out += static_cast<char>(0xf0 | c >> 18);
      if (c >= 0x800) out += static_cast<char>(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12);
      if (c >= 0x80) out += static_cast<char>(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6);
      out += static_cast<char>(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
    }
  }
  return out;
}

// By Unicode 15, written down again: Cc, Zs but the space, Zl, Zp, Default_Ignorable_Code_Point, Bidi_Control.
bool unseen(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kUnseen[] = {
      {0x00, 0x1f},       {0x7f, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},
      {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f},
      {0x2028, 0x202f},   {0x205f, 0x206f},   {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},
      {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0x1bca0, 0x1bca3},
      {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0x13430, 0x1345f}, {0x16fe4, 0x16fe4},
  };
  return std::ranges::any_of(kUnseen, [c](const auto& range) { return c >= range.first && c <= range.second; });
}

void expect_seen(const std::string& shown) {
  for (size_t at = 0; at < shown.size();) {
    char32_t c = 0;
    const size_t size = decode_utf8(std::string_view(shown).substr(at), c);
    ASSERT_GT(size, 0U) << "not UTF-8: " << testing::PrintToString(shown);
    ASSERT_FALSE(unseen(c)) << std::hex << static_cast<uint32_t>(c);
    at += size;
  }
  EXPECT_FALSE(shown.starts_with(' ') || shown.ends_with(' ') || shown.find("  ") != shown.npos) << shown;
}

TEST(Printable, tells_any_two_names_apart_and_hides_nothing) {
  // What escapes are made of, what they are made for, and halves of it.
  const std::vector<std::string> pieces{"\\", "x",      "u",      "{",        "}",        "0a",        "20",
                                        "a0", "\n",     " ",      " ",        "/",        "a",         "é",
                                        "漢", "\u00a0", "\u202e", "\u200b",   "\u0301",   "\ufeff",    "\u2003",
                                        "\t", "\x7f",   "\xc2",   "\x80",     "\xe2\x80", "\xf0\x9f",  "\xff",
                                        "'",  "\u3000", "\ue000", "\x1b[31m", "{202e}",   "\\x20",     "\\u{a0}",
                                        "\"", "\\\\",   "\u0085", "\u2028",   "\u061c",   "\U0001f600"};
  std::mt19937 random(20260101);
  std::map<std::string, std::string> seen;
  for (int i = 0; i < 100'000; ++i) {
    std::string name;
    for (size_t n = random() % 7; n-- > 0;)
      name += random() % 4 == 0 ? std::string(1, static_cast<char>(random())) : pieces[random() % pieces.size()];
    const std::string shown = printable(name);
    ASSERT_NO_FATAL_FAILURE(expect_seen(shown));
    ASSERT_EQ(meant(shown), name) << shown;
    const auto [other, is_new] = seen.emplace(shown, name);
    ASSERT_TRUE(is_new || other->second == name) << shown;
  }
  EXPECT_GT(seen.size(), 50'000U);
}

TEST(Printable, hides_no_character_of_unicode) {
  for (char32_t c = 0; c <= 0x10ffff; c += c < 0x3000 ? 1 : ALOS_PART) {
    std::string name = meant("\\u{" + fmt::format("{:x}", static_cast<uint32_t>(c)) + "}");
    const std::string shown = printable("a" + name + "b");
    ASSERT_NO_FATAL_FAILURE(expect_seen(shown));
    ASSERT_EQ(meant(shown), "a" + name + "b");
  }
}

TEST(PrintableCommand, tells_its_words_apart) {
  EXPECT_EQ(printable_command({"ls", "-l", "a b", "", "it's"}), "ls -l 'a b' '' 'it\\'s'");
  EXPECT_EQ(printable_command({"ls", "a\nb"}), "ls 'a\\x0ab'");
  EXPECT_EQ(printable_command({"sh", "-c", "a' 'b"}), "sh -c 'a\\' \\'b'");
  EXPECT_NE(printable_command({"a\\'", "b"}), printable_command({"a'", "b"}));
}

}  // namespace
}  // namespace alos
