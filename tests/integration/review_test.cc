// What hostile readings of the code found, each as it was shown.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Review : public InBothModes {};

TEST_P(Review, a_masked_secret_is_not_under_a_new_name_in_the_next_run) {
  world().write(".aws/credentials", "the-secret");
  world().write("home/.ssh/config", "the-secret");
  world().shell("coding", "mv .aws aws2; mv home/.ssh home/ssh2; mv home other; git mv x y");
  const Outcome second = world().shell("coding",
                                       "cat aws2/credentials home/ssh2/config other/.ssh/config .aws/credentials; "
                                       "grep -r the-secret . ; echo end");
  EXPECT_THAT(second.out, AllOf(Not(HasSubstr("the-secret")), HasSubstr("end"))) << second.err;
}

TEST_P(Review, stdio_gives_the_stream_and_nothing_else_of_the_callers_file) {
  world().write("in", "given");
  world().write("log", "first line\n");
  ASSERT_EQ(::chmod((world().workspace() + "/in").c_str(), 0600), 0);
  std::string line;
  for (const std::string& word : world().run_arguments("strict", {})) line += word + " ";
  world().write(
      "attack.py",
      "import os,fcntl\n"
      "for f in (lambda: os.fchmod(1,0o6755), lambda: os.fchmod(0,0o666), lambda: os.setxattr(0,'user.x',b'1'),\n"
      "          lambda: fcntl.fcntl(1,fcntl.F_SETFL,0), lambda: os.lseek(1,0,0), lambda: os.ftruncate(1,0)):\n"
      "  try: f()\n  except OSError: pass\n"
      "os.write(1,b'appended\\n')\n");
  const Outcome run = world().call({"/bin/bash", "-c", line + "-- python3 -c \"$(cat attack.py)\" < in >> log"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(world().read("log"), "first line\nappended\n");
  struct stat in{}, log{};
  ASSERT_EQ(::stat((world().workspace() + "/in").c_str(), &in), 0);
  ASSERT_EQ(::stat((world().workspace() + "/log").c_str(), &log), 0);
  EXPECT_EQ(in.st_mode & 07777, 0600u);
  EXPECT_EQ(log.st_mode & 06111, 0u);
}

TEST_P(Review, a_pipe_shared_with_other_programs_cannot_be_read_by_the_box) {
  std::string line;
  for (const std::string& word : world().run_arguments("strict", {})) line += word + " ";
  const Outcome run =
      world().call({"/bin/bash", "-c",
                    "{ echo other-programs-secret; " + line +
                        "-- python3 -c \"import os; f=os.open('/proc/self/fd/1',os.O_RDONLY|os.O_NONBLOCK)\n"
                        "try: print('STOLEN',os.read(f,100))\nexcept OSError as e: print('nothing')\"; "
                        "} | { sleep 1; cat; }"});
  EXPECT_THAT(run.out, AllOf(HasSubstr("other-programs-secret"), Not(HasSubstr("STOLEN"))));
}

TEST_P(Review, output_of_both_streams_keeps_its_order_and_arrives_whole) {
  std::string line;
  for (const std::string& word : world().run_arguments("strict", {})) line += word + " ";
  const Outcome run = world().call(
      {"/bin/bash", "-c",
       line + "-- bash -c 'for i in $(seq 200); do echo o$i; echo e$i >&2; done' 2>&1 | grep -v ^alos: | md5sum"});
  const Outcome plain = world().call({"/bin/bash", "-c", "for i in $(seq 200); do echo o$i; echo e$i; done | md5sum"});
  EXPECT_EQ(run.out, plain.out);
  const Outcome large = world().call({"/bin/bash", "-c", line + "-- head -c 50000000 /dev/zero | wc -c"});
  EXPECT_EQ(large.out, "50000000\n");
}

TEST_P(Review, a_hard_link_of_a_secret_below_another_deny_is_hidden_too) {
  world().write(".env", "the-secret");
  world().write(".github/a", "x");
  ASSERT_EQ(::link((world().workspace() + "/.env").c_str(), (world().workspace() + "/.github/x").c_str()), 0);
  const std::string policy =
      world().policy("both",
                     "alos: 1\nabout: both\nextends: [base]\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
                     "  all: {allow: rwx, path: $workspace/**}\n  ci: {deny: w, path: [$workspace/.github/**]}\n"
                     "  secrets: {deny: rwx, path: [$workspace/**/.env]}\n");
  const Outcome run = world().shell(policy, "cat .github/x; cat .github/a; echo no > .github/a");
  EXPECT_EQ(run.out, "x");
}

TEST_P(Review, a_terminal_that_nobody_reads_does_not_stop_the_clock) {
  const std::string policy = world().policy("short", "alos: 1\nabout: short\nextends: [base]\nlimits: {wall: 1s}\n");
  std::string words;
  for (const std::string& word : world().run_arguments(policy, {})) words += "'" + word + "',";
  // A pty whose other side is never read.
  const Outcome run = world().call({"/usr/bin/python3", "-c",
                                    "import os,pty,signal\npid,fd=pty.fork()\n"
                                    "if pid==0: os.execvp('alos',[" +
                                        words +
                                        "'--','yes'])\n"
                                        "signal.alarm(20)\nprint(os.waitstatus_to_exitcode(os.waitpid(pid,0)[1]))"});
  EXPECT_EQ(run.out, "124\n") << run.err;
}

TEST_P(Review, inotify_instances_of_the_host_are_not_used_up) {
  const Outcome run =
      world().run("strict", {"/usr/bin/python3", "-c",
                             "import ctypes\nl=ctypes.CDLL(None)\nn=0\nwhile l.inotify_init1(0)>=0: n+=1\nprint(n)"});
  EXPECT_THAT(run.out, testing::AnyOf("32\n", "31\n"));
}

TEST_P(Review, copy_is_a_copy) {
  world().write("a", "from the host");
  const std::string policy =
      world().policy("copied",
                     "alos: 1\nabout: copied\nextends: [base]\nvars: {workspace: dir}\nworkspace: copy\nfiles:\n"
                     "  all: {allow: rwx, path: $workspace/**}\n");
  EXPECT_EQ(world().shell(policy, "cat a; echo made > made; echo more >> a").out, "from the host");
  EXPECT_EQ(world().read("a"), "from the host");
  EXPECT_THAT(world().call({"alos", "diff", "--stat"}).out, AllOf(HasSubstr("made"), HasSubstr(" a")));
  EXPECT_EQ(world().shell(policy, "cat made").out, "made\n");
}

TEST_P(Review, direct_as_root_over_roots_own_files_is_refused) {
  if (GetParam() != Mode::root) return;
  const std::string policy =
      world().policy("straight",
                     "alos: 1\nabout: straight\nextends: [base]\nvars: {workspace: dir}\nworkspace: direct\nfiles:\n"
                     "  all: {allow: rwx, path: $workspace/**}\n");
  const Outcome run = world().shell(policy, "cp /bin/true x; chmod 6755 x");
  EXPECT_EQ(run.code, 125);
  EXPECT_THAT(run.err, HasSubstr("would write files of root"));
}

TEST_P(Review, another_name_of_what_lies_in_a_denied_directory_shows_nothing) {
  world().write("vault/deep/key", "the-secret");
  ASSERT_EQ(::mkdir((world().workspace() + "/data").c_str(), 0777), 0);
  ASSERT_EQ(::link((world().workspace() + "/vault/deep/key").c_str(), (world().workspace() + "/data/key").c_str()), 0);
  for (const char* denied : {"$workspace/vault/**", "$workspace/vault"}) {
    const std::string policy = world().policy(
        "vault", std::string("alos: 1\nabout: vault\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
                             "  tree: {allow: rwx, path: $workspace/**}\n  vault: {deny: rwx, path: ") +
                     denied + "}\n");
    const Outcome run = world().shell(policy, "cat data/key vault/deep/key; true");
    EXPECT_EQ(run.out, "") << denied;
    EXPECT_EQ(run.code, 0) << run.err;
  }
}

TEST_P(Review, what_two_allows_except_is_read_by_neither) {
  const std::string above = world().root() + "/data";
  world().write("D/secret/s", "the-secret");
  world().write("D/open", "for all");
  world().write("work/a", "x");
  world().write(above + "/secret/s", "the-secret");
  world().write(above + "/open", "for all");
  for (const std::string& directory : {std::string("$workspace/D"), above})
    for (const auto& [other, except] :
         {std::pair{"/**", "/secret/**"}, {"/secret/**", "/secret/s"}, {"/**", "/secret/s"}}) {
      const std::string policy = world().policy(
          "except",
          "alos: 1\nabout: except\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n  work: "
          "{allow: r, path: $workspace/work/**}\n  a: {allow: r, path: " +
              directory + "/**, except: " + directory + "/secret/**}\n  b: {allow: rx, path: " + directory + other +
              ", except: " + directory + except + "}\n");
      const std::string real = directory == above ? above : world().workspace() + "/D";
      const Outcome run = world().shell(policy, "cat " + real + "/open; cat " + real + "/secret/s");
      EXPECT_THAT(run.out, testing::StartsWith("for all")) << run.err;
      EXPECT_THAT(run.out, Not(HasSubstr("the-secret"))) << directory << " " << other << " " << except;
    }
}

INSTANTIATE_TEST_SUITE_P(Found, Review, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
