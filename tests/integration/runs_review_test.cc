// What a hostile reading found in ps, logs and kill, in the marks of runs, and in where alos keeps them.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

constexpr uid_t kSomebodyElse = 61'984;

class RunsReview : public InBothModes {
 protected:
  Outcome alos(std::vector<std::string> words, const Options& options = {}) {
    words.insert(words.begin(), "alos");
    return world().call(std::move(words), options);
  }
  std::string layered() {
    return world().policy("layered",
                          "alos: 1\nabout: layered\nextends: [base]\nvars: {workspace: dir}\n"
                          "files:\n  all: {allow: rwx, path: $workspace/**}\nworkspace: layer\n");
  }
  World::Running start(const std::string& policy, const std::string& script, std::vector<std::string> more = {}) {
    auto argv = world().run_arguments(policy, {"--name", "victim"});
    argv.insert(argv.end(), {"--", "/bin/bash", "-c", script, "bash"});
    argv.insert(argv.end(), more.begin(), more.end());
    return world().start(argv);
  }
  static void signal(const World::Running& running, int number) {
    ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), number, nullptr, 0);
  }
  std::string run_directory() const {
    for (const auto& entry : fs::directory_iterator(world_->runtime() + "/runs")) return entry.path();
    return "";
  }
  // As the test's user would have made it.
  void make_directory(const std::string& path) const {
    struct stat st{};
    fs::create_directory(path);
    ASSERT_EQ(::stat(world_->workspace().c_str(), &st), 0);
    ASSERT_EQ(::chown(path.c_str(), st.st_uid, st.st_gid), 0);
  }
  // Old enough for whoever tidies up what is no longer in use.
  static void age(const std::string& path) {
    const timespec old[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), old, 0), 0);
  }
};

// ---- where alos keeps things ----

TEST_P(RunsReview, what_somebody_else_put_where_runs_are_kept_is_not_obeyed) {
  if (::geteuid() != 0) ALOS_SKIP("needs root to be two users");
  const std::string precious = world().root() + "/home/data/runs/precious";
  world().write(precious + "/file", "mine");
  age(precious);
  make_directory(world().root() + "/alos");
  for (const bool link : {true, false}) {
    fs::remove_all(world().runtime());
    if (link) {
      fs::create_directory_symlink(world().root() + "/home/data", world().runtime());
    } else {
      fs::create_directory(world().runtime());
      fs::create_directory_symlink(world().root() + "/home/data/runs", world().runtime() + "/runs");
    }
    ASSERT_EQ(::lchown(world().runtime().c_str(), kSomebodyElse, kSomebodyElse), 0);
    const Outcome ps = alos({"ps"});
    EXPECT_EQ(ps.code, 3) << ps.out << ps.err;
    EXPECT_THAT(ps.err, HasSubstr(world().runtime()));
    EXPECT_TRUE(world().exists(precious + "/file")) << "somebody else chose what to remove";
    EXPECT_EQ(world().shell("strict", "true").code, 125);
  }
}

TEST_P(RunsReview, state_that_somebody_else_made_is_not_used) {
  if (::geteuid() != 0) ALOS_SKIP("needs root to be two users");
  make_directory(world().root() + "/alos");
  make_directory(world().state());
  fs::permissions(world().state(), fs::perms::all);
  ASSERT_EQ(::chown(world().state().c_str(), kSomebodyElse, kSomebodyElse), 0);
  const Outcome run = world().shell(layered(), "true");
  EXPECT_EQ(run.code, 125) << run.err;
  EXPECT_THAT(run.err, HasSubstr(world().state()));
}

// As root, marks are written by an ordinary id, the supervisor's, and read by root.
TEST_P(RunsReview, a_mark_removes_nothing_but_its_own_run) {
  ASSERT_EQ(world().shell("strict", "true").code, 0);
  const std::string precious = world().root() + "/home/precious";
  world().write(precious + "/file", "mine");
  const json run{{"v", 1},
                 {"id", "../../../home/precious"},
                 {"name", "before"},
                 {"policy", "plain"},
                 {"policy_hash", ""},
                 {"about", ""},
                 {"workspace", ""},
                 {"workspace_mode", "none"},
                 {"argv", {"x"}},
                 {"started_ns", 1'000'000'000},
                 {"supervisor", 1},
                 {"box", 2},
                 {"wall_ms", 0},
                 {"degraded", json::array()}};
  world().write(world().state() + "/open/run_0123456789abcdef", "running 1-1\n" + run.dump());
  const Outcome ps = alos({"ps"});
  EXPECT_TRUE(world().exists(precious + "/file")) << ps.out << ps.err;
  EXPECT_THAT(ps.out, HasSubstr("run_0123456789abcdef")) << "a run is called as its mark is";
}

INSTANTIATE_TEST_SUITE_P(Around, RunsReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
