#include "supervisor/box/deep_walk.h"

#include <dirent.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/paths.h"

namespace alos::box {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Walking : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/dev/shm/alos-walk-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    ::getrlimit(RLIMIT_NOFILE, &before_);
  }
  void TearDown() override {
    ::setrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd above = *sys::open("/dev/shm", O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(sys::remove_tree(above.get(), top_.substr(top_.rfind('/') + 1)));
  }

  UniqueFd root() const { return *sys::open(top_, O_RDONLY | O_DIRECTORY); }
  void dig(int levels, const std::string& down = "down") const {
    UniqueFd at = root();
    for (int level = 0; level < levels; ++level) {
      ASSERT_TRUE(sys::mkdirat(at.get(), down, 0755));
      ASSERT_TRUE(sys::openat(at.get(), "file", O_WRONLY | O_CREAT, 0644));
      at = *sys::openat(at.get(), down, O_RDONLY | O_DIRECTORY);
    }
  }
  Result<void> walk(const std::string& path = "/top") {
    const WalkVisitor visit{.entry = [&](int parent, const sys::Entry& entry, const std::string& name) -> Result<Next> {
                              seen_.push_back(name);
                              EXPECT_TRUE(sys::lstatat(parent, entry.name)) << printable(name.substr(0, 100));
                              if (on_entry_) on_entry_(name);
                              return name.ends_with("passed") ? Next::pass : Next::enter;
                            },
                            .closed = [&](const std::string& name) -> Result<void> {
                              closed_.push_back(name);
                              return {};
                            },
                            .between = between_};
    return walk_below(root(), path, visit);
  }

  std::string top_;
  rlimit before_{};
  std::vector<std::string> seen_, closed_;
  std::function<void(const std::string&)> on_entry_;
  Between between_;
};

TEST_F(Walking, sees_everything_once_and_follows_no_link) {
  for (const char* directory : {"/a/b", "/passed/unseen"}) ASSERT_TRUE(sys::make_dirs(top_ + directory, 0755));
  ASSERT_EQ(::symlink("a", (top_ + "/link").c_str()), 0);
  ASSERT_TRUE(walk());
  std::ranges::sort(seen_);
  EXPECT_THAT(seen_, ElementsAre("/top/a", "/top/a/b", "/top/link", "/top/passed"));
  seen_.clear();
  ASSERT_TRUE(walk("/"));
  EXPECT_THAT(seen_, ::testing::Contains("/a/b"));
}

TEST_F(Walking, looks_at_what_else_there_is_in_the_middle_of_a_directory) {
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(::symlink("x", (top_ + "/" + std::to_string(i)).c_str()), 0);
  size_t looks = 0;
  between_ = [&]() -> Result<void> { return ++looks, Result<void>{}; };
  ASSERT_TRUE(walk());
  EXPECT_EQ(std::set<std::string>(seen_.begin(), seen_.end()).size(), 5000U);
  EXPECT_EQ(seen_.size(), 5000U) << "each once";
  EXPECT_EQ(looks, 5000U);
  seen_.clear();
  between_ = []() -> Result<void> { return fail("run", "box", ECANCELED); };
  const auto walked = walk();
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, ECANCELED);
  EXPECT_EQ(seen_.size(), 0U);
}

// Nor does going into directories that have no names take its time unseen.
TEST_F(Walking, looks_at_what_else_there_is_before_each_directory) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(sys::make_dirs(fmt::format("{}/{}", top_, i), 0755));
  size_t looks = 0;
  between_ = [&]() -> Result<void> { return ++looks, Result<void>{}; };
  ASSERT_TRUE(walk());
  EXPECT_EQ(looks, 20U);
}

TEST_F(Walking, misses_a_directory_that_was_moved_after_it_was_named) {
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(sys::make_dirs(fmt::format("{}/{}", top_, i), 0755));
  std::string first;
  on_entry_ = [&](const std::string& name) {
    if (seen_.size() != 3000) return;  // the last that is named
    first = seen_.front();
    const std::string from = top_ + first.substr(first.rfind('/'));
    ASSERT_EQ(::rename(from.c_str(), (top_ + name.substr(name.rfind('/')) + "/moved").c_str()), 0);
  };
  const auto walked = walk();
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, ENOENT) << first;
}

// Files are looked at and forgotten, however many; ways on are kept until they are gone.
TEST_F(Walking, keeps_no_more_ways_than_it_says) {
  ASSERT_TRUE(sys::make_dirs(top_ + "/wide", 0755));
  const UniqueFd wide = *sys::open(top_ + "/wide", O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 200'000; ++i) ASSERT_EQ(::mkdirat(wide.get(), std::to_string(i).c_str(), 0755), 0);
  const auto walked = walk();
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, E2BIG);
  EXPECT_THAT(walked.error().text(), HasSubstr("200000"));
  ASSERT_TRUE(sys::unlinkat(wide.get(), "0", AT_REMOVEDIR));
  EXPECT_TRUE(walk());
}

TEST_F(Walking, goes_deeper_than_there_are_descriptors_and_longer_than_paths) {
  dig(5000);
  const rlimit few{100, before_.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto walked = walk();
  EXPECT_TRUE(walked) << walked.error().text();
  EXPECT_EQ(seen_.size(), 10'000u);
}

TEST_F(Walking, refuses_what_is_deeper_than_it_searches) {
  dig(10'001);
  const auto walked = walk();
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, ELOOP);
  EXPECT_THAT(walked.error().text(), HasSubstr("/top/down/down"));
  EXPECT_LT(walked.error().text().size(), 600u);
}

TEST_F(Walking, refuses_what_is_longer_than_it_searches) {
  dig(300, std::string(250, 'n'));
  const auto walked = walk();
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, ENAMETOOLONG);
  EXPECT_LT(walked.error().text().size(), 600u);
}

TEST_F(Walking, notices_that_it_was_led_elsewhere) {
  dig(100);
  ASSERT_TRUE(sys::make_dirs(top_ + "/elsewhere", 0755));
  std::string deep = top_;
  for (int level = 0; level < 70; ++level) deep += "/down";
  on_entry_ = [&](const std::string& name) {
    if (name == "/top" + deep.substr(top_.size()) + "/down/down") {
      ASSERT_EQ(::rename((deep + "/down").c_str(), (top_ + "/elsewhere/moved").c_str()), 0);
    }
  };
  const auto walked = walk();
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, ESTALE);
}

TEST_F(Walking, tells_of_directories_that_are_closed_to_it) {
  ASSERT_TRUE(sys::make_dirs(top_ + "/shut/in", 0755));
  ASSERT_EQ(::chmod(top_.c_str(), 0755), 0);
  ASSERT_EQ(::chmod((top_ + "/shut").c_str(), 0), 0);
  const uid_t before = ::geteuid();
  if (before == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto walked = walk();
  if (before == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_TRUE(walked);
  EXPECT_THAT(closed_, ElementsAre("/top/shut"));
}

}  // namespace
}  // namespace alos::box
