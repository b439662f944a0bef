#include "policy/pattern_at.h"

#include <gtest/gtest.h>

namespace alos::policy {
namespace {

using AnyDepth = PatternAt::AnyDepth;

PatternAt pattern(std::string_view text) {
  return PatternAt(*Pattern::parse(text));
}

std::vector<std::string> through(std::string_view text, std::string_view link, std::string_view target,
                                 AnyDepth any_depth = AnyDepth::skip) {
  std::vector<std::string> out;
  for (const PatternAt& part : pattern(text).through(link, target, any_depth)) out.push_back(part.text());
  return out;
}
using Texts = std::vector<std::string>;

TEST(PatternAt, reads_through_a_link_for_what_follows_it) {
  EXPECT_EQ(through("/w/current/secret.txt", "/w/current", "/w/releases/1"), Texts{"/w/releases/1\n/secret.txt"});
  EXPECT_EQ(through("/w/**/.ssh/**", "/w/a/.ssh", "/keys"), Texts{"/keys\n/**"});
  EXPECT_EQ(through("/w/*/conf/*.key", "/w/a/conf", "/w/b"), Texts{"/w/b\n/*.key"});
  EXPECT_EQ(through("/w/a*/b*/c", "/w/a1", "/x"), Texts{"/x\n/b*/c"});
}

TEST(PatternAt, says_nothing_through_a_link_that_matches_whole_or_not_at_all) {
  EXPECT_EQ(through("/w/**/.env", "/w/.env", "/w/dotenv"), Texts{});
  EXPECT_EQ(through("/w/a/b", "/w/c", "/x"), Texts{});
  EXPECT_EQ(through("/w/a/b", "/v/a", "/x"), Texts{});
}

TEST(PatternAt, carries_any_depth_on_only_when_asked_to) {
  EXPECT_EQ(through("/w/**/*.pub", "/w/.ssh", "/keys"), Texts{});
  EXPECT_EQ(through("/w/**/*.pub", "/w/.ssh", "/keys", AnyDepth::carry), Texts{"/keys\n/**/*.pub"});
}

TEST(PatternAt, tells_cheaply_whether_there_is_anything_through_a_link) {
  EXPECT_TRUE(pattern("/w/**/.ssh/**").leads_through("/w/a/.ssh"));
  EXPECT_FALSE(pattern("/w/**/.ssh/**").leads_through("/w/a/ssh"));
  EXPECT_FALSE(pattern("/w/**/.env").leads_through("/w/.env"));
}

TEST(PatternAt, matches_at_its_place_alone) {
  const PatternAt keys = pattern("/w/**/.ssh/*.key").through("/w/.ssh", "/k/*[", AnyDepth::skip).at(0);
  EXPECT_TRUE(keys.matches("/k/*[/a.key"));
  EXPECT_FALSE(keys.matches("/k/*[/b/a.key"));
  EXPECT_FALSE(keys.matches("/k/x/a.key"));
  EXPECT_TRUE(keys.may_match_below("/k/*["));
  EXPECT_TRUE(keys.may_match_below("/k"));
  EXPECT_FALSE(keys.may_match_below("/l"));
  EXPECT_FALSE(keys.may_match_below("/k/*[/b"));
  EXPECT_EQ(keys.literal_prefix(), "/k/*[");
  EXPECT_FALSE(keys.literal());
}

TEST(PatternAt, of_a_tree_matches_the_place_itself) {
  const PatternAt tree = pattern("/w/.ssh/**").through("/w/.ssh", "/keys", AnyDepth::skip).at(0);
  EXPECT_TRUE(tree.ends_in_tree());
  EXPECT_TRUE(tree.matches("/keys"));
  EXPECT_TRUE(tree.matches("/keys/a/b"));
  EXPECT_FALSE(tree.matches("/keys2"));
}

TEST(PatternAt, exactly_is_one_path_of_any_length) {
  std::string path;
  for (int i = 0; i < 3000; ++i) path += "/deep";
  const PatternAt exact = PatternAt::exactly(path);
  EXPECT_TRUE(exact.matches(path));
  EXPECT_FALSE(exact.matches(path + "/x"));
  EXPECT_FALSE(exact.may_match_below(path));
  EXPECT_TRUE(exact.may_match_below("/deep"));
  EXPECT_TRUE(exact.literal());
  EXPECT_EQ(exact.literal_prefix(), path);
  EXPECT_TRUE(PatternAt::exactly("/").matches("/"));
}

}  // namespace
}  // namespace alos::policy
