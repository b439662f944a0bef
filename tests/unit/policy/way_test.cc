#include "policy/way.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

// "DIRECTORY by RULE", or nothing.
std::string shown(const std::optional<TakenOnWay>& one) {
  return one ? one->directory + " by " + std::string(one->decision.rule_name()) : "";
}
std::string taken(const CompiledPolicy& policy, const std::string& path, Right right = Right::read) {
  return shown(taken_on_way(policy, right, path));
}
std::string covered(const CompiledPolicy& policy, const std::string& path, Right right = Right::read) {
  return shown(covered_on_way(policy, right, path));
}

TEST(TakenOnWay, by_a_deny_of_the_directory_alone) {
  const CompiledPolicy policy =
      compiled(with_rules("  all: {allow: rw, path: /s/**, audit: each}\n"
                          "  no: {deny: r, path: [/s/d, /s/**/*.key]}\n  kept: {deny: w, path: /s/w}\n"));
  EXPECT_EQ(taken(policy, "/s/d/f"), "/s/d by no");
  EXPECT_EQ(taken(policy, "/s/d"), "/s/d by no");
  EXPECT_EQ(taken(policy, "/s/a/x.key/b/y.key/c"), "/s/a/x.key by no");
  EXPECT_EQ(taken(policy, "/s/a/b"), "");
  EXPECT_EQ(taken(policy, "/s/w/f"), "");
  EXPECT_EQ(taken(policy, "/s/w/f", Right::write), "/s/w by kept");
  EXPECT_EQ(taken(policy, "/"), "");
}

TEST(TakenOnWay, not_where_the_deny_excepts_what_is_below) {
  const CompiledPolicy policy =
      compiled(with_rules("  books: {allow: rw, path: /s/v/books/**, audit: each}\n"
                          "  no: {deny: rwx, path: /s/v/**, except: /s/v/books/**}\n"));
  EXPECT_EQ(taken(policy, "/s/v/books/new"), "");
  EXPECT_EQ(taken(policy, "/s/v/books"), "");
}

// Those of a box begin at what it shows as well.
TEST(TakenOnWay, not_above_what_is_reached) {
  const CompiledPolicy policy = compiled(
      with_rules("  books: {allow: rw, path: /s/v/books/**, audit: each}\n"
                 "  root: {deny: r, path: /, degrade: allow}\n  no: {deny: rwx, path: [/s/*, /s/v/*/*.key]}\n"));
  EXPECT_EQ(taken(policy, "/s/v/books/new"), "");
  EXPECT_EQ(taken(policy, "/s/v/books/a.key/f"), "/s/v/books/a.key by no");
  EXPECT_EQ(taken(policy, "/s/w/f"), "") << "nothing is reached there";
}

// What reaches it with another right does not begin it.
TEST(TakenOnWay, not_above_what_is_reached_with_the_right_that_is_asked_for) {
  const CompiledPolicy policy = compiled(
      with_rules("  all: {allow: r, path: /s/**, audit: each}\n  books: {allow: rw, path: /s/v/books/**, audit: each}\n"
                 "  no: {deny: w, path: /s/*}\n"));
  EXPECT_EQ(taken(policy, "/s/v/books/new", Right::create), "");
}

// A directory that a wildcard stands for is there if what it is reached by is.
TEST(TakenOnWay, not_above_what_a_wildcard_reaches) {
  const CompiledPolicy policy = compiled(with_rules(
      "  books: {allow: rw, path: /t/*/books/**, audit: each}\n  no: {deny: w, path: [/t/*, /t/*/books/*.key]}\n"));
  EXPECT_EQ(taken(policy, "/t/a/books/new", Right::create), "");
  EXPECT_EQ(taken(policy, "/t/a/books", Right::create), "");
  EXPECT_EQ(taken(policy, "/t/a/books/a.key/f", Right::create), "/t/a/books/a.key by no");
}

TEST(TakenOnWay, by_a_deny_that_excepts_other_paths_than_this) {
  const CompiledPolicy policy = compiled(
      with_rules("  all: {allow: rw, path: /s/**, audit: each}\n"
                 "  env: {deny: rwx, path: /s/**/.env*, except: [/s/**/.env.example, /s/**/.env/public/**]}\n"));
  EXPECT_EQ(taken(policy, "/s/a/.env/f"), "/s/a/.env by env");
  EXPECT_EQ(taken(policy, "/s/a/.env/public/f"), "");
  EXPECT_EQ(taken(policy, "/s/a/.env.example/f"), "");
  EXPECT_EQ(taken(policy, "/s/a/.env/.env.example"), "");
  EXPECT_EQ(taken(policy, "/s/a/.env.example/.env/f"), "/s/a/.env.example/.env by env");
}

TEST(TakenOnWay, by_another_deny_than_the_one_that_excepts) {
  const CompiledPolicy policy =
      compiled(with_rules("  all: {allow: r, path: /s/**, audit: each}\n"
                          "  a: {deny: r, path: /s/**, except: /s/d/f}\n  b: {deny: r, path: /s/d}\n"));
  EXPECT_EQ(taken(policy, "/s/d/f"), "/s/d by b");
}

TEST(TakenOnWay, by_what_an_allow_excepts) {
  const CompiledPolicy policy =
      compiled(with_rules("  all: {allow: r, path: /s/**, except: /s/priv/*.key, audit: each}\n"));
  EXPECT_EQ(taken(policy, "/s/priv/x.key/f"), "/s/priv/x.key by default");
  EXPECT_EQ(taken(policy, "/s/priv/x.key"), "/s/priv/x.key by default");
  EXPECT_EQ(taken(policy, "/s/priv/x/f"), "");
  EXPECT_EQ(taken(policy, "/s/priv/x.key/f", Right::write), "");  // it says nothing of that
}

TEST(TakenOnWay, not_by_what_one_allow_excepts_and_another_allows) {
  const std::string one = "  one: {allow: r, path: /s/**, except: /s/d, audit: each}\n";
  EXPECT_EQ(taken(compiled(with_rules(one)), "/s/d/f"), "/s/d by default");
  EXPECT_EQ(taken(compiled(with_rules(one + "  two: {allow: r, path: /s/d, audit: each}\n")), "/s/d/f"), "");
  const CompiledPolicy below = compiled(with_rules(
      "  one: {allow: rw, path: /s/**, except: /s/priv/**, audit: each}\n  two: {allow: rw, path: /s/priv/mine/**, "
      "audit: each}\n"));
  EXPECT_EQ(taken(below, "/s/priv/mine/new", Right::create), "");
  EXPECT_EQ(taken(below, "/s/priv/mine"), "");
}

TEST(SaidOnWay, is_what_a_rule_names_in_so_many_words) {
  const CompiledPolicy policy = compiled(with_rules(
      "  books: {allow: r, path: [/s/v/books/**, /t/*/books/**], audit: each}\n  no: {deny: r, path: /s/v/*.key}\n"));
  EXPECT_TRUE(is_said_on_way(policy, Right::read, "/s/v/books/a/f", "/s/v/books"));
  EXPECT_TRUE(is_said_on_way(policy, Right::read, "/s/v/books/a/f", "/"));
  EXPECT_FALSE(is_said_on_way(policy, Right::read, "/s/v/books/a/f", "/s/v/books/a"));
  EXPECT_TRUE(is_said_on_way(policy, Right::read, "/t/a/books/f", "/t"));
  EXPECT_FALSE(is_said_on_way(policy, Right::read, "/t/a/books/f", "/t/a"));
  EXPECT_FALSE(is_said_on_way(policy, Right::write, "/s/v/books/a/f", "/s"));
  EXPECT_FALSE(is_said_on_way(policy, Right::read, "/s/v", "/s")) << "it is not reached";
}

TEST(TakenOnWay, a_long_path_and_many_rules) {
  std::string rules = "  all: {allow: r, path: /s/**, audit: each}\n", path = "/s";
  for (int i = 0; i < 50; ++i)
    rules += "  r" + std::to_string(i) + ": {deny: r, path: [/s/**/d, /s/**/*.k" + std::to_string(i) +
             "], except: /s/**/d/d}\n";
  for (int i = 0; i < 1000; ++i) path += "/d";
  const CompiledPolicy policy = compiled(with_rules(rules));
  EXPECT_EQ(taken(policy, path), "");
  EXPECT_EQ(taken(policy, path + "/a.k49/f"), path + "/a.k49 by r49");
}

TEST(CoveredOnWay, by_a_deny_of_a_directory_that_is_mounted) {
  const CompiledPolicy policy = compiled(
      with_rules("  all: {allow: rwx, path: /s/**}\n  no: {deny: rwx, path: /s/**/.env*}\n"
                 "  spared: {deny: rwx, path: '/s/**/p*', except: /s/p/public}\n  kept: {deny: wx, path: /s/x}\n"));
  EXPECT_EQ(covered(policy, "/s/a/.env/key"), "/s/a/.env by no");
  EXPECT_EQ(covered(policy, "/s/a/.env/b/.env.d/key"), "/s/a/.env/b/.env.d by no");
  EXPECT_EQ(covered(policy, "/s/a/.env"), "") << "its own name is decide()'s to judge";
  EXPECT_EQ(covered(policy, "/s/p/other"), "") << "something below is spared, so it stays open";
  EXPECT_EQ(covered(policy, "/s/q/p/other"), "/s/q/p by spared");
  EXPECT_EQ(covered(policy, "/s/x/f", Right::write), "/s/x by kept");
  EXPECT_EQ(covered(policy, "/s/x/f"), "");
  EXPECT_EQ(covered(policy, "/other/f"), "");
}

TEST(CoveredOnWay, not_by_a_directory_above_what_is_mounted_nor_where_primitives_alone_reach) {
  const CompiledPolicy policy =
      compiled(with_rules("  books: {allow: r, path: /s/v/books/**}\n  each: {allow: r, path: /b/**, audit: each}\n"
                          "  no: {deny: rwx, path: [/s/v, /b/d]}\n"));
  EXPECT_EQ(covered(policy, "/s/v/books/f"), "");
  EXPECT_EQ(covered(policy, "/b/d/f"), "");
}

// Where an exception leaves to primitives what a mount would have.
TEST(CoveredOnWay, not_what_is_excepted_for_primitives_to_reach) {
  const CompiledPolicy policy = compiled(
      with_rules("  all: {allow: r, path: /s/**, except: /s/x/**}\n  each: {allow: r, path: /s/x/**, audit: each}\n"));
  EXPECT_EQ(covered(policy, "/s/x/d/f"), "");
  EXPECT_EQ(decided(policy, "fs.read /s/x/d/f"), Effect::allow);
}

TEST(CoveredOnWay, by_what_an_allow_excepts_and_no_other_gives) {
  const CompiledPolicy policy =
      compiled(with_rules("  all: {allow: rw, path: /s/**, except: [/s/p, /s/q]}\n  q: {allow: rw, path: /s/q}\n"));
  EXPECT_EQ(covered(policy, "/s/p/f"), "/s/p by all");
  EXPECT_EQ(covered(policy, "/s/q/f"), "");
}

}  // namespace
}  // namespace alos::policy
