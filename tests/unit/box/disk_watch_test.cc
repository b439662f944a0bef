// When measuring what a box wrote ends: the agent decides how much there is to measure, so each of these has a bound.
// In a mount namespace of this process's own, on a file system whose free space is nobody else's.

#include "supervisor/box/disk_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/sys.h"
#include "tests/skip.h"

namespace alos::box {
namespace {

using testing::HasSubstr;
using Found = DiskWatch::Found;

constexpr uint64_t kLimit = 16 << 20;
constexpr int64_t kLong = 3'600'000'000'000;

class DiskWatchTest : public testing::Test {
 protected:
  void SetUp() override {
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
    return {std::move(trees), UniqueFd(), kLimit, ::getpid(), patience};
  }
  // Somebody who shares the file system.
  void others_write(uint64_t bytes) const { fill(dir_ + "/others", bytes); }
  static void fill(const std::string& path, uint64_t bytes) {
    const auto file = sys::open(path, O_WRONLY | O_CREAT, 0600);
    ASSERT_TRUE(file);
    ASSERT_EQ(::posix_fallocate(file->get(), 0, static_cast<off_t>(bytes)), 0);
  }
  void many_names() const {
    for (int i = 0; i < 8000; ++i) ASSERT_EQ(::symlink("x", (tree() + "/" + std::to_string(i)).c_str()), 0);
  }
  // What the looks of so long a time find, first of all what is not nothing.
  static Found look_for(DiskWatch& watch, int64_t ns) {
    for (const int64_t until = boot_ns() + ns; boot_ns() < until;) {
      if (const Found found = watch.look(); found != Found::nothing) return found;
      ::poll(nullptr, 0, std::min(watch.wait_ms(), 1000));
    }
    return Found::nothing;
  }

  std::string dir_;
  UniqueFd held_;
};

TEST_F(DiskWatchTest, what_cannot_be_measured_in_time_is_over) {
  DiskWatch slow = watch({.slice = 0, .few_slices = kLong, .hurried = 0, .held = kLong});
  EXPECT_EQ(look_for(slow, 300'000'000), Found::nothing) << "nobody wrote anything";
  others_write(kLimit + (1 << 20));
  EXPECT_EQ(look_for(slow, 1'000'000'000), Found::over);
  EXPECT_THAT(slow.reason(), HasSubstr("could not be measured within 5 s"));
}

TEST_F(DiskWatchTest, what_is_measured_in_time_is_not) {
  many_names();
  DiskWatch quick = watch({});
  others_write(kLimit + (1 << 20));
  EXPECT_EQ(look_for(quick, 1'500'000'000), Found::nothing) << quick.reason();
}

TEST_F(DiskWatchTest, a_disk_that_fills_while_it_is_measured_is_over) {
  DiskWatch slow = watch({.slice = 0, .few_slices = 0, .hurried = kLong, .held = kLong});
  others_write(kLimit + (1 << 20));
  EXPECT_EQ(look_for(slow, 500'000'000), Found::nothing) << "by less than the limit beyond what was left of it";
  others_write(2 * kLimit + (1 << 20));
  EXPECT_EQ(look_for(slow, 1'000'000'000), Found::over);
  EXPECT_THAT(slow.reason(), HasSubstr("filled by more than the limit"));
}

TEST_F(DiskWatchTest, more_open_files_than_can_be_gone_through_are_over) {
  DiskWatch hasty = watch({.held = 0});
  EXPECT_EQ(look_for(hasty, 500'000'000), Found::over);
  EXPECT_THAT(hasty.reason(), HasSubstr("half a second"));
}

TEST_F(DiskWatchTest, a_deleted_file_that_is_held_is_measured) {
  DiskWatch quick = watch({});
  fill(tree() + "/f", kLimit + (1 << 20));
  held_ = std::move(*sys::open(tree() + "/f", O_RDONLY));
  ASSERT_EQ(::unlink((tree() + "/f").c_str()), 0);
  EXPECT_EQ(look_for(quick, 2'000'000'000), Found::over);
  EXPECT_EQ(quick.reason(), "");
}

TEST_F(DiskWatchTest, measuring_takes_a_small_part_of_the_threads_time) {
  many_names();
  DiskWatch usual = watch({});
  ASSERT_EQ(usual.look(), Found::nothing);
  EXPECT_GE(usual.wait_ms(), 150) << "between two looks";
  // Whole rounds in one slice, and a look at any time: what is left to bound them is their share.
  DiskWatch calm = watch({.between = 0, .slice = 200'000'000});
  const auto worked = [] {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
  };
  const int64_t begun = boot_ns();
  ASSERT_EQ(calm.look(), Found::nothing);
  const int64_t took = boot_ns() - begun;
  const int64_t before = worked(), length = std::max<int64_t>(15 * took, 1'000'000'000);
  EXPECT_EQ(look_for(calm, length), Found::nothing);
  EXPECT_LT(worked() - before, length / 6);
}

TEST_F(DiskWatchTest, hurried_measuring_leaves_half_of_the_threads_time) {
  many_names();
  DiskWatch hurried = watch({.slice = 1'000'000});
  others_write(kLimit + (1 << 20));
  ::poll(nullptr, 0, hurried.wait_ms());
  const int64_t begun = boot_ns();
  ASSERT_EQ(hurried.look(), Found::nothing);
  const int64_t took = boot_ns() - begun;
  EXPECT_EQ(hurried.look(), Found::nothing);
  EXPECT_LT(boot_ns() - begun - took, took) << "it measured again at once";
}

// SECURITY.md says these.
TEST(Patience, is_what_is_claimed) {
  EXPECT_EQ(DiskWatch::Patience().hurried, 5'000'000'000);
  EXPECT_EQ(DiskWatch::Patience().held, 500'000'000);
}

}  // namespace
}  // namespace alos::box
