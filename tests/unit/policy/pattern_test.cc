#include "policy/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace alos::policy {
namespace {

using testing::HasSubstr;

Pattern pattern(const std::string& text) {
  auto out = Pattern::parse(text);
  EXPECT_TRUE(out) << out.error().text();
  return out ? *out : Pattern();
}

struct Case {
  const char* pattern;
  const char* path;
  bool matches;
};

class PatternMatches : public testing::TestWithParam<Case> {};

TEST_P(PatternMatches, as_the_language_says) {
  EXPECT_EQ(pattern(GetParam().pattern).matches(GetParam().path), GetParam().matches)
      << GetParam().pattern << " against " << GetParam().path;
}

INSTANTIATE_TEST_SUITE_P(
    Language, PatternMatches,
    testing::Values(Case{"/a/b", "/a/b", true}, Case{"/a/b", "/a", false}, Case{"/a/b", "/a/b/c", false},
                    Case{"/a/b", "/a/bc", false}, Case{"/", "/", true}, Case{"/", "/a", false},
                    // "*" stays in its component and takes dotfiles and nothing
                    Case{"/a/*", "/a/b", true}, Case{"/a/*", "/a/.b", true}, Case{"/a/*", "/a", false},
                    Case{"/a/*", "/a/b/c", false}, Case{"/a/*b", "/a/b", true}, Case{"/a/b*", "/a/b", true},
                    Case{"/a/*.c", "/a/.c", true}, Case{"/a/x*y*z", "/a/xyz", true}, Case{"/a/x*y*z", "/a/x1y2z", true},
                    Case{"/a/x*y*z", "/a/xz", false}, Case{"/a/aa*aa", "/a/aaa", false},
                    Case{"/a/*ab*ab*", "/a/ab", false}, Case{"/a/*ab*ab*", "/a/xabyab", true},
                    // "**" takes none or many
                    Case{"/a/**", "/a", true}, Case{"/a/**", "/a/b/c", true}, Case{"/a/**", "/ab", false},
                    Case{"/**", "/", true}, Case{"/**", "/a/b", true}, Case{"/a/**/b", "/a/b", true},
                    Case{"/a/**/b", "/a/x/y/b", true}, Case{"/a/**/b", "/a/x/y/bc", false},
                    Case{"/a/**/b/**", "/a/x/b", true}, Case{"/a/**/b/**/c", "/a/b/x/b/c", true},
                    Case{"/a/**/b/c", "/a/b/b/c", true}, Case{"/a/**/.env*", "/a/x/.env.local", true},
                    Case{"/a/**/.env*", "/a/x/env", false}, Case{"/a/**/**/b", "/a/b", true},
                    // escapes make one character literal
                    Case{"/a/\\*", "/a/*", true}, Case{"/a/\\*", "/a/b", false}, Case{"/a/\\\\b", "/a/\\b", true},
                    Case{"/a/\\[id\\]", "/a/[id]", true}, Case{"/a/\\*\\*", "/a/**", true},
                    // bytes, not letters
                    Case{"/a/B", "/a/b", false}, Case{"/a/\xc3\xa9", "/a/e\xcc\x81", false}, Case{"/a/b", "a/b", false},
                    Case{"/a/b", "", false}));

struct Refusal {
  const char* text;
  const char* hint;
};

class PatternRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(PatternRefuses, what_cannot_be_meant_and_says_what_to_write) {
  const auto out = Pattern::parse(GetParam().text);
  ASSERT_FALSE(out) << GetParam().text;
  EXPECT_THAT(out.error().hint, HasSubstr(GetParam().hint));
}

INSTANTIATE_TEST_SUITE_P(Language, PatternRefuses,
                         testing::Values(Refusal{"", "absolute"}, Refusal{"a/b", "absolute"},
                                         Refusal{"~/a", "absolute"}, Refusal{"/a//b", "empty component"},
                                         Refusal{"/a/", "empty component"}, Refusal{"/a/../b", "not followed"},
                                         Refusal{"/a/./b", "not followed"}, Refusal{"/a/\\.\\.", "not followed"},
                                         Refusal{"/a/b**", "stands alone"}, Refusal{"/a/***", "stands alone"},
                                         Refusal{"/a/**.c", "stands alone"}, Refusal{"/a/b?", "'\\?'"},
                                         Refusal{"/a/[ab]", "'\\['"}, Refusal{"/a/{a,b}", "'\\{'"},
                                         Refusal{"/a/b\\", "'\\\\'"}, Refusal{"/a/b\\/c", "'\\\\'"}));

TEST(Pattern, refuses_what_no_file_can_be_called) {
  EXPECT_EQ(Pattern::parse("/a/" + std::string(256, 'x')).error().code, ENAMETOOLONG);
  EXPECT_EQ(Pattern::parse("/" + std::string(5000, 'x')).error().code, ENAMETOOLONG);
  EXPECT_EQ(Pattern::parse(std::string_view("/a\0b", 4)).error().code, EINVAL);
  EXPECT_TRUE(Pattern::parse("/a/" + std::string(255, 'x')));
}

TEST(Pattern, an_escaped_text_matches_itself_only) {
  const std::string odd = "/w/a*b\\c?[d]{e}**";
  EXPECT_TRUE(pattern(Pattern::escape(odd)).matches(odd));
  EXPECT_EQ(pattern(Pattern::escape(odd)).shape(), Pattern::Shape::literal);
  EXPECT_EQ(pattern(Pattern::escape(odd)).literal_prefix(), odd);
}

TEST(Pattern, knows_its_shape) {
  EXPECT_EQ(pattern("/a/b").shape(), Pattern::Shape::literal);
  EXPECT_EQ(pattern("/").shape(), Pattern::Shape::literal);
  EXPECT_EQ(pattern("/a/b/**").shape(), Pattern::Shape::tree);
  EXPECT_EQ(pattern("/**").shape(), Pattern::Shape::tree);
  EXPECT_EQ(pattern("/a/*/**").shape(), Pattern::Shape::glob);
  EXPECT_EQ(pattern("/a/**/b").shape(), Pattern::Shape::glob);
  EXPECT_EQ(pattern("/a/**/**").text(), "/a/**");
  EXPECT_TRUE(pattern("/a/*/c*/**").expandable());
  EXPECT_FALSE(pattern("/a/**/b").expandable());
  EXPECT_EQ(pattern("/a/b/*.c").literal_prefix(), "/a/b");
  EXPECT_EQ(pattern("/a/b/**").literal_prefix(), "/a/b");
  EXPECT_EQ(pattern("/*").literal_prefix(), "/");
}

TEST(Pattern, lets_a_walk_skip_directories_below_which_nothing_can_match) {
  EXPECT_TRUE(pattern("/a/b/*.c").may_match_below("/"));
  EXPECT_TRUE(pattern("/a/b/*.c").may_match_below("/a"));
  EXPECT_TRUE(pattern("/a/b/*.c").may_match_below("/a/b"));
  EXPECT_FALSE(pattern("/a/b/*.c").may_match_below("/a/b/x.c"));
  EXPECT_FALSE(pattern("/a/b/*.c").may_match_below("/a/x"));
  EXPECT_TRUE(pattern("/a/**/b").may_match_below("/a/x/y"));
  EXPECT_FALSE(pattern("/a/**/b").may_match_below("/x"));
  EXPECT_TRUE(pattern("/a/**").may_match_below("/a"));
  EXPECT_FALSE(pattern("/a").may_match_below("/a"));
}

TEST(Pattern, says_what_is_left_of_it_in_a_directory) {
  using Left = std::set<std::string>;
  EXPECT_EQ(pattern("/a/b/*.c").left_below("/a"), Left{"b/*.c"});
  EXPECT_EQ(pattern("/a/b/*.c").left_below("/a/b"), Left{"*.c"});
  EXPECT_EQ(pattern("/a/b/*.c").left_below("/a/b/x.c"), Left{""});
  EXPECT_EQ(pattern("/a/b/*.c").left_below("/a/x"), Left{});
  EXPECT_EQ(pattern("/a/**").left_below("/a"), (Left{"", "**"}));
  EXPECT_EQ(pattern("/a/**").left_below("/a/x/y"), (Left{"", "**"}));
  EXPECT_EQ(pattern("/a/**/b/*").left_below("/a/b"), (Left{"**/b/*", "b/*", "*"}));
  EXPECT_EQ(pattern("/a/\\*/c").left_below("/"), Left{"a/\\*/c"});
  EXPECT_EQ(pattern("/**").left_below("/"), (Left{"", "**"}));
}

struct Pair {
  const char* outer;
  const char* inner;
  bool includes;
  bool overlaps;
};

class PatternPairs : public testing::TestWithParam<Pair> {};

TEST_P(PatternPairs, inclusion_and_overlap) {
  const Pair& p = GetParam();
  EXPECT_EQ(pattern(p.outer).includes(pattern(p.inner)), p.includes) << p.outer << " includes " << p.inner;
  EXPECT_EQ(pattern(p.outer).overlaps(pattern(p.inner)), p.overlaps) << p.outer << " overlaps " << p.inner;
  EXPECT_EQ(pattern(p.inner).overlaps(pattern(p.outer)), p.overlaps) << "overlap has no direction";
}

INSTANTIATE_TEST_SUITE_P(Language, PatternPairs,
                         testing::Values(Pair{"/a/**", "/a/b/c", true, true}, Pair{"/a/**", "/a/**", true, true},
                                         Pair{"/a/**", "/a/**/b", true, true}, Pair{"/a/*", "/a/**", false, true},
                                         Pair{"/a/**", "/ab/**", false, false}, Pair{"/a/*", "/a/*.c", true, true},
                                         Pair{"/a/*.c", "/a/x*.c", true, true}, Pair{"/a/*.c", "/a/*.h", false, false},
                                         Pair{"/a/x*", "/a/*y", false, true}, Pair{"/a/**/b", "/a/*/b", true, true},
                                         Pair{"/a/**/b/**", "/a/b", true, true},
                                         Pair{"/a/**/b", "/a/**/c", false, false},
                                         Pair{"/**/.env*", "/w/**/.env", true, true},
                                         Pair{"/w/**", "/**/.env*", false, true}, Pair{"/a/b", "/a/b", true, true},
                                         Pair{"/a/\\*", "/a/*", false, true}, Pair{"/a/*", "/a/\\*", true, true},
                                         Pair{"/", "/**", false, true}));

TEST(Pattern, hostile_patterns_cost_no_more_than_their_length) {
  std::string text = "/w", path = "/w";
  for (int i = 0; i < 200; ++i) text += "/**/a*a*a*a*a*b";
  for (int i = 0; i < 1000; ++i) path += "/aa";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(pattern(text).matches(path));
  EXPECT_FALSE(pattern("/" + std::string(100, 'a') + "*a*a*a*a*a*a*a*a*b").matches("/" + std::string(255, 'a')));
  // Backtracking would need longer than the machine exists: any bound tells the two apart.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace alos::policy
