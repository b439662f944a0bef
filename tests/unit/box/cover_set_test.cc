#include "supervisor/box/cover_set.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <random>

#include "base/paths.h"

namespace alos::box {
namespace {

using testing::ElementsAre;

Cover hide(const std::string& path) {
  return {Cover::Kind::hide, path, true, 0};
}
Cover pin(const std::string& path) {
  return {Cover::Kind::pin, path, true, 0};
}
Cover restrict(const std::string& path, uint64_t attributes = MOUNT_ATTR_RDONLY) {
  return {Cover::Kind::restrict, path, true, attributes};
}

std::vector<std::string> names(CoverSet& set) {
  const auto taken = set.take({});
  EXPECT_TRUE(taken);
  std::vector<std::string> out;
  for (const Cover& cover : *taken) out.push_back(cover.target);
  return out;
}

// What sorts beside a slash is where an order of bytes would be wrong.
std::string some_path(std::mt19937& random) {
  std::string out;
  for (size_t n = 1 + random() % 5; n > 0; --n)
    out += std::array{"/a", "/a.b", "/a-", "/a0", "/b", "/\xff"}[random() % 6];
  return out;
}

TEST(TopPathsTest, know_what_lies_below_one_whatever_the_order_they_came_in) {
  std::mt19937 random(20261201);
  size_t below = 0;
  for (int round = 0; round < 3000; ++round) {
    TopPaths paths;
    std::vector<std::string> all;
    for (size_t n = random() % 12; n > 0; --n) paths.insert(all.emplace_back(some_path(random)));
    for (int i = 0; i < 20; ++i) {
      const std::string path = some_path(random);
      const bool expected =
          std::ranges::any_of(all, [&](const std::string& one) { return path != one && lies_below(path, one); });
      ASSERT_EQ(paths.has_above(path), expected) << path << " below " << testing::PrintToString(all);
      below += expected ? 1 : 0;
    }
  }
  EXPECT_GT(below, 5000U) << "or nothing was asked";
}

TEST(CoverSetTest, what_hides_stays_and_what_restrictions_take_adds_up_in_any_order) {
  std::vector<Cover> all{hide("/a"), restrict("/a"), pin("/a")};
  const auto by_kind = [](const Cover& one, const Cover& other) { return one.kind < other.kind; };
  do {
    CoverSet set;
    for (const Cover& cover : all) ASSERT_TRUE(set.add(cover));
    EXPECT_TRUE(set.is_hidden("/a"));
    EXPECT_TRUE(set.lies_in_hidden("/a/b"));
    EXPECT_EQ(set.find("/a")->attributes, 0U);
  } while (std::ranges::next_permutation(all, by_kind).found);
  for (const bool first : {true, false}) {
    CoverSet set;
    ASSERT_TRUE(set.add(restrict("/a", first ? MOUNT_ATTR_RDONLY : MOUNT_ATTR_NOEXEC)));
    EXPECT_FALSE(set.restricted_above("/a/b", MOUNT_ATTR_NOEXEC));
    ASSERT_TRUE(set.add(pin("/a")));
    ASSERT_TRUE(set.add(restrict("/a", first ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_RDONLY)));
    EXPECT_TRUE(set.restricted_above("/a/b", 0));
    EXPECT_TRUE(set.restricted_above("/a/b", MOUNT_ATTR_NOEXEC));
    EXPECT_EQ(set.find("/a")->attributes, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);
  }
}

TEST(CoverSetTest, what_a_deny_hides_is_not_a_socket_s_for_being_one_as_well) {
  CoverSet set;
  Cover socket = hide("/a");
  socket.of_a_deny = false;
  ASSERT_TRUE(set.add(socket));
  EXPECT_FALSE(set.find("/a")->of_a_deny);
  ASSERT_TRUE(set.add(hide("/a")));
  ASSERT_TRUE(set.add(socket));
  EXPECT_TRUE(set.find("/a")->of_a_deny);
}

TEST(CoverSetTest, what_may_not_be_run_may_still_be_written) {
  CoverSet set;
  ASSERT_TRUE(set.add(restrict("/a", MOUNT_ATTR_NOEXEC)));
  EXPECT_FALSE(set.restricted_above("/a/b", MOUNT_ATTR_NOEXEC));
  EXPECT_FALSE(set.restricted_above("/a/b", 0));
}

TEST(CoverSetTest, is_taken_in_order_without_what_lies_in_what_is_hidden) {
  CoverSet set;
  for (const char* path : {"/a/b/c", "/a.b", "/a.b/c", "/a"}) ASSERT_TRUE(set.add(pin(path)));
  for (const char* path : {"/a/b", "/d"}) ASSERT_TRUE(set.add(hide(path)));
  for (const char* path : {"/d/e", "/f", "/f/g"}) ASSERT_TRUE(set.add(restrict(path)));
  EXPECT_THAT(names(set), ElementsAre("/a", "/a.b", "/a.b/c", "/a/b", "/d", "/f"));
  EXPECT_EQ(set.find("/a"), nullptr);
}

TEST(CoverSetTest, limits_are_looked_at_while_it_is_taken) {
  CoverSet set;
  for (const char* path : {"/a", "/b", "/c"}) ASSERT_TRUE(set.add(pin(path)));
  const auto taken = set.take([]() -> Result<void> { return fail("run", "box", ECANCELED); });
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ECANCELED);
}

// However long the names, and however many: an agent makes them.
TEST(CoverSetTest, holds_no_more_than_it_says) {
  CoverSet many;
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(many.add(hide(fmt::format("/{}", i))));
  EXPECT_TRUE(many.add(hide("/1"))) << "known";
  const auto refused = many.add(hide("/x"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, E2BIG);
  EXPECT_THAT(refused.error().text(), testing::HasSubstr("more than 10000 paths"));

  CoverSet long_ones;
  const std::string below(64 << 10, 'n');
  int added = 0;
  while (added < 10'000 && long_ones.add(hide(fmt::format("/{:05}/{}", added, below)))) ++added;
  EXPECT_EQ(added, 255);
  const auto too_long = long_ones.add(hide("/" + below));
  ASSERT_FALSE(too_long);
  EXPECT_THAT(too_long.error().text(), testing::HasSubstr("more than 16 MiB of names"));
  EXPECT_LT(too_long.error().text().size(), 700U);
}

}  // namespace
}  // namespace alos::box
