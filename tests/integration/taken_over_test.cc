// The broker in wrong hands: a program in its place that gives up what alos-broker gives up (confine.h), and then
// attacks. Nothing but the agent's own view is reached, and the run is held to its limits.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/integration/harness.h"
#include "tests/integration/stand_in/programs.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr uid_t kStranger = 61'977;

class TakenOver : public InBothModes {
 protected:
  void SetUp() override {
    ::setenv("ALOS_PROGRAMS", programs_with_broker(ALOS_PROGRAMS_DIRECTORY, ALOS_TAKEN_OVER).c_str(), 1);
    InBothModes::SetUp();
    if (!world_) return;
    world().write("file", "in the workspace\n");
    world().write(".env", "alos-escape-token-masked\n");
    world().write(world().root() + "/secret/token", "alos-escape-token-outside\n", 0644);
    world().write(world().root() + "/pub/plain", "for everybody\n");
    fs::create_symlink("../secret/token", world().root() + "/pub/link");
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }

  std::string policy(const std::string& wall, const std::string& workspace = "layer") {
    return world().policy(
        "taken-over-" + workspace,
        "alos: 1\nabout: a broker in wrong hands\nextends: base\nvars: {workspace: dir}\n"
        "workspace: " +
            workspace +
            "\nfiles:\n"
            "  tree: {allow: rwx, path: $workspace/**}\n"
            "  secrets: {deny: rwx, path: $workspace/.env, reason: secret}\n"
            "  pub: {allow: r, path: " +
            world().root() +
            "/pub/**}\n"
            "commands:\n  show: {allow: \"/usr/bin/cat [-n]\", files: {r: [" +
            world().root() +
            "/secret/token]}}\n  show-a-file: {allow: \"/usr/bin/cat -- <file:path:r>\", files: {r: [" +
            world().root() +
            "/secret/token]}}\n"
            "limits: {wall: " +
            wall + "}\n");
  }

  Outcome attack(const std::string& what, std::map<std::string, std::string> env = {},
                 const std::string& script = "alos-call clock.now; echo call ended $?",
                 const std::string& wall = "20s") {
    env["ALOS_ATTACK"] = what;
    return world().shell(policy(wall), script, {.env = env});
  }

  // Nothing of `paths` by any way, but what the box itself shows below /etc.
  void reaches_none_of(const std::string& paths, const std::string& workspace) {
    const Outcome run = world().shell(policy("20s", workspace), "alos-call clock.now",
                                      {.env = {{"ALOS_ATTACK", "files"}, {"ALOS_PATHS", paths}}});
    EXPECT_THAT(run.err, HasSubstr("tried all of files\n"));
    EXPECT_THAT(run.err, Not(HasSubstr("no identity")));
    std::string tried;
    for (std::istringstream in(run.err); std::getline(in, tried);) {
      const bool box_s_own = tried.starts_with("ring, in the box, read /etc/");
      EXPECT_TRUE(box_s_own || !tried.ends_with("-> ok")) << tried;
    }
    // That it has the agent's identity, and that the ring answers, is shown by what the agent may read.
    const std::string file = world().workspace() + "/file";
    const Outcome control = world().shell(policy("20s", workspace), "alos-call clock.now",
                                          {.env = {{"ALOS_ATTACK", "files"}, {"ALOS_PATHS", file}}});
    EXPECT_THAT(control.err, HasSubstr("ring, in the box, read " + file + " -> ok\n"));
  }
};

TEST_P(TakenOver, has_no_system_call_but_those_of_serving) {
  const Outcome run = attack("calls", {{"API_KEY", "alos-escape-token-caller"}});
  EXPECT_THAT(run.err, Not(HasSubstr("alos-escape-token-caller"))) << "of its caller's environment it has nothing";
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.err, HasSubstr("tried all of calls\n"));
  EXPECT_THAT(run.err, Not(HasSubstr("call "))) << "each that is not EPERM";
  EXPECT_THAT(run.err, HasSubstr("standard error: a pipe to write to\n"));
  EXPECT_THAT(run.err, AllOf(HasSubstr("ioctl TIOCSTI -> EPERM\n"), HasSubstr("ioctl FIONREAD -> EPERM\n")));
}

TEST_P(TakenOver, starts_no_process_and_reaches_none) {
  auto sleeper =
      world().start({"/usr/bin/python3", "-c",
                     "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('signalled', flush=True))\n"
                     "print('ready', flush=True)\nwhile True: signal.pause()"});
  ASSERT_TRUE(wait_for(sleeper, "ready\n"));
  const Outcome run = attack("processes", {{"ALOS_PIDS", std::to_string(sleeper.pid)}});
  ::usleep(200'000);
  ::kill(sleeper.pid, SIGKILL);
  ::waitpid(sleeper.pid, nullptr, 0);
  std::string said(64, '\0');
  EXPECT_EQ(::read(sleeper.output.get(), said.data(), said.size()), 0) << said;
  EXPECT_THAT(run.err, HasSubstr("tried all of processes\n"));
  EXPECT_THAT(run.err, Not(HasSubstr("-> ok")));
  EXPECT_THAT(run.err, AllOf(HasSubstr("clone3 -> ENOSYS\n"), HasSubstr("fcntl F_SETOWN another -> EPERM\n"),
                             HasSubstr("fcntl F_SETSIG -> EPERM\n")));
}

TEST_P(TakenOver, opens_nothing_but_what_the_agent_may) {
  const Outcome first = world().run("strict", {"true"});  // so that there is a log, with its keys
  ASSERT_EQ(first.code, 0) << first.err;
  std::string paths = world().root() + "/secret/token:" + world().workspace() + "/.env:/etc/passwd:/etc/shadow";
  int own = 0;
  for (const auto& entry : fs::recursive_directory_iterator(world().root() + "/alos"))
    if (entry.is_regular_file() && ++own < 40) paths += ":" + entry.path().string();
  ASSERT_GT(own, 1);
  reaches_none_of(paths, "layer");
}

// Where the box has the host's own files, Landlock, which goes by the file, does not tell a masked one by its path.
TEST_P(TakenOver, opens_nothing_masked_in_a_tree_that_is_the_host_s) {
  if (GetParam() == Mode::root) {  // who refuses `direct` over root's own
    for (const char* path : {"", "/file", "/.env"})
      EXPECT_EQ(::lchown((world().workspace() + path).c_str(), kStranger, kStranger), 0);
  }
  reaches_none_of(world().workspace() + "/.env:" + world().root() + "/secret/token", "direct");
}

TEST_P(TakenOver, gets_from_the_supervisor_what_the_agent_may_have) {
  const Outcome run = attack("supervisor");
  EXPECT_THAT(run.err, HasSubstr("tried all of supervisor\n"));
  EXPECT_THAT(run.err, Not(HasSubstr("escape-token")));
  EXPECT_THAT(run.err, ContainsRegex("more files for another program -> .+"));
  EXPECT_THAT(run.err, HasSubstr("its own -> ended 0\n"));
  EXPECT_THAT(run.err, ContainsRegex("the record of an end -> .*run\\.end.*\n"));
  EXPECT_EQ(world().call({"alos", "audit", "verify"}).code, 0);
}

// Which files a run with more rights is handed the launcher holds against the plan, and against what is there.
TEST_P(TakenOver, hands_a_run_with_more_rights_what_the_agent_has_and_no_more) {
  const std::string token = world().root() + "/secret/token", pub = world().root() + "/pub";
  const std::vector<std::string> refused{token,
                                         token.substr(1),
                                         pub + "/../secret/token",
                                         pub + "/link",
                                         pub,
                                         world().root(),
                                         "/proc/self/root" + token,
                                         "/dev/stdin",
                                         "/etc/shadow",
                                         world().workspace() + "/.env",
                                         "file"};
  std::string paths = pub + "/plain:" + world().workspace() + "/file";
  for (const std::string& path : refused) paths += ":" + path;
  const Outcome run = attack("supervisor", {{"ALOS_PATHS", paths}});
  EXPECT_THAT(run.err, Not(HasSubstr("escape-token")));
  EXPECT_THAT(run.err, AllOf(HasSubstr("for everybody\n"), HasSubstr("in the workspace\n")));
  for (const std::string& path : refused) {
    const size_t at = run.err.find("more files by " + path + " -> ");
    ASSERT_NE(at, std::string::npos) << path << "\n" << run.err;
    EXPECT_THAT(run.err.substr(at, run.err.find('\n', at) - at), Not(HasSubstr("-> ended"))) << path;
  }
}

TEST_P(TakenOver, does_not_keep_the_supervisor_by_reading_nothing) {
  for (const char* what : {"flood", "silent", "runs", "identities"}) {
    SCOPED_TRACE(what);
    const auto begun = std::chrono::steady_clock::now();
    const Outcome run = attack(what, {}, "alos-call clock.now & sleep 60", "2s");
    EXPECT_EQ(run.code, 124) << run.err;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
    EXPECT_EQ(run.end()["reason"], "limit");
  }
}

TEST_P(TakenOver, leaves_no_process_behind) {
  const Outcome run = attack("fork");
  EXPECT_THAT(run.err, HasSubstr("tried all of fork\n"));
  EXPECT_THAT(run.err, Not(HasSubstr("-> ok")));
  EXPECT_EQ(world().leftovers(), "");
}

TEST_P(TakenOver, has_but_the_operations_of_the_file_ring) {
  const Outcome run = attack("ring");
  EXPECT_THAT(run.err, HasSubstr("tried all of ring\n"));
  std::string tried;
  for (std::istringstream in(run.err); std::getline(in, tried);)
    if (tried.starts_with("operation ")) {
      // NOP, FSYNC, ASYNC_CANCEL, CLOSE, READ, WRITE, OPENAT2, RENAMEAT, UNLINKAT, MKDIRAT (io_uring.h)
      EXPECT_THAT(tried, ContainsRegex("^operation (0|3|14|19|22|23|28|35|36|37) -> "));
    }
}

INSTANTIATE_TEST_SUITE_P(Modes, TakenOver, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
