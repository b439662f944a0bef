#include "supervisor/host/scope.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "fake_cgroups.h"
#include "tests/program.h"
#include "tests/skip.h"

namespace alos::test {
namespace {

using box::Limit;
using testing::AllOf;
using testing::HasSubstr;

constexpr uid_t kOrdinary = 65'534;  // nobody: a bus serves none but who has an account

class ScopeTest : public FakeCgroups {
 protected:
  void SetUp() override {
    FakeCgroups::SetUp();
    std::filesystem::create_directory(files_.systemd);
    uid_ = ::geteuid() == 0 ? kOrdinary : ::geteuid();
    group("", "cpu memory pids");
    group("/session.scope", "cpu memory pids", "1\n2\n");
    write(at("/user.slice/user-" + std::to_string(uid_) + ".slice/user@" + std::to_string(uid_) +
             ".service/cgroup.controllers"),
          "cpu memory pids\n");
    mounted_v2("/session.scope");
  }

  // As an ordinary user with a bus, in a process of its own. What `body` answers is its exit code.
  int as_user(const std::function<int()>& body) {
    if (::geteuid() == 0) {
      const std::string id = std::to_string(uid_), scope = at("/session.scope");
      if (run_program({"chown", "-R", id + ":" + id, dir_}).code != 0) return 97;
      // Not this user's, as on a real machine.
      if (run_program({"chown", "-R", "0:0", scope}).code != 0 || ::chmod(scope.c_str(), 0755) != 0) return 97;
    }
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::geteuid() == 0 &&
          (::setgroups(0, nullptr) != 0 || ::setresgid(uid_, uid_, uid_) != 0 || ::setresuid(uid_, uid_, uid_) != 0))
        ::_exit(98);
      ::setenv("DBUS_SESSION_BUS_ADDRESS", ("unix:path=" + dir_ + "/bus").c_str(), 1);
      ::_exit(body());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  void busctl_is(const std::string& script) {
    write(files_.busctl, "#!/bin/sh\n" + script);
    ::chmod(files_.busctl.c_str(), 0755);
  }

  // 0 when it stands there; 1 when not, the error in dir_/said.
  int stand(const std::vector<Limit>& limits, int wait_ms = 2000) {
    const auto stands = host::stand_where_limits_hold("run_0123", limits, {files_, wait_ms});
    write(dir_ + "/said", stands ? "" : stands.error().text());
    return stands ? 0 : 1;
  }
  std::string said() const { return read(dir_ + "/said"); }

  uid_t uid_ = 0;
};

TEST_F(ScopeTest, nobody_is_asked_when_no_limit_needs_it) {
  busctl_is("touch " + dir_ + "/asked");
  EXPECT_EQ(as_user([&] { return stand({Limit::wall, Limit::processes, Limit::disk}); }), 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/asked"));
}

TEST_F(ScopeTest, nobody_is_asked_where_controllers_are_in_v1) {
  busctl_is("touch " + dir_ + "/asked");
  write(files_.cgroup, "2:memory:/\n1:name=systemd:/\n0::/session.scope\n");
  EXPECT_EQ(as_user([&] { return stand({Limit::memory}); }), 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/asked"));
}

TEST_F(ScopeTest, in_a_delegated_group_of_its_own_it_moves_into_a_leaf_and_asks_nobody) {
  busctl_is("touch " + dir_ + "/asked");
  group("/entry", "cpu memory pids", "1\n");
  group("/entry/mine", "cpu memory pids");
  write(at("/entry/mine/alos-host/cgroup.procs"), "");
  mounted_v2("/entry/mine");
  std::filesystem::remove(files_.systemd);  // a container: nobody else has the say
  EXPECT_EQ(as_user([&] {
              write(at("/entry/mine/cgroup.procs"), std::to_string(::getpid()) + "\n");
              return stand({Limit::memory});
            }),
            0);
  EXPECT_EQ(read(at("/entry/mine/alos-host/cgroup.procs")), "0");
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/asked"));
}

TEST_F(ScopeTest, what_the_manager_answers_is_said) {
  busctl_is("echo 'Call failed: too many units' >&2; exit 1");
  EXPECT_EQ(as_user([&] { return stand({Limit::memory}); }), 1);
  EXPECT_THAT(said(), HasSubstr("too many units"));
}

TEST_F(ScopeTest, a_manager_that_does_not_do_it_or_does_not_answer_is_not_waited_for_long) {
  busctl_is("exit 0");
  EXPECT_EQ(as_user([&] { return stand({Limit::memory}, 100); }), 1);
  EXPECT_THAT(said(), HasSubstr("did not move"));
  busctl_is("exec sleep 60");
  EXPECT_EQ(as_user([&] { return stand({Limit::memory}, 100); }), 1);
  EXPECT_THAT(said(), HasSubstr("did not answer"));
}

TEST_F(ScopeTest, without_a_manager_nobody_is_asked) {
  EXPECT_EQ(as_user([&] { return stand({Limit::memory}); }), 0) << said();
}

// A real bus, the real busctl, and a manager that does as systemd's does.
class ScopeOverBus : public ScopeTest {
 protected:
  void SetUp() override {
    ScopeTest::SetUp();
    files_.busctl = "/usr/bin/busctl";
    for (const char* program : {"/usr/bin/busctl", "/usr/bin/dbus-daemon", "/usr/bin/python3"})
      if (::access(program, X_OK) != 0) ALOS_SKIP(std::string(program) + " is not installed");
    if (run_program({"/usr/bin/python3", "-c", "import dbus, gi"}).code != 0) ALOS_SKIP("python3-dbus, python3-gi");
  }

  // Started by the user whom it serves; ends with that process.
  static pid_t serve(const std::vector<std::string>& words, const std::string& until) {
    int out[2];
    if (::pipe(out) != 0) return -1;
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::dup2(out[1], 1);
      ::close(out[0]), ::close(out[1]);
      std::vector<char*> argv;
      for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    std::string text;
    char byte;
    while (text.find(until) == text.npos && ::read(out[0], &byte, 1) == 1) text += byte;
    return text.find(until) != text.npos ? pid : -1;
  }

  int with_manager(const std::function<int()>& body) {
    return as_user([&] {
      const pid_t bus = serve({"/usr/bin/dbus-daemon", "--session", "--nofork", "--print-address=1",
                               "--address=unix:path=" + dir_ + "/bus"},
                              "unix:");
      const pid_t manager =
          serve({"/usr/bin/python3", ALOS_MANAGER, at("/app.slice"), files_.cgroup, dir_ + "/log"}, "ready");
      const int code = bus > 0 && manager > 0 ? body() : 96;
      for (const pid_t pid : {manager, bus})
        if (pid > 0) ::kill(pid, SIGTERM), ::waitpid(pid, nullptr, 0);
      return code;
    });
  }
};

TEST_F(ScopeOverBus, the_users_manager_gives_a_delegated_scope_and_the_run_stands_in_its_leaf) {
  pid_t asked = 0;
  write(dir_ + "/pid", "");
  EXPECT_EQ(with_manager([&] {
              write(dir_ + "/pid", std::to_string(::getpid()));
              return stand({Limit::memory}, 10'000);
            }),
            0)
      << said();
  asked = std::stoi(read(dir_ + "/pid"));
  EXPECT_THAT(read(dir_ + "/log"),
              AllOf(HasSubstr("alos-run-0123.scope fail 0\n"), HasSubstr("PIDs=" + std::to_string(asked) + "\n"),
                    HasSubstr("Delegate=1\n"), HasSubstr("CollectMode=inactive-or-failed\n")));
  EXPECT_EQ(read(at("/app.slice/alos-run-0123.scope/alos-host/cgroup.procs")), "0");
}

TEST_F(ScopeOverBus, a_refusal_is_said_in_the_managers_words) {
  write(dir_ + "/log.refuse", "");
  EXPECT_EQ(with_manager([&] { return stand({Limit::memory}, 10'000); }), 1);
  EXPECT_THAT(said(), HasSubstr("no scopes today"));
}

}  // namespace
}  // namespace alos::test
