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

std::string status_of(pid_t pid, const std::string& field) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(field + ":")) return line.substr(line.find_first_not_of(" \t", field.size() + 1));
  return "";
}

void wait_until_stopped(pid_t pid) {
  for (int i = 0; i < 400 && !status_of(pid, "State").starts_with("T"); ++i) ::usleep(25'000);
  ASSERT_TRUE(status_of(pid, "State").starts_with("T"));
}

pid_t launcher_of(pid_t supervisor) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && status_of(pid, "Name") == "alos-launcher" && status_of(pid, "PPid") == std::to_string(supervisor))
      return pid;
  }
  return -1;
}

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

TEST_P(RunsReview, nothing_but_runs_is_tidied_up) {
  ASSERT_EQ(world().shell("strict", "true").code, 0);
  const std::string other = world().runtime() + "/runs/precious",
                    run = world().runtime() + "/runs/run_0123456789abcdef";
  for (const std::string& directory : {other, run}) {
    world().write(directory + "/file", "x");
    age(directory);
  }
  EXPECT_EQ(alos({"ps"}).code, 0);
  EXPECT_TRUE(world().exists(other + "/file"));
  EXPECT_FALSE(world().exists(run)) << "what a run left is";
}

// As root, marks are written by an ordinary id, the supervisor's, and read by root.
TEST_P(RunsReview, a_mark_removes_nothing_but_its_own_run) {
  ASSERT_EQ(world().shell("strict", "true").code, 0);
  const std::string precious = world().root() + "/home/precious";
  world().write(precious + "/file", "mine");
  const json run = info_of("../../../home/precious");
  world().write(world().state() + "/open/run_0123456789abcdef", "running 1-1\n" + run.dump());
  const Outcome ps = alos({"ps"});
  EXPECT_TRUE(world().exists(precious + "/file")) << ps.out << ps.err;
  EXPECT_THAT(ps.out, HasSubstr("run_0123456789abcdef")) << "a run is called as its mark is";
}

// ---- kill ----

TEST_P(RunsReview, a_supervisor_of_another_machine_or_container_is_not_looked_for_among_the_processes_here) {
  const auto run = start("strict", "echo up; sleep 60");
  ASSERT_TRUE(wait_for(run, "up\n"));
  const auto other = world().start({"/bin/sh", "-c", "echo up; exec sleep 60"});
  ASSERT_TRUE(wait_for(other, "up\n"));
  // As it is in a directory that both see: the number of the supervisor there is the one of another process here.
  const std::string file = run_directory() + "/run.json";
  json info = json::parse(std::ifstream(file));
  const json own = info;
  info["supervisor"] = other.pid;
  info["where"] = "of another boot:4026531836";
  std::ofstream(file) << info.dump();
  EXPECT_THAT(json::parse(alos({"ps", "--json"}).out)[0]["state"], "elsewhere");
  const Outcome killed = alos({"kill", "--grace", "1", "victim"});
  EXPECT_EQ(killed.code, 3) << killed.out << killed.err;
  EXPECT_THAT(killed.err, HasSubstr("another machine or container"));
  EXPECT_EQ(::waitpid(other.pid, nullptr, WNOHANG), 0) << "it has nothing to do with alos";
  signal(other, SIGKILL);
  ::waitpid(other.pid, nullptr, 0);
  std::ofstream(file) << own.dump();
  EXPECT_EQ(alos({"kill", "victim"}).code, 0);
  ::waitpid(run.pid, nullptr, 0);
}

TEST_P(RunsReview, a_run_that_stands_still_is_ended_as_well) {
  const auto run = start("strict", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done");
  ASSERT_TRUE(wait_for(run, "up\n"));
  signal(run, SIGTSTP);
  wait_until_stopped(run.pid);
  const Outcome killed = alos({"kill", "--grace", "10", "victim"});
  EXPECT_EQ(killed.code, 0) << killed.err;
  EXPECT_THAT(killed.out, HasSubstr("by itself")) << "and is asked first";
  signal(run, SIGKILL);
  ::waitpid(run.pid, nullptr, 0);
}

TEST_P(RunsReview, no_name_is_no_run) {
  const auto run = start("strict", "echo up; sleep 60");
  ASSERT_TRUE(wait_for(run, "up\n"));
  EXPECT_EQ(alos({"kill", "--grace", "0", ""}).code, 1) << "kill \"$UNSET\"";
  EXPECT_EQ(::waitpid(run.pid, nullptr, WNOHANG), 0);
  EXPECT_EQ(alos({"kill", "--grace", "0", "victim"}).code, 0);
  ::waitpid(run.pid, nullptr, 0);
}

TEST_P(RunsReview, a_long_command_line_hides_no_run) {
  const std::vector<std::string> words(15, std::string(120'000, '\x01'));
  const auto run = start("strict", "echo up; sleep 60", words);
  ASSERT_TRUE(wait_for(run, "up\n"));
  const json listed = json::parse(alos({"ps", "--json"}).out, nullptr, false);
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["name"], "victim");
  EXPECT_EQ(listed[0]["argv"][0], "/bin/bash");
  EXPECT_LT(listed.dump().size(), 100'000u);
  signal(run, SIGKILL);
  ::waitpid(run.pid, nullptr, 0);
  EXPECT_THAT(alos({"ps"}).out, HasSubstr("(victim)")) << "nor its crash";
}

TEST_P(RunsReview, logs_say_that_they_hold_only_the_beginning) {
  std::string line;
  for (const std::string& word : world().run_arguments("strict", {"--name", "victim"})) line += word + " ";
  line += "-- /bin/bash -c \"head -c 5000000 /dev/zero | tr '\\\\0' x; sleep 60\"";
  const auto run = world().start({"/bin/bash", "-c", "exec script -qec \"$0\" /dev/null > /dev/null", line});
  Outcome logs;
  for (int i = 0; i < 400 && logs.out.size() < (4 << 20); ++i) ::usleep(25'000), logs = alos({"logs", "victim"});
  EXPECT_THAT(logs.out.substr(0, 1000), HasSubstr("only the beginning is kept"));
  EXPECT_EQ(alos({"kill", "--grace", "0", "victim"}).code, 0);
  ::waitpid(run.pid, nullptr, 0);
}

// ---- events ----

TEST_P(RunsReview, events_that_nobody_reads_hold_up_no_run_however_long_a_line_is) {
  // bash keeps the reading end open and reads nothing.
  const Outcome run =
      world().call({"/bin/bash", "-c",
                    "mkfifo events && exec 8<>events && words=$(head -c 100000 /dev/zero | tr '\\0' x) && "
                    "alos run --policy strict --degrade memory,cpus,cpu-time --events events -- "
                    "/bin/sh -c 'exit 5' \"$words\" \"$words\"; echo $?"},
                   {.timeout = std::chrono::seconds(30)});
  EXPECT_EQ(run.out, "5\n") << run.err;
}

// ---- streams ----

TEST_P(RunsReview, what_is_written_to_a_stream_that_does_not_block_arrives_whole) {
  auto argv = world().run_arguments("strict", {});
  std::string words;
  for (const std::string& word : argv) words += "'" + word + "',";
  const Outcome run = world().call({"/usr/bin/python3", "-c",
                                    "import os, subprocess, time\n"
                                    "r, w = os.pipe()\n"
                                    "os.set_blocking(w, False)\n"
                                    "p = subprocess.Popen([" +
                                        words +
                                        "'--', '/usr/bin/head', '-c', '1000000', '/dev/zero'], stdout=w)\n"
                                        "os.close(w)\n"
                                        "time.sleep(0.5)\n"
                                        "n = 0\n"
                                        "while b := os.read(r, 65536): n += len(b)\n"
                                        "print(n, p.wait())\n"});
  EXPECT_EQ(run.out, "1000000 0\n") << run.err;
}

// ---- what of a box is left when its supervisor is killed ----

TEST_P(RunsReview, a_box_that_is_still_there_keeps_its_layer_and_id) {
  const auto run = start(layered(), "echo up > file; echo up; while :; do sleep 0.05; done");
  ASSERT_TRUE(wait_for(run, "up\n"));
  const pid_t launcher = launcher_of(run.pid);
  ASSERT_GT(launcher, 0);
  const UniqueFd held(static_cast<int>(::syscall(SYS_pidfd_open, launcher, 0)));
  // As a group, where it has one that can be frozen, the box stands still and does not notice the end of its
  // supervisor; who would end it, the launcher, is kept from it.
  signal(run, SIGTSTP);
  wait_until_stopped(run.pid);
  ASSERT_EQ(::syscall(SYS_pidfd_send_signal, held.get(), SIGSTOP, nullptr, 0), 0);
  signal(run, SIGKILL);
  ::waitpid(run.pid, nullptr, 0);
  const Outcome next = world().shell(layered(), "cat file");
  EXPECT_EQ(next.code, 125) << next.out;
  EXPECT_THAT(next.err, HasSubstr("wait"));
  ASSERT_EQ(::syscall(SYS_pidfd_send_signal, held.get(), SIGCONT, nullptr, 0), 0);
  Outcome later = next;
  for (int i = 0; i < 200 && later.code == 125; ++i) {
    ::usleep(50'000);
    later = world().shell(layered(), "cat file");
  }
  EXPECT_EQ(later.out, "up\n") << later.err;
  for (int i = 0; i < 40 && !world().leftovers().empty(); ++i) ::usleep(25'000);
  EXPECT_EQ(world().leftovers(), "");
}

TEST_P(RunsReview, a_lasting_home_keeps_its_id_though_the_layer_beside_it_is_gone) {
  if (GetParam() != Mode::root) return;  // only root gives ids
  const std::string kept = world().policy("kept",
                                          "alos: 1\nabout: kept\nextends: [base]\nvars: {workspace: dir}\n"
                                          "files:\n  all: {allow: rwx, path: $workspace/**}\n"
                                          "workspace: layer\nhome: {keep: k}\n");
  ASSERT_EQ(world().shell(kept, "echo mine > ~/file").code, 0);
  ASSERT_EQ(alos({"gc", "--yes"}).code, 0);
  struct stat home{};
  for (const auto& entry : fs::recursive_directory_iterator(world().state() + "/homes"))
    if (entry.path().filename() == "k") {
      ASSERT_EQ(::stat(entry.path().c_str(), &home), 0);
    }
  ASSERT_GT(home.st_uid, 0u);
  const Outcome other = world().shell(layered(), "cat /proc/self/uid_map");
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_THAT(other.out, Not(HasSubstr(std::to_string(home.st_uid)))) << "another agent's";
  EXPECT_EQ(world().shell(kept, "cat ~/file").out, "mine\n");
}

INSTANTIATE_TEST_SUITE_P(Around, RunsReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
