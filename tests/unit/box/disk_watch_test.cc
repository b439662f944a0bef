// When measuring what a box wrote ends: the agent decides how much there is to measure, so each of these has a bound.
// In a mount namespace of this process's own, on a file system whose free space is nobody else's.

#include "supervisor/box/disk_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/sys.h"
#include "tests/skip.h"

namespace alos::box {
namespace {

using testing::HasSubstr;
using Found = DiskWatch::Found;

constexpr uint64_t kLimit = 16 << 20;
constexpr int64_t kMs = 1'000'000, kLong = 3'600'000'000'000;
constexpr uint64_t kNames = 8000;

class DiskWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    now_ns = kLong, work_ns = 0, now_tick = work_tick = 0;
    if (::geteuid() != 0 && !become_root_of_a_namespace()) ALOS_SKIP("mounting needs a user namespace");
    char name[] = "/tmp/alos-watch-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount("none", dir_.c_str(), "tmpfs", 0, "size=256m"), 0);
    ASSERT_EQ(::mkdir(tree().c_str(), 0700), 0);
  }
  void TearDown() override {
    held_.reset();
    if (dir_.empty()) return;
    ::umount2(dir_.c_str(), MNT_DETACH);
    std::filesystem::remove_all(dir_);
  }

  static bool become_root_of_a_namespace() {
    const std::string uid = std::to_string(::geteuid()), gid = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER) != 0) return false;
    const auto say = [](const char* path, const std::string& text) {
      const auto file = sys::open(path, O_WRONLY);
      return file && sys::write_all(file->get(), text);
    };
    return say("/proc/self/setgroups", "deny") && say("/proc/self/gid_map", "0 " + gid + " 1") &&
           say("/proc/self/uid_map", "0 " + uid + " 1");
  }

  std::string tree() const { return dir_ + "/tree"; }
  DiskWatch watch(DiskWatch::Patience patience) const {
    std::vector<UniqueFd> trees;
    trees.push_back(std::move(*sys::open(tree(), O_RDONLY | O_DIRECTORY)));
    return {std::move(trees), UniqueFd(), kLimit, ::getpid(), patience, {.now = now, .work = work}};
  }
  // Somebody who shares the file system.
  void others_write(uint64_t bytes) const { fill(dir_ + "/others", bytes); }
  static void fill(const std::string& path, uint64_t bytes) {
    const auto file = sys::open(path, O_WRONLY | O_CREAT, 0600);
    ASSERT_TRUE(file);
    ASSERT_EQ(::posix_fallocate(file->get(), 0, static_cast<off_t>(bytes)), 0);
  }
  // More than one slice without time reads, of several.
  void many_names() const {
    for (uint64_t i = 0; i < kNames; ++i) ASSERT_EQ(::symlink("x", (tree() + "/" + std::to_string(i)).c_str()), 0);
  }
  // At the next time for it.
  static Found look(DiskWatch& watch) {
    now_ns += int64_t{std::max(watch.wait_ms(), 0)} * kMs;
    return watch.look();
  }
  // What so many looks find, first of all what is not nothing.
  static Found look(DiskWatch& watch, int times) {
    for (int i = 0; i < times; ++i)
      if (const Found found = look(watch); found != Found::nothing) return found;
    return Found::nothing;
  }

  // Both clocks go on by so much whenever they are read.
  static inline int64_t now_ns = 0, now_tick = 0, work_ns = 0, work_tick = 0;
  static int64_t now() { return now_ns += now_tick; }
  static int64_t work() { return work_ns += work_tick; }

  std::string dir_;
  UniqueFd held_;
};

TEST_F(DiskWatchTest, what_takes_too_much_work_to_measure_is_over) {
  many_names();
  DiskWatch slow = watch({.slice = 0, .few_slices = kLong});
  EXPECT_EQ(look(slow, 100), Found::nothing) << "nobody wrote anything";
  others_write(kLimit + (1 << 20));
  work_tick = 2'000 * kMs;
  EXPECT_EQ(look(slow, 10), Found::over);
  EXPECT_THAT(slow.reason(), HasSubstr("could not be measured in 5 s of work"));
}

TEST_F(DiskWatchTest, what_takes_long_on_a_busy_host_is_not) {
  many_names();
  DiskWatch slow = watch({});
  others_write(kLimit + (1 << 20));
  now_tick = 1'000 * kMs;
  work_tick = 1;
  EXPECT_EQ(look(slow, 100), Found::nothing) << slow.reason();
  EXPECT_GT(slow.entries(), kNames) << "and all of it is measured";
}

TEST_F(DiskWatchTest, nor_are_open_files_that_a_busy_host_takes_long_to_go_through) {
  now_tick = 1'000 * kMs;
  DiskWatch slow = watch({});
  EXPECT_EQ(look(slow, 100), Found::nothing) << slow.reason();
}

TEST_F(DiskWatchTest, a_disk_that_fills_while_it_is_measured_is_over) {
  many_names();
  DiskWatch slow = watch({.slice = 0, .few_slices = 0});
  work_tick = 1;
  others_write(kLimit + (1 << 20));
  EXPECT_EQ(look(slow), Found::nothing) << "by less than the limit beyond what was left of it";
  others_write(2 * kLimit + (1 << 20));
  EXPECT_EQ(look(slow), Found::over);
  EXPECT_THAT(slow.reason(), HasSubstr("filled by more than the limit"));
}

TEST_F(DiskWatchTest, more_open_files_than_can_be_gone_through_are_over) {
  DiskWatch hasty = watch({.few_descriptors = 3});
  work_tick = 400 * kMs;
  EXPECT_EQ(look(hasty), Found::over);
  EXPECT_THAT(hasty.reason(), HasSubstr("half a second of work"));
}

TEST_F(DiskWatchTest, a_few_open_files_are_gone_through_however_slow_the_machine) {
  DiskWatch slow = watch({.hurried = kLong});
  work_tick = 1'000 * kMs;
  EXPECT_EQ(look(slow, 10), Found::nothing) << slow.reason();
}

TEST_F(DiskWatchTest, a_deleted_file_that_is_held_is_measured) {
  DiskWatch quick = watch({});
  fill(tree() + "/f", kLimit + (1 << 20));
  held_ = std::move(*sys::open(tree() + "/f", O_RDONLY));
  ASSERT_EQ(::unlink((tree() + "/f").c_str()), 0);
  EXPECT_EQ(look(quick, 10), Found::over);
  EXPECT_EQ(quick.reason(), "");
}

TEST_F(DiskWatchTest, between_two_looks_is_a_fifth_of_a_second) {
  DiskWatch usual = watch({});
  ASSERT_EQ(usual.look(), Found::nothing);
  EXPECT_GE(usual.wait_ms(), 200);
}

// Every reading of the clock is a millisecond. Whole rounds in one slice, and a look at any time: what is left to bound
// them is their share.
TEST_F(DiskWatchTest, measuring_takes_a_twentieth_of_the_threads_time) {
  many_names();
  DiskWatch calm = watch({.between = 0, .slice = kLong});
  now_tick = kMs;
  const int64_t before = now_ns;
  ASSERT_EQ(calm.look(), Found::nothing);
  const uint64_t round = calm.entries();
  ASSERT_GE(round, kNames);
  const int64_t begun = now_ns, took = begun - before - 2 * kMs;
  ASSERT_GT(took, 0);
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(calm.look(), Found::nothing);
  const auto rounds = static_cast<int64_t>(calm.entries() / round - 1);
  EXPECT_GT(rounds, 2);
  EXPECT_LE((rounds - 1) * took * 20, now_ns - begun);
}

TEST_F(DiskWatchTest, hurried_measuring_leaves_half_of_the_threads_time) {
  many_names();
  DiskWatch hurried = watch({.slice = 0});
  others_write(kLimit + (1 << 20));
  now_tick = kMs;
  const int64_t begun = now_ns;
  ASSERT_EQ(hurried.look(), Found::nothing);
  const int64_t took = now_ns - begun;
  const uint64_t slice = hurried.entries();
  ASSERT_GT(slice, 0u);
  ASSERT_LT(slice, kNames);
  now_tick = 0;
  now_ns = begun + took + took / 2;
  EXPECT_EQ(hurried.look(), Found::nothing);
  EXPECT_EQ(hurried.entries(), slice) << "it measured again at once";
  now_ns = begun + 2 * took;
  EXPECT_EQ(hurried.look(), Found::nothing);
  EXPECT_GT(hurried.entries(), slice);
}

// SECURITY.md says these.
TEST(Patience, is_what_is_claimed) {
  EXPECT_EQ(DiskWatch::Patience().hurried, 5'000'000'000);
  EXPECT_EQ(DiskWatch::Patience().held, 500'000'000);
}

}  // namespace
}  // namespace alos::box
