// What the launcher does for the broker: identities on the file ring, the view of what is brokered, further boxes of a
// run. The real front and launcher, with a stand-in for the supervisor that says what it is answered.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/harness.h"
#include "tests/integration/stand_in/programs.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The built programs, alos-supervisor excepted.
std::string programs_with_stand_in() {
  const fs::path from = ALOS_PROGRAMS_DIRECTORY, at = fs::path(ALOS_STAND_IN).parent_path() / "programs";
  fs::create_directories(at / "box");  // what boxes have at /alos: nothing here
  const auto put = [&](const fs::path& what, const std::string& name) { put_program(at, what, name); };
  for (const char* name : {"alos", "alos-launcher", "alos-init"}) put(from / name, name);
  put(from / "alos-policy", "alos-policy-itself");
  put(ALOS_STAND_IN "_policy", "alos-policy");
  put(ALOS_STAND_IN "_supervisor", "alos-supervisor");
  std::error_code there;
  fs::create_directory_symlink(from / "profiles", at / "profiles", there);
  return at;
}

class Launcher : public InBothModes {
 protected:
  void SetUp() override {
    ::setenv("ALOS_PROGRAMS", programs_with_stand_in().c_str(), 1);
    InBothModes::SetUp();
    if (world_) fill();
  }
  void fill() {
    outside_ = world().root() + "/outside";
    world().write(outside_ + "/open/file", "brokered\n");
    world().write(outside_ + "/open/.env", "secret\n");
    world().write(outside_ + "/read/file", "brokered\n");
    world().write(outside_ + "/key", "key\n");
    world().write(outside_ + "/elsewhere", "none of it\n");
    world().write("file", "in the workspace\n");
    world().write(".env", "secret\n");
    use_limits("processes: 200");
  }
  void use_limits(const std::string& limits, const std::string& workspace = "layer", const std::string& more = "") {
    policy_ = world().policy("launcher",
                             "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\nworkspace: " + workspace +
                                 "\nfiles:\n  tree: {allow: rwx, path: $workspace/**}\n"
                                 "  secrets: {deny: r, path: $workspace/.env, reason: secret}\nlimits: {wall: 60s, " +
                                 limits + "}\n" + more);
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }

  // With rules for commands, of which the first is number 1.
  void use_commands(const std::string& files, const std::string& commands) {
    policy_ = world().policy("launcher-commands",
                             "alos: 1\nabout: runs with more files\nextends: base\nvars: {workspace: dir}\n"
                             "workspace: layer\nfiles:\n" +
                                 files + "commands:\n" + commands + "limits: {wall: 60s}\n");
  }

  std::string carry_out(const std::string& script, const std::vector<std::string>& command = {"/bin/sleep", "60"},
                        std::map<std::string, std::string> env = {}) {
    env["ALOS_SCRIPT"] = script;
    env["ALOS_OUTSIDE"] = outside_;
    std::vector<std::string> argv = world().run_arguments(policy_, {});
    argv.emplace_back("--");
    argv.insert(argv.end(), command.begin(), command.end());
    const Outcome run = world().call(argv, {.env = env});
    EXPECT_EQ(run.code, 0) << run.err << run.out;
    EXPECT_THAT(run.out, EndsWith("ended\n"));
    return run.out;
  }

  std::string outside_, policy_;
};

// "WORD PATH FLAGS" of the script, and what is answered.
struct Tried {
  std::string what, answer;
};

std::string lines(const std::vector<Tried>& all, bool answers) {
  std::string out;
  for (const Tried& one : all) {
    std::string line = one.what;
    if (!answers) std::ranges::replace(line, ' ', '\t');
    out += line + (answers ? ": " + one.answer : "") + "\n";
  }
  return out;
}

TEST_P(Launcher, an_identity_reaches_what_the_box_may_and_what_is_brokered_and_nothing_else) {
  const std::string workspace = world().workspace();
  const bool root = GetParam() == Mode::root;
  const std::vector<Tried> all{
      {"open box " + workspace + "/file r", "ok"},
      {"open box " + workspace + "/new wc", "ok"},
      {"mkdir box " + workspace + "/made", "ok"},
      {"rename box " + workspace + "/new", "ok"},
      {"open box " + workspace + "/.env r", "EACCES"},
      {"open box /usr/bin/true r", "ok"},
      {"open box /usr/bin/true w", "EACCES"},
      {"open box /tmp/file wc", "ok"},
      {"open box /dev/shm/file wc", "ok"},
      {"open box /home/agent/file wc", "ok"},
      {"open box /etc/passwd r", "ok"},
      {"open box /proc/version r", "EACCES"},
      {"list box /proc", "EACCES"},
      {"open box /dev/null r", "EACCES"},
      {"list box /dev", "EACCES"},
      {"open box " + outside_ + "/open/file r", "ENOENT"},
      {"open view " + outside_ + "/open/file r", "ok"},
      {"open view " + outside_ + "/open/file wt", root ? "EACCES" : "ok"},  // the user's own file, mode 0644
      {"open view " + outside_ + "/open/.env r", "EACCES"},
      {"open view " + outside_ + "/read/file r", "ok"},
      {"open view " + outside_ + "/read/file w", root ? "EACCES" : "EROFS"},
      {"open view " + outside_ + "/read/new wc", "EROFS"},
      {"unlink view " + outside_ + "/read/file", "EROFS"},
      {"open view " + outside_ + "/elsewhere r", "ENOENT"},
      {"mkdir view /new", "EROFS"},
      {"open view /etc/passwd r", "ENOENT"},
  };
  EXPECT_EQ(carry_out("identity\n" + lines(all, false)), "identity with a view\n" + lines(all, true) + "ended\n");
}

TEST_P(Launcher, another_ids_closed_file_stays_closed_to_an_identity) {
  if (GetParam() == Mode::rootless) return;  // the box is its user there
  world().write("closed", "x", 0600);
  ASSERT_EQ(::chown((world().workspace() + "/closed").c_str(), 12345, 12345), 0);
  const std::vector<Tried> all{{"open box " + world().workspace() + "/closed r", "EACCES"}};
  EXPECT_THAT(carry_out("identity\n" + lines(all, false)), HasSubstr(lines(all, true)));
}

TEST_P(Launcher, what_an_identity_makes_belongs_to_the_box) {
  const std::string out =
      carry_out("identity\nopen\tbox\t/tmp/mine\twc\nrun\t1\t-1\t/tmp\t/usr/bin/stat\t-c\t%u %a\tmine\n");
  EXPECT_THAT(out, HasSubstr("run 1: 1000 600\n"));
}

TEST_P(Launcher, every_step_of_an_identity_that_fails_is_named_and_registers_nothing) {
  for (const std::string step :
       {"view", "root", "place", "mask", "landlock", "become", "capabilities", "privileges", "personality", "report"}) {
    SCOPED_TRACE(step);
    EXPECT_THAT(carry_out("identity\nopen\tbox\t/etc/passwd\nrun\t1\t-1\t/\t/bin/echo\tup\n", {"/bin/sleep", "60"},
                          {{"ALOS_FAIL_STEP", "later." + step + ":" + std::to_string(EXDEV)}}),
                AllOf(StartsWith("identity failed: " + step + ": "), HasSubstr("EXDEV")));
  }
}

TEST_P(Launcher, a_run_is_a_box_of_its_own_with_the_agents_files) {
  const std::string out = carry_out("run\t1\t-1\t" + world().workspace() +
                                        "\t/bin/sh\t-c\techo $$ $GIVEN $(pwd); cat file; cat .env 2>&1; echo more > "
                                        "made; echo t > /tmp/t; cat /tmp/first\n"
                                        "run\t2\t-1\t/\t/bin/sh\t-c\tcat " +
                                        world().workspace() + "/made /tmp/t; ls /proc | grep -c '^[0-9]'; id -u\n",
                                    {"/bin/sh", "-c", "echo from the first > /tmp/first; sleep 60"});
  EXPECT_THAT(out, HasSubstr("run 1: 2 1 " + world().workspace() + "\nin the workspace\n"));
  EXPECT_THAT(out, HasSubstr("cat: .env: Permission denied\nfrom the first\n"));
  EXPECT_THAT(out, HasSubstr("run 2: more\nt\n"));
  EXPECT_FALSE(world().exists("made"));
}

TEST_P(Launcher, every_kind_of_workspace_and_a_home_that_lasts_are_shared_with_runs) {
  for (const char* mode : {"layer", "copy", "direct"}) {
    SCOPED_TRACE(mode);
    world_.emplace(GetParam());
    fill();
    for (const char* path : {"", "/file", "/.env"})  // root's own are written by nobody
      EXPECT_TRUE(GetParam() == Mode::rootless || ::chown((world().workspace() + path).c_str(), 12345, 12345) == 0);
    use_limits("processes: 200", mode, "home: {keep: " + std::string(mode) + "}\n");
    const std::string out = carry_out("run\t1\t-1\t" + world().workspace() +
                                          "\t/bin/sh\t-c\twhile ! [ -e last ]; do sleep 0.05; done; cat first ~/first; "
                                          "cat .env 2>&1; echo 2 > ~/second\n"
                                          "run\t2\t-1\t/\t/bin/sh\t-c\tcat ~/second\n",
                                      {"/bin/sh", "-c", "echo 1 > first; echo h > ~/first; touch last; sleep 60"});
    EXPECT_THAT(out, HasSubstr("run 1: 1\nh\ncat: .env: Permission denied\nrun 2: 2\n"));
  }
}

TEST_P(Launcher, a_run_that_begins_while_all_is_frozen_holds_up_no_order) {
  const std::string out = carry_out("freeze\nbegin\t1\t-1\t/\t/bin/echo\tup\nidentity\nthaw\nrest\t1\n");
  EXPECT_EQ(out, "identity with a view\nrun 1: up\nended\n");
}

TEST_P(Launcher, a_run_has_the_walls_of_the_first_box) {
  const std::string out = carry_out(
      "run\t1\t-1\t/\t/bin/sh\t-c\tgrep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\n' ' '; "
      "touch /x 2>&1; cat /proc/cmdline 2>&1; ls /proc/self/fd | tr '\\n' ' '; cat " +
      outside_ + "/elsewhere 2>&1\n");
  EXPECT_THAT(out, HasSubstr("CapEff:\t0000000000000000 CapBnd:\t0000000000000000 NoNewPrivs:\t1 Seccomp:\t2"));
  EXPECT_THAT(out, AllOf(HasSubstr("Read-only file system"), HasSubstr("/proc/cmdline: Permission denied"),
                         HasSubstr("elsewhere: No such file"), HasSubstr("0 1 2 3 ")));
}

TEST_P(Launcher, a_command_gets_its_own_and_nothing_that_the_agent_could_have_written) {
  const std::string workspace = world().workspace();
  world().write("tool", "#!/bin/sh\necho started\n", 0755);
  const std::string look =
      "cat " + outside_ + "/key; pwd; env | sort | tr '\\n' ' '; cat " + workspace + "/file " + workspace +
      "/.env 2>&1; " + workspace + "/tool 2>&1; for at in " + workspace +
      " /home/agent /dev/shm /tmp; do touch $at/x 2>/dev/null && echo wrote $at; done; ls /tmp; exec /tmp/x";
  const std::string out =
      carry_out("run\t1\t0\t" + workspace + "\tanything\t-c\t" + look + " 2>&1\n" + "run\t2\t-1\t/\t/bin/cat\t" +
                    outside_ + "/key\nrun\t3\t7\t/\tcat\nrun\t4\t0\t/\tanything\t-c\tid\n",
                {"/bin/sh", "-c", "touch /tmp/agents; sleep 60"}, {{"ALOS_COMMAND", look + " 2>&1"}});
  EXPECT_THAT(out, StartsWith("run 1: key\n/\nHOME=/tmp LANG=C.UTF-8 "));
  EXPECT_THAT(out, AllOf(HasSubstr("in the workspace\n"), Not(HasSubstr("GIVEN")), Not(HasSubstr("secret")),
                         Not(HasSubstr("started")), HasSubstr("wrote /tmp\nx\n"), Not(HasSubstr("agents"))));
  EXPECT_THAT(out, Not(testing::ContainsRegex("wrote /(home|dev)")));
  EXPECT_THAT(out, HasSubstr("run 4 failed: request: run key: Permission denied (EACCES)")) << "not what its line says";
  EXPECT_THAT(out, Not(HasSubstr("wrote " + workspace)));
  EXPECT_THAT(out, HasSubstr("run 2: /bin/cat: " + outside_ + "/key: No such file"));
  EXPECT_THAT(out, HasSubstr("run 3 failed: request: "));
}

// What the box has of its own is not what a command sees there, if that was given the host's.
TEST_P(Launcher, a_command_is_handed_nothing_that_its_own_places_hide) {
  world().write(outside_ + "/pub/plain", "for everybody\n");
  use_commands("  tree: {allow: rwx, path: $workspace/**}\n  pub: {allow: r, path: " + outside_ + "/pub/**}\n",
               "  key: {allow: \"/usr/bin/cat <file:path:r>\", files: {r: [" + outside_ +
                   "/key]}}\n"
                   "  settings: {allow: \"/usr/bin/head <file:path:r>\", files: {r: [/etc/**]}}\n"
                   "  wide: {allow: \"/usr/bin/tail <file:path:r>\", files: {r: [" +
                   world().root() + "/**]}}\n");
  const std::string out = carry_out(
      "run\t2\t2\t/\thead\t/etc/passwd\n"
      "run\t3\t3\t/\ttail\t" +
      world().workspace() +
      "/file\n"
      "run\t4\t3\t/\ttail\t" +
      outside_ +
      "/pub/plain\n"
      "run\t5\t1\t/\tcat\t" +
      world().workspace() +
      "/file\n"
      "run\t6\t1\t/\tcat\t/etc/hostname\n");
  EXPECT_THAT(
      out, ContainsRegex("run 2 refused: request: the run has the host's there.*\\(rule 'settings', /etc/passwd\\)"));
  EXPECT_THAT(out, ContainsRegex("run 3 refused: request: .*\\(rule 'wide', .*/file\\)"));
  EXPECT_THAT(out, AllOf(HasSubstr("run 4: for everybody\n"), HasSubstr("run 5: in the workspace\n"),
                         HasSubstr("run 6: box\n")));
}

// Of a tree that the command writes, and the agent does not, the links are the host's.
TEST_P(Launcher, a_directory_that_the_command_alone_writes_is_not_handed_to_it) {
  const std::string out = outside_ + "/out";
  world().write(outside_ + "/secret/token", "the secret\n");
  world().write(out + "/dir/plain", "no secret\n");
  fs::create_symlink("../../secret/token", out + "/dir/link");
  use_commands("  tree: {allow: rwx, path: $workspace/**}\n  out: {allow: r, path: " + out + "/**}\n",
               "  search: {allow: \"/usr/bin/grep [-R] <p:word> <dir:path:r>\", files: {r: [" + outside_ +
                   "/secret/**], w: [" + out + "/dir/**]}}\n");
  const std::string said = carry_out("run\t1\t1\t/\tgrep\t-R\tsecret\t" + out +
                                     "/dir\n"
                                     "run\t2\t1\t/\tgrep\t-R\tin\t" +
                                     world().workspace() + "\n");
  EXPECT_THAT(said, AllOf(HasSubstr("run 1 refused: sources: it is a directory of the host"),
                          HasSubstr("(rule 'search', "), Not(HasSubstr("the secret"))));
  EXPECT_THAT(said, HasSubstr("/file:in the workspace\n")) << "what the agent writes is handed over";
}

// Links and ".." on the way are the kernel's to follow, once it is in the box.
TEST_P(Launcher, a_command_starts_where_no_agent_writes) {
  const std::string workspace = world().workspace();
  world().write("src/deep/file", "x");
  fs::create_symlink("src/deep", workspace + "/docs");
  use_commands("  tree: {allow: r, path: $workspace/**}\n  sources: {allow: rwx, path: $workspace/src/**}\n",
               "  where: {allow: \"/usr/bin/pwd -P\", files: {r: [" + outside_ + "/key]}}\n");
  std::string script, expected;
  int number = 0;
  for (const std::string& at :
       {workspace, workspace + "/docs", workspace + "/src/deep", "/usr/.." + workspace + "/src",
        "/proc/self/cwd" + workspace + "/src", std::string("/usr"), std::string("src"), std::string("/not/there")}) {
    script += "run\t" + std::to_string(++number) + "\t1\t" + at + "\tpwd\t-P\n";
    expected += "run " + std::to_string(number) + ": /\n";
  }
  EXPECT_EQ(carry_out(script), expected + "ended\n");
}

TEST_P(Launcher, both_kinds_of_boxes_are_served_at_sockets_of_their_own) {
  const std::string speak =
      "/usr/bin/python3\t-c\timport socket, os; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
      "s.connect(os.environ['ALOS_SOCKET']); s.send(b'WORD'); s.recv(1)\n";
  std::string second = speak, first =
                                  "import socket, os; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
                                  "s.connect(os.environ['ALOS_SOCKET']); s.send(b'first'); s.recv(1)";
  second.replace(second.find("WORD"), 4, "second");
  EXPECT_EQ(carry_out("start\t1\t-1\t/\t" + second + "connect\t1\nconnect\t0\n", {"/usr/bin/python3", "-c", first}),
            "connect 1: second\nconnect 0: first\nended\n");
}

TEST_P(Launcher, a_run_that_fails_ends_nothing_else) {
  for (const char* step :
       {"request", "sources", "masks", "clone", "identity-map", "become", "listener", "pivot", "seccomp", "report"}) {
    SCOPED_TRACE(step);
    const std::string out = carry_out("run\t1\t-1\t/\t/bin/true\nrun\t2\t-1\t/\t/bin/true\n", {"/bin/sleep", "60"},
                                      {{"ALOS_FAIL_STEP", std::string("later.") + step + ":" + std::to_string(EXDEV)}});
    EXPECT_THAT(
        out, AllOf(HasSubstr(std::string("run 1 failed: ") + step), HasSubstr(std::string("run 2 failed: ") + step)));
  }
}

TEST_P(Launcher, all_boxes_of_a_run_have_one_limit_of_processes) {
  use_limits("processes: 30");
  world().write(
      "spawn.py",
      "import os, sys, time\nn = 0\ntry:\n  while n < int(sys.argv[1]):\n    if os.fork() == 0: time.sleep(60)\n"
      "    n += 1\nexcept OSError: pass\nprint(n, flush=True)\nos._exit(0)\n");
  const std::string out = carry_out("run\t1\t-1\t" + world().workspace() +
                                        "\t/bin/sh\t-c\twhile ! [ -s /tmp/made ]; do :; done; cat /tmp/made; exec "
                                        "python3 spawn.py 60\n",
                                    {"/bin/sh", "-c", "python3 spawn.py 15 > /tmp/made; sleep 60"});
  int in_first = 0, in_second = -1;
  ASSERT_EQ(std::sscanf(out.c_str(), "run 1: %d\n%d", &in_first, &in_second), 2) << out;
  EXPECT_EQ(in_first, 15);
  EXPECT_LT(in_second, 15);
  EXPECT_GT(in_second, 0);
}

TEST_P(Launcher, runs_end_when_told_and_with_the_run) {
  EXPECT_EQ(carry_out("start\t1\t-1\t/\t/bin/sleep\t60\nstart\t2\t-1\t/\t/bin/sleep\t60\nend\t1\nawait\t1\n"
                      "run\t1\t-1\t/\t/bin/echo\tagain\n"),
            "await 1: ended\nrun 1: again\nended\n");
  EXPECT_EQ(carry_out("start\t1\t-1\t/\t/bin/sleep\t60\nwait\n", {"/bin/sleep", "10"}), "ended\n")
      << "time enough to start one, whatever else the machine does";
}

TEST_P(Launcher, only_so_many_runs_are_there_at_a_time) {
  std::string script;
  for (int i = 1; i <= 33; ++i) script += "start\t" + std::to_string(i) + "\t-1\t/\t/bin/sleep\t60\n";
  const std::string out = carry_out(script + "end\t5\nawait\t5\nrun\t40\t-1\t/\t/bin/echo\troom\n");
  EXPECT_THAT(out, AllOf(HasSubstr("start 33 failed: request: "), HasSubstr("EBUSY"), HasSubstr("run 40: room\n"),
                         Not(HasSubstr("start 32 failed"))));
}

INSTANTIATE_TEST_SUITE_P(ForTheBroker, Launcher, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
