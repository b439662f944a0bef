// Every step of a launch made to fail aborts it and is named; whatever is killed at whatever step, nothing is left.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/sys.h"
#include "supervisor/box/step.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::string> all_steps() {
  std::vector<std::string> out;
  for (int i = 0; i < box::kLaunchSteps; ++i) out.emplace_back(box::name(static_cast<box::Step>(i)));
  return out;
}

std::string test_name(std::string text) {
  for (char& c : text)
    if (c == '-') c = '_';
  return text;
}

class Failing : public testing::TestWithParam<std::tuple<Mode, std::string>> {};

TEST_P(Failing, aborts_and_names_step_object_and_errno) {
  const auto& [mode, step] = GetParam();
  if (const std::string why = World::unavailable(mode); !why.empty()) ALOS_SKIP(why);
  World world(mode);
  const std::string marker = world.workspace() + "/ran";
  // A terminal, so that this step takes place as well.
  std::string line;
  for (const std::string& word : world.run_arguments("coding", {"--events", world.root() + "/events"}))
    line += word + " ";
  const Outcome run = world.call({"/usr/bin/script", "-qec", line + "-- /usr/bin/touch ran; cat .env", "/dev/null"},
                                 {.env = {{"ALOS_FAIL_STEP", step + ":" + std::to_string(EXDEV)}}});
  EXPECT_THAT(run.out, AllOf(HasSubstr("step '" + step + "'"), HasSubstr("EXDEV")));
  std::ifstream events(world.root() + "/events");
  std::string last, line_of;
  while (std::getline(events, line_of)) last = line_of;
  EXPECT_THAT(last, AllOf(HasSubstr("\"executed\":false"), HasSubstr("\"code\":125"), HasSubstr("step " + step)));
  EXPECT_FALSE(world.exists("ran"));
  EXPECT_EQ(world.leftovers(), "");
}

INSTANTIATE_TEST_SUITE_P(EveryStep, Failing,
                         testing::Combine(testing::Values(Mode::root, Mode::rootless), testing::ValuesIn(all_steps())),
                         [](const auto& param) {
                           return test_name(name(std::get<0>(param.param)) + "_" + std::get<1>(param.param));
                         });

// ---- a launch that does not come to its end ----

// Children of a process, by /proc/PID/task/PID/children (proc(5)).
std::vector<pid_t> children_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  std::vector<pid_t> out;
  for (pid_t child; in >> child;) out.push_back(child);
  return out;
}

std::string comm_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/comm");
  std::string out;
  std::getline(in, out);
  return out;
}

pid_t find_child(pid_t of, const std::string& comm) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    for (const pid_t child : children_of(of))
      if (comm_of(child) == comm) return child;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return -1;
}

int open_pidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

class Stuck : public InBothModes {};

TEST_P(Stuck, is_said_and_can_be_given_up) {
  ASSERT_EQ(world().run("coding", {"true"}).code, 0) << "warm: the policy is compiled";
  auto argv = world().run_arguments("coding", {"--events", world().root() + "/events"});
  argv.insert(argv.end(), {"--", "/usr/bin/touch", "ran"});
  const auto running = world().start(argv, {.env = {{"ALOS_FAIL_STEP", "workspace:0"}}});
  const pid_t launcher = find_child(running.pid, "alos-launcher");
  ASSERT_GT(launcher, 0);
  const UniqueFd pidfd(open_pidfd(launcher));
  ASSERT_TRUE(sys::pidfd_signal(pidfd.get(), SIGSTOP));
  EXPECT_TRUE(wait_for(running, "alos-launcher (process " + std::to_string(launcher) + ") is stopped"));
  EXPECT_TRUE(sys::pidfd_signal(running.pidfd.get(), SIGINT));
  int status = 0;
  EXPECT_EQ(::waitpid(running.pid, &status, 0), running.pid);
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGINT);
  (void)sys::pidfd_signal(pidfd.get(), SIGCONT);
  pollfd gone{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&gone, 1, 15'000), 1) << "the launcher outlived its run";
  EXPECT_THAT(world().read(world().root() + "/events"),
              AllOf(HasSubstr("\"event\":\"launching\""), HasSubstr("\"executed\":false")));
  EXPECT_FALSE(world().exists("ran"));
  EXPECT_EQ(world().leftovers(), "");
}

INSTANTIATE_TEST_SUITE_P(Launch, Stuck, testing::Values(Mode::root, Mode::rootless), NameOfMode());

// ---- SIGKILL ----

// cgroups of the runs of this world: named by run id, which the run directory shows.
std::vector<std::string> cgroups_named(const std::string& id) {
  std::vector<std::string> out;
  std::error_code ignored;
  for (auto it = std::filesystem::recursive_directory_iterator(
           "/sys/fs/cgroup", std::filesystem::directory_options::skip_permission_denied, ignored);
       it != std::filesystem::recursive_directory_iterator(); it.increment(ignored)) {
    if (ignored) break;
    if (it->path().filename() == "alos-" + id) out.push_back(it->path());
  }
  return out;
}

struct Victim {
  Mode mode;
  std::string program;  // "broker", "launcher" or "init"
  std::string step;     // "" : while the program runs
};
void PrintTo(const Victim& victim, std::ostream* out) {
  *out << name(victim.mode) << " " << victim.program << " at " << (victim.step.empty() ? "running" : victim.step);
}

class Killed : public testing::TestWithParam<Victim> {};

TEST_P(Killed, leaves_no_process_within_a_second_and_nothing_else) {
  const Victim& victim = GetParam();
  if (const std::string why = World::unavailable(victim.mode); !why.empty()) ALOS_SKIP(why);
  World world(victim.mode);
  ASSERT_EQ(world.run("coding", {"true"}).code, 0) << "warm: the policy is compiled";
  auto argv = world.run_arguments("coding", {});
  // Daemonised, ignoring what can be ignored.
  const std::string seconds = std::to_string(2'000'000 + ::getpid());  // nobody else's sleepers sleep so long
  argv.insert(argv.end(),
              {"--", "/bin/bash", "-c", "trap '' TERM HUP; setsid sleep " + seconds + " & echo up; sleep " + seconds});
  const auto running = world.start(
      argv, {.env = victim.step.empty() ? std::map<std::string, std::string>{}
                                        : std::map<std::string, std::string>{{"ALOS_FAIL_STEP", victim.step + ":0"}}});
  const pid_t launcher = find_child(running.pid, "alos-launcher");
  ASSERT_GT(launcher, 0);
  std::string id;
  for (int attempt = 0; attempt < 100 && id.empty(); ++attempt) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(world.runtime() + "/runs", ignored))
      id = entry.path().filename();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  pid_t target = victim.program == "launcher" ? launcher : running.pid;
  if (victim.step.empty()) {
    ASSERT_TRUE(wait_for(running, "up\n"));
    if (victim.program == "init") target = find_child(running.pid, "alos-init");
  } else {
    // Half a second long; somewhere in its middle.
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  ASSERT_GT(target, 0);
  const UniqueFd pidfd(open_pidfd(target));
  ASSERT_EQ(::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0), 0);
  const auto killed_at = std::chrono::steady_clock::now();
  std::string left = "?";
  while (!left.empty() && std::chrono::steady_clock::now() - killed_at < std::chrono::seconds(1)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    left.clear();
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
      std::ifstream in(entry.path() / "cmdline", std::ios::binary);
      const std::string line((std::istreambuf_iterator<char>(in)), {});
      if (line.find(std::string("sleep\0", 6) + seconds) != std::string::npos)
        left += entry.path().filename().string() + " ";
    }
  }
  EXPECT_EQ(left, "") << "processes of the box";
  if (victim.program != "broker") {
    // The supervisor is there to say what happened.
    pollfd gone{.fd = running.pidfd.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&gone, 1, 15'000), 1);
  }
  int status = 0;
  ::waitpid(running.pid, &status, 0);
  if (victim.program == "launcher") {
    EXPECT_EQ(WEXITSTATUS(status), 125);
  }
  for (int attempt = 0; attempt < 100 && !cgroups_named(id).empty(); ++attempt)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_THAT(cgroups_named(id), testing::IsEmpty());
  // A supervisor that was killed leaves its run's directory; whoever looks next removes it.
  std::this_thread::sleep_for(std::chrono::milliseconds(victim.program == "broker" ? 3100 : 0));
  world.call({"alos", "ps"});
  for (int attempt = 0; attempt < 20 && !world.leftovers().empty(); ++attempt)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(world.leftovers(), "");
}

std::vector<Victim> victims(const std::vector<std::string>& steps) {
  std::vector<Victim> out;
  for (const Mode mode : {Mode::root, Mode::rootless}) {
    for (const char* program : {"broker", "launcher"})
      for (const std::string& step : steps) out.push_back({mode, program, step});
    for (const char* program : {"broker", "launcher", "init"}) out.push_back({mode, program, ""});
  }
  return out;
}

std::string victim_name(const testing::TestParamInfo<Victim>& param) {
  const Victim& victim = param.param;
  return test_name(name(victim.mode) + "_" + victim.program + "_" + (victim.step.empty() ? "running" : victim.step));
}

INSTANTIATE_TEST_SUITE_P(AtSomeSteps, Killed,
                         testing::ValuesIn(victims({"workspace", "identity-map", "become", "pivot", "exec"})),
                         victim_name);
INSTANTIATE_TEST_SUITE_P(LongAtEveryStep, Killed, testing::ValuesIn(victims(all_steps())), victim_name);

}  // namespace
}  // namespace alos::test
