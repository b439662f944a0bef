// What a user of `alos run` sees: exit codes, streams, the box's shape, the terminal, the end.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/clock.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// How long this test's sleepers sleep: nobody else's do so long, so they are found by it.
std::string own_seconds() {
  return std::to_string(1'000'000 + ::getpid());
}

class Run : public InBothModes {
 protected:
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }
};

TEST_P(Run, exits_with_the_programs_code) {
  for (const int code : {0, 1, 7, 124, 255}) {
    const Outcome run = world().shell("strict", "exit " + std::to_string(code));
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_EQ(run.end()["reason"], "exit");
    EXPECT_EQ(run.end()["code"], code);
    EXPECT_EQ(run.end()["executed"], true);
  }
}

TEST_P(Run, a_signal_that_ends_the_program_shows_as_128_and_its_number) {
  const Outcome run = world().shell("strict", "kill -SEGV $$");
  EXPECT_EQ(run.code, 128 + SIGSEGV);
  EXPECT_EQ(run.end()["reason"], "signal");
  EXPECT_EQ(run.end()["what"], "SEGV");
}

TEST_P(Run, streams_are_the_callers) {
  const Outcome run = world().shell("strict", "cat; echo to-err >&2", {.input = "from outside"});
  EXPECT_EQ(run.out, "from outside");
  EXPECT_THAT(run.err, HasSubstr("to-err\n"));
}

TEST_P(Run, ends_with_the_programs_code_though_nobody_reads_what_alos_says) {
  std::vector<std::string> words = world().run_arguments("coding", {"--workspace", "/nowhere"});
  words.insert(words.end(), {"--", "true"});
  const auto closed = [&](std::vector<std::string> command) {
    std::string line = "exec 2> >(:); sleep 0.2; trap '' PIPE;";
    for (const std::string& word : command) line += " '" + word + "'";
    return world().call({"/bin/bash", "-c", line}).code;
  };
  EXPECT_EQ(closed(words), 125);
  words = world().run_arguments("strict", {});
  words.insert(words.end(), {"--", "no-such-program"});
  EXPECT_EQ(closed(words), 127);
}

// Inherited over exec (signal(7)): a child's end is then told to nobody.
TEST_P(Run, ends_with_the_programs_code_though_the_caller_ignores_the_ends_of_children) {
  const std::string policy = world().policy("short", "alos: 1\nabout: x\nextends: strict\nlimits: {wall: 5s}\n");
  for (const char* apply : {"none", "safe"}) {
    std::vector<std::string> words = {
        "python3", "-c",
        "import os,signal,sys\nsignal.signal(signal.SIGCHLD,signal.SIG_IGN)\nos.execvp('alos',sys.argv[1:])"};
    const std::vector<std::string> run = world().run_arguments(policy, {"--apply", apply});
    words.insert(words.end(), run.begin(), run.end());
    words.insert(words.end(), {"--", "sh", "-c", "exit 7"});
    const Outcome outcome = world().call(words);
    EXPECT_EQ(outcome.code, 7) << apply << ": " << outcome.err;
  }
}

TEST_P(Run, a_program_that_is_nowhere_is_127_and_one_that_cannot_be_executed_126) {
  Outcome run = world().run("strict", {"no-such-program"});
  EXPECT_EQ(run.code, 127);
  EXPECT_THAT(run.err, HasSubstr("'no-such-program' is not in this box; nor is it on PATH outside"));
  EXPECT_EQ(run.end()["executed"], false);
  run = world().run("strict", {"/etc/passwd"});
  EXPECT_EQ(run.code, 126);
  EXPECT_THAT(run.err, HasSubstr("cannot be executed"));
  EXPECT_EQ(run.end()["executed"], false);
}

TEST_P(Run, a_program_that_is_only_outside_is_named_with_the_line_that_would_add_it) {
  // Where only its owner may look, as a home is.
  world().write(world().root() + "/private/tools/shims/mytool", "#!/bin/sh\necho hi\n", 0755);
  world().write(world().root() + "/private/.cargo/bin/cargo", "#!/bin/sh\necho hi\n", 0755);
  ASSERT_EQ(::chmod((world().root() + "/private").c_str(), 0700), 0);
  const std::string tools = world().root() + "/private/tools", cargo = world().root() + "/private/.cargo";
  const Options options{.env = {{"PATH", World::programs() + ":" + tools + "/shims:" + cargo + "/bin"}}};
  Outcome run = world().run("strict", {"mytool"}, options);
  EXPECT_EQ(run.code, 127);
  EXPECT_THAT(run.err, AllOf(HasSubstr("outside it is " + tools + "/shims/mytool"),
                             HasSubstr("tools: {allow: rx, path: " + tools + "/**}")));
  run = world().run("strict", {"cargo"}, options);
  EXPECT_THAT(run.err, HasSubstr("path: [" + cargo + "/**, " + world().root() + "/private/.rustup/**]}"));
}

TEST_P(Run, a_script_whose_interpreter_is_not_in_the_box_is_126_and_says_so) {
  world().write("tool", "#!/opt/nowhere/python3\n", 0755);
  const Outcome run = world().run("coding", {"./tool"});
  EXPECT_EQ(run.code, 126);
  EXPECT_THAT(run.err, HasSubstr("'./tool' is in this box, and what runs it is not"));
}

TEST_P(Run, misuse_is_125_and_says_so) {
  EXPECT_EQ(world().call({"alos", "run"}).code, 125);
  EXPECT_EQ(world().call({"alos", "run", "true"}).code, 125);
  EXPECT_EQ(world().call({"alos", "run", "--"}).code, 125);
  EXPECT_EQ(world().call({"alos", "run", "--no-such-flag", "--", "true"}).code, 125);
  const Outcome unknown = world().run("no-such-policy", {"true"});
  EXPECT_EQ(unknown.code, 125);
  EXPECT_THAT(unknown.err, HasSubstr("no-such-policy"));
  const Outcome nowhere = world().run("coding", {"true"}, {}, {"--workspace", "/no/such/place"});
  EXPECT_EQ(nowhere.code, 125);
  EXPECT_THAT(nowhere.err, HasSubstr("/no/such/place"));
}

TEST_P(Run, the_environment_is_built_from_nothing) {
  const Outcome run = world().run("strict", {"/usr/bin/env"}, {.env = {{"SECRET_TOKEN", "x"}, {"LD_PRELOAD", ""}}});
  EXPECT_THAT(run.out,
              AllOf(Not(HasSubstr("SECRET_TOKEN")), Not(HasSubstr("LD_PRELOAD")), HasSubstr("HOME=/home/agent"),
                    HasSubstr("ALOS=1"), HasSubstr("TERM=xterm"), Not(HasSubstr(world().root()))));
}

TEST_P(Run, nothing_but_stdio_is_inherited) {
  // ls itself holds one for the directory it reads.
  const Outcome run = world().shell("strict", "cd /proc/self/fd && echo *");
  EXPECT_EQ(run.out, "0 1 2 3\n") << "3 is bash's own, for the directory";
}

TEST_P(Run, the_box_holds_no_capability_and_cannot_get_one) {
  const Outcome run = world().shell("strict", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("CapEff:\t0000000000000000"), HasSubstr("CapPrm:\t0000000000000000"),
                    HasSubstr("CapBnd:\t0000000000000000"), HasSubstr("CapInh:\t0000000000000000"),
                    HasSubstr("CapAmb:\t0000000000000000"), HasSubstr("NoNewPrivs:\t1"), HasSubstr("Seccomp:\t2")));
}

TEST_P(Run, the_box_is_never_a_host_root_and_sees_no_other_process) {
  const Outcome run = world().shell("strict", "cat /proc/self/uid_map; id -u; ls /proc | grep -c '^[0-9]'");
  EXPECT_THAT(run.out, ContainsRegex("^ *1000 +[1-9][0-9]* +1\n1000\n"));
}

TEST_P(Run, proc_sys_cannot_be_written) {
  const Outcome run = world().shell("strict",
                                    "for f in kernel/core_pattern kernel/hostname vm/overcommit_memory; do echo x > "
                                    "/proc/sys/$f && echo WROTE $f; done");
  EXPECT_THAT(run.out, Not(HasSubstr("WROTE")));
}

TEST_P(Run, a_directory_or_a_socket_as_stdio_is_refused) {
  const Outcome directory =
      world().call({"/bin/bash", "-c", "alos run --degrade memory,cpus,cpu-time -- true < / 2>&1; echo $?"});
  EXPECT_THAT(directory.out, AllOf(HasSubstr("takes no directory"), HasSubstr("125")));
  const Outcome socket = world().call({"/usr/bin/python3", "-c",
                                       "import socket,subprocess,sys\n"
                                       "a,b=socket.socketpair()\n"
                                       "sys.exit(subprocess.call(['alos','run','--','true'],stdin=a))"});
  EXPECT_EQ(socket.code, 125);
  EXPECT_THAT(socket.err, HasSubstr("takes no socket"));
}

TEST_P(Run, a_terminal_is_the_boxs_own) {
  // script(1) gives alos a terminal of its own.
  auto argv = world().run_arguments("strict", {});
  std::string line;
  for (const std::string& word : argv) line += word + " ";
  line += "-- /bin/bash -c 'tty; test -t 0 && test -t 1 && test -t 2 && echo all-terminals; stty size; exit 9'";
  const Outcome run = world().call({"/usr/bin/script", "-qec", "stty rows 33 cols 77; " + line, "/dev/null"});
  EXPECT_EQ(run.code, 9) << run.out << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("/dev/pts/0"), HasSubstr("all-terminals"), HasSubstr("33 77")));
}

TEST_P(Run, a_signal_to_alos_reaches_the_program) {
  auto argv = world().run_arguments("strict", {});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c",
                           "trap 'echo got-term; exit 33' TERM; echo ready; while :; do sleep 0.05; done"});
  const auto running = world().start(argv);
  ASSERT_TRUE(wait_for(running, "ready\n"));
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTERM, nullptr, 0);
  int status = 0;
  ::waitpid(running.pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 33);
}

// What comes within a second.
std::string heard(const World::Running& running) {
  std::string out;
  char bytes[4096];
  for (const int64_t until = boot_ns() + 1'000'000'000; boot_ns() < until;) {
    pollfd ready{.fd = running.output.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 50) != 1) continue;
    const ssize_t n = ::read(running.output.get(), bytes, sizeof bytes);
    if (n <= 0) break;
    out.append(bytes, static_cast<size_t>(n));
  }
  return out;
}

TEST_P(Run, a_stopped_alos_stops_everything_in_the_box) {
  auto argv = world().run_arguments("strict", {});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c",
                           "setsid sh -c 'while :; do echo beat; sleep 0.02; done' & echo ready; sleep 60"});
  const auto running = world().start(argv);
  ASSERT_TRUE(wait_for(running, "beat\n"));
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTSTP, nullptr, 0);
  heard(running);
  EXPECT_EQ(heard(running), "") << "what left the program's session is stopped with it";
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGCONT, nullptr, 0);
  EXPECT_THAT(heard(running), HasSubstr("beat\n"));
  // And once more, ended while it stands still.
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGTSTP, nullptr, 0);
  heard(running);
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGKILL, nullptr, 0);
  ::waitpid(running.pid, nullptr, 0);
  world().call({"alos", "ps"});  // tells the crash, and puts its entry away
  for (int i = 0; i < 40 && !world().leftovers().empty(); ++i) ::usleep(25'000);
}

TEST_P(Run, wall_holds_though_somebody_stops_the_supervisor) {
  const std::string policy = world().policy("short", "alos: 1\nabout: short\nextends: [base]\nlimits: {wall: 4s}\n");
  auto argv = world().run_arguments(policy, {});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", "while :; do echo beat; sleep 0.02; done"});
  const auto running = world().start(argv);
  ASSERT_TRUE(wait_for(running, "beat\n"));
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGSTOP, nullptr, 0);
  for (int i = 0; i < 7; ++i) heard(running);
  EXPECT_EQ(heard(running), "");
  ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGCONT, nullptr, 0);
  int status = 0;
  ::waitpid(running.pid, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 124);
}

TEST_P(Run, what_daemonised_dies_with_the_box) {
  // A process that left session and group, ignores what it can and outlives its parent.
  const Outcome run = world().shell("strict", "(trap '' TERM HUP INT; setsid sleep " + own_seconds() +
                                                  " </dev/null >/dev/null 2>&1 & ) ; sleep 0.2; pgrep -c sleep");
  EXPECT_EQ(run.out, "1\n") << "it did run";
  const Outcome after = world().call({"/usr/bin/pgrep", "-f", "^sleep " + own_seconds()});
  EXPECT_EQ(after.out, "");
}

TEST_P(Run, wall_ends_the_whole_box_and_says_so) {
  const std::string policy = world().policy("short", "alos: 1\nabout: short\nextends: [base]\nlimits: {wall: 1s}\n");
  const Outcome run =
      world().shell(policy, "(setsid sleep " + own_seconds() + " &); trap '' TERM; sleep " + own_seconds(),
                    {.timeout = std::chrono::seconds(20)});
  EXPECT_EQ(run.code, 124);
  EXPECT_THAT(run.err, HasSubstr("limit 'wall' (1s)"));
  EXPECT_EQ(run.end()["reason"], "limit");
  EXPECT_EQ(run.end()["what"], "wall");
  EXPECT_EQ(world().call({"/usr/bin/pgrep", "-f", "^sleep " + own_seconds()}).out, "");
}

TEST_P(Run, the_number_of_processes_is_bounded_for_this_box_alone) {
  const std::string policy =
      world().policy("few", "alos: 1\nabout: few\nextends: [base]\nlimits: {processes: 24, wall: 30s}\n");
  const Outcome run = world().run(policy, {"/usr/bin/python3", "-c",
                                           "import os,time\nn=0\n"
                                           "try:\n  while n<500:\n    if os.fork()==0: time.sleep(60)\n    n+=1\n"
                                           "except BlockingIOError: print('refused after',n)\n"});
  EXPECT_THAT(run.out, ContainsRegex("refused after (1[0-9]|2[0-4])\n")) << run.err;
}

INSTANTIATE_TEST_SUITE_P(Modes, Run, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
