// SIGKILL of the broker and of the supervisor, while an agent uses primitives.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/clock.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

pid_t parent_of(const std::string& pid) {
  const std::string stat = slurp("/proc/" + pid + "/stat");
  const size_t after = stat.rfind(')');
  return after == stat.npos ? -1 : std::stoi(stat.substr(after + 4));
}

// What a process is frozen in that not even SIGKILL gets through to: a group of the first version's freezer, which is
// mounted for it where the machine has not (then no other is: cgroups(7)). Thawed and removed with this.
class Frozen {
 public:
  Frozen(const UniqueFd& whom, const std::string& scratch) : hierarchy_("/sys/fs/cgroup/freezer") {
    if (!fs::exists(hierarchy_ / "cgroup.procs")) {
      hierarchy_ = scratch;
      mounted_ = ::mount("alos-test", scratch.c_str(), "cgroup", 0, "freezer") == 0;
    }
    group_ = hierarchy_ / ("alos-test-" + std::to_string(::getpid()));
    std::string pid = slurp("/proc/self/fdinfo/" + std::to_string(whom.get()));
    pid = pid.substr(pid.find("Pid:") + 4);
    fs::create_directory(group_);
    std::ofstream(group_ / "cgroup.procs") << std::stoi(pid);
    std::ofstream(group_ / "freezer.state") << "FROZEN";
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;
  ~Frozen() {
    std::ofstream(group_ / "freezer.state") << "THAWED";
    std::error_code still_used;
    for (int i = 0; i < 200 && !fs::remove(group_, still_used); ++i) ::usleep(10'000);
    EXPECT_FALSE(still_used);
    EXPECT_TRUE(!mounted_ || ::umount(hierarchy_.c_str()) == 0);
  }
  bool holds() const {
    for (int i = 0; i < 100 && slurp(group_ / "freezer.state") != "FROZEN\n"; ++i) ::usleep(10'000);
    return slurp(group_ / "freezer.state") == "FROZEN\n" && slurp(group_ / "cgroup.procs") != "";
  }

 private:
  fs::path hierarchy_, group_;
  bool mounted_ = false;
};

class BrokerKilled : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    fs::copy_file(std::string(ALOS_BROKER_DIRECTORY) + "/keep_writing.py", world().workspace() + "/keep_writing.py");
    policy_ = world().policy("killed",
                             "alos: 1\nabout: a broker that is killed\nextends: base\nvars: {workspace: dir}\n"
                             "workspace: layer\nfiles:\n  tree: {allow: rwx, path: $workspace/**}\n"
                             "limits: {wall: 120s}\n");
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }

  // A process of this world's run by its name, a child of its supervisor or that itself; an empty descriptor if none.
  UniqueFd process(const std::string& name) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
      const std::string pid = entry.path().filename();
      if (pid.find_first_not_of("0123456789") != pid.npos || slurp(entry.path() / "comm") != name + "\n") continue;
      UniqueFd out(static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(pid), 0)));
      // Looked at after it is held: the number is its own then.
      if (!out || !is_of_run(std::stoi(pid))) continue;
      if (name == "alos-broker" && slurp("/proc/" + std::to_string(parent_of(pid)) + "/comm") != "alos-supervisor\n")
        continue;
      return out;
    }
    return {};
  }
  // Below the run that was started last: what they are otherwise (environ) they show nobody but root.
  bool is_of_run(pid_t pid) const {
    while (pid > 1 && pid != run_) pid = parent_of(std::to_string(pid));
    return pid == run_;
  }
  static bool kill(const UniqueFd& whom) {
    return ::syscall(SYS_pidfd_send_signal, whom.get(), SIGKILL, nullptr, 0) == 0;
  }

  // One that has just ended may not have its next one yet.
  bool kill_broker() {
    for (int i = 0; i < 100; ++i, ::usleep(10'000))
      if (const UniqueFd broker = process("alos-broker"); broker && kill(broker)) return true;
    return false;
  }

  World::Running start(const std::vector<std::string>& command, const std::vector<std::string>& flags = {}) {
    auto argv = world().run_arguments(policy_, {"--fresh"});
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.emplace_back("--");
    argv.insert(argv.end(), command.begin(), command.end());
    auto running = world().start(argv);
    run_ = running.pid;
    return running;
  }

  // Writes `count` files at least by a broker that is killed `times` on the way.
  void write_and_kill(int count, int times) {
    const std::string w = world().workspace();
    const auto running =
        start({"/usr/bin/python3", w + "/keep_writing.py", w, std::to_string(count), std::to_string(times)});
    // The writer is never far ahead of what is read here, however slowly.
    (void)::fcntl(running.output.get(), F_SETPIPE_SZ, 4096);
    std::string said;
    int killed = 0;
    size_t next = 0;
    for (char buffer[8192];;) {
      const ssize_t n = ::read(running.output.get(), buffer, sizeof buffer);
      if (n <= 0) break;
      said.append(buffer, static_cast<size_t>(n));
      const auto lines = static_cast<size_t>(std::count(said.begin(), said.end(), '\n'));
      if (killed >= times || lines < next) continue;
      if (!kill_broker()) continue;
      ++killed;
      next = lines + static_cast<size_t>(count / (times + 2));
    }
    int status = 0;
    ::waitpid(running.pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << said;
    EXPECT_EQ(killed, times);
    EXPECT_THAT(said, HasSubstr("looked\n"));
    EXPECT_THAT(said, Not(HasSubstr("LOST")));
    EXPECT_THAT(said, Not(HasSubstr("none")));
    EXPECT_THAT(said, Not(HasSubstr("Traceback")));
    std::set<std::string> intents;
    std::istringstream log(world().call({"alos", "audit", "show", "--json"}).out);
    for (std::string line; std::getline(log, line);) {
      const auto record = nlohmann::json::parse(line, nullptr, false);
      if (record.is_object() && record.value("action", "") == "fs.write" && record.value("outcome", "").empty())
        intents.insert(record.value("target", ""));
    }
    std::istringstream in(said);
    int acknowledged = 0, others = 0, written = 0;
    for (std::string how, rest; in >> how && std::getline(in, rest);) {
      if (how == "written") written = std::stoi(rest);
      if (how != "ok") {
        others += how == "unknown" || how == "failed";
        continue;
      }
      ++acknowledged;
      EXPECT_TRUE(intents.contains(w + "/f" + rest.substr(1))) << rest;
    }
    EXPECT_GE(written, count);
    EXPECT_GE(acknowledged, written - 2 * times);
    EXPECT_EQ(acknowledged + others, written) << "each has an end of its own";
    EXPECT_EQ(world().call({"alos", "audit", "verify"}).code, 0);
  }

  std::string policy_;
  pid_t run_ = -1;
};

TEST_P(BrokerKilled, leaves_what_was_acknowledged_and_is_started_again) {
  write_and_kill(300, 5);
}

TEST_P(BrokerKilled, ends_each_call_of_a_connection_that_has_many_under_way) {
  const std::string w = world().workspace();
  fs::copy_file(std::string(ALOS_BROKER_DIRECTORY) + "/many_under_way.py", w + "/many.py");
  const auto running = start({"/usr/bin/python3", w + "/many.py", w});
  std::string said;
  ASSERT_TRUE(wait_for(running, "under way\n"));
  ::usleep(200'000);
  ASSERT_TRUE(kill(process("alos-broker")));
  for (char buffer[4096]; const ssize_t n = ::read(running.output.get(), buffer, sizeof buffer);) {
    if (n < 0) break;
    said.append(buffer, static_cast<size_t>(n));
  }
  ::waitpid(running.pid, nullptr, 0);
  EXPECT_THAT(said, HasSubstr("ends 24\n"));
  EXPECT_THAT(said, HasSubstr("again again\n"));
  EXPECT_THAT(said, Not(HasSubstr("WRONG")));
  EXPECT_THAT(said, Not(HasSubstr("sleep ok"))) << "none is told that it is over";
}

TEST_P(BrokerKilled, ends_the_commands_that_it_was_asked_for) {
  const std::string number = std::to_string(5'000'000 + ::getpid());
  const auto running =
      start({"/bin/bash", "-c",
             "alos-call shell.run -- sh -c 'echo up > up; setsid sleep " + number + " & sleep " + number +
                 "' & while ! [ -s up ]; do sleep 0.01; done; echo up; wait; "
                 "alos-call clock.now && echo again; sleep 0.5; echo over; sleep 60"});
  ASSERT_TRUE(wait_for(running, "up\n"));
  ASSERT_TRUE(kill(process("alos-broker")));
  std::string said;
  EXPECT_TRUE(wait_for(running, "again\n"));
  EXPECT_TRUE(wait_for(running, "over\n"));
  EXPECT_EQ(world().call({"/usr/bin/pgrep", "-f", "^sleep " + number}).out, "");
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTERM, nullptr, 0);
  ::waitpid(running.pid, nullptr, 0);
}

TEST_P(BrokerKilled, gives_nothing_back_of_what_sleeps_have_taken) {
  policy_ = world().policy("sleepy",
                           "alos: 1\nabout: sleeps\nextends: base\nvars: {workspace: dir}\nworkspace: layer\n"
                           "files:\n  tree: {allow: rwx, path: $workspace/**}\nclock: {sleep: {each: 1s, total: "
                           "1s}}\nlimits: {wall: 120s}\n");
  const auto running = start(
      {"/bin/bash", "-c",
       "while :; do alos-call clock.sleep 600 2>&1 > /dev/null | head -1; echo \"ended ${PIPESTATUS[0]}\"; done"});
  ASSERT_TRUE(wait_for(running, "ended 0\n"));
  ASSERT_TRUE(kill(process("alos-broker")));
  std::string said;
  const auto count = [&](const std::string& words) {
    size_t out = 0;
    for (size_t at = said.find(words); at != said.npos; at = said.find(words, at + 1)) ++out;
    return out;
  };
  char buffer[4096];
  for (ssize_t n = 1; n > 0 && count("ended ") < 10;) {
    n = ::read(running.output.get(), buffer, sizeof buffer);
    said.append(buffer, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  }
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTERM, nullptr, 0);
  ::waitpid(running.pid, nullptr, 0);
  EXPECT_EQ(count("ended 0"), 0U) << said;
  EXPECT_GE(count("clock.sleep total"), 5U) << said;
}

TEST_P(BrokerKilled, and_its_supervisor_killed_leaves_nothing) {
  const std::string number = std::to_string(6'000'000 + ::getpid());
  const auto running = start({"/bin/bash", "-c",
                              "alos-call shell.run -- sh -c 'echo up > up; setsid sleep " + number + " & sleep " +
                                  number + "' & while ! [ -s up ]; do sleep 0.01; done; echo up; setsid sleep " +
                                  number + " & while :; do alos-call fs.write $PWD/x --content y; done"});
  ASSERT_TRUE(wait_for(running, "up\n"));
  const UniqueFd broker = process("alos-broker");
  ASSERT_TRUE(broker);
  ASSERT_TRUE(kill(process("alos-supervisor")));
  const int64_t begun = boot_ns();
  const auto left = [&] { return world().call({"/usr/bin/pgrep", "-f", "^sleep " + number}).out; };
  while (!left().empty() && boot_ns() - begun < 10'000'000'000) ::usleep(10'000);
  EXPECT_LT(boot_ns() - begun, 1'500'000'000) << "boxes";
  pollfd gone{.fd = broker.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&gone, 1, 1000), 1) << "the broker";
  ::waitpid(running.pid, nullptr, 0);
  world().call({"alos", "ps"});  // tells the crash, and puts its entry away
  for (int i = 0; i < 80 && !world().leftovers().empty(); ++i) ::usleep(25'000);
}

TEST_P(BrokerKilled, holds_up_the_end_of_its_run_for_seconds_where_it_cannot_end) {
  if (::geteuid() != 0) ALOS_SKIP("only root freezes so that SIGKILL waits");
  const std::string events = world().root() + "/events";
  const auto running =
      start({"/bin/bash", "-c", "alos-call clock.now > /dev/null; echo up; sleep 120"}, {"--events", events});
  ASSERT_TRUE(wait_for(running, "up\n"));
  const UniqueFd broker = process("alos-broker");
  ASSERT_TRUE(broker);
  {
    const std::string scratch = world().root() + "/freezer";
    fs::create_directory(scratch);
    const Frozen frozen(broker, scratch);
    ASSERT_TRUE(frozen.holds());
    ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTERM, nullptr, 0);
    pollfd ended{.fd = running.pidfd.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&ended, 1, 60'000), 1);
    EXPECT_TRUE(frozen.holds());
    ::waitpid(running.pid, nullptr, 0);
  }
  pollfd gone{.fd = broker.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&gone, 1, 5000), 1);
  EXPECT_THAT(slurp(events), HasSubstr("\"calls_unknown\":true"));
}

// What one broker has asked the launcher for comes when the next has begun, which has not asked yet: none ends of that.
TEST_P(BrokerKilled, while_it_waits_for_its_view_leaves_the_next_alone) {
  constexpr int kTimes = 12;  // fewer than a run has brokers
  const std::string events = world().root() + "/events";
  const auto running = start({"/bin/bash", "-c", "echo up; while :; do alos-call clock.now > /dev/null 2>&1; done"},
                             {"--events", events});
  ASSERT_TRUE(wait_for(running, "up\n"));
  const UniqueFd launcher = process("alos-launcher");
  const auto signal = [&](int which) { ::syscall(SYS_pidfd_send_signal, launcher.get(), which, nullptr, 0); };
  int killed = 0;
  for (; killed < kTimes; ++killed) {
    signal(SIGSTOP);
    if (killed == 0) ::usleep(300'000);
    if (!kill_broker()) break;
    ::usleep(static_cast<useconds_t>(killed * 500));
    signal(SIGCONT);
    ::usleep(150'000);
  }
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTERM, nullptr, 0);
  ::waitpid(running.pid, nullptr, 0);
  const std::string told = slurp(events);
  int ended = 0;
  for (size_t at = 0; (at = told.find("\"state\":\"ended\"", at)) != told.npos; ++at) ++ended;
  EXPECT_EQ(killed, kTimes);
  EXPECT_EQ(ended, killed) << told;
}

INSTANTIATE_TEST_SUITE_P(Modes, BrokerKilled, testing::Values(Mode::root, Mode::rootless), NameOfMode());

class LongBrokerKilled : public BrokerKilled {};

TEST_P(LongBrokerKilled, a_hundred_times) {
  for (int i = 0; i < 10; ++i) write_and_kill(500, 10);
}

INSTANTIATE_TEST_SUITE_P(LongModes, LongBrokerKilled, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
