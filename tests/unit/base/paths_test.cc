#include "base/paths.h"

#include <gtest/gtest.h>

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
  EXPECT_EQ(printable("plain é 漢"), "plain é 漢");
  EXPECT_EQ(printable("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
  EXPECT_EQ(printable("a\u202egnp.exe"), "a\\u{202e}gnp.exe");
  EXPECT_EQ(printable("zero\u200bwidth"), "zero\\u{200b}width");
  EXPECT_EQ(printable("\xc0\x80\xff"), "\\xc0\\x80\\xff");           // overlong, invalid
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");                    // cut short
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

}  // namespace
}  // namespace alos
