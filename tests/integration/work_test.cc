// Real work succeeds in a box of the policy `coding`, judged by its results. What the boxes run is in work/.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string script(const std::string& name) {
  std::ifstream in(std::string(ALOS_WORK_DIRECTORY) + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Work : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (const std::string why = World::unavailable(GetParam()); !why.empty()) ALOS_SKIP(why);
    world_.emplace(GetParam());
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }

  void host(const std::string& line) {
    const Outcome done = world_->call({"/bin/bash", "-ec", line});
    ASSERT_EQ(done.code, 0) << done.err;
  }
  Outcome bash(const std::string& text) { return finished(world_->shell("coding", text, slow())); }
  Outcome python(const std::string& name) {
    return finished(world_->run("coding", {"/usr/bin/python3", "-c", script(name)}, slow()));
  }
  static Options slow() {
    Options options;
    options.timeout = std::chrono::seconds(240);
    return options;
  }
  static Outcome finished(Outcome run) {
    EXPECT_EQ(run.code, 0) << run.out << run.err;
    return run;
  }
  World& world() { return *world_; }
  std::optional<World> world_;
};

TEST_P(Work, git_clones_commits_moves_rebases_and_keeps_worktrees) {
  host(
      "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=init.defaultBranch GIT_CONFIG_VALUE_0=main; git init -q;"
      "mkdir -p src/old/deep; echo a > src/old/deep/a.c; echo b > src/old/deep/b.c; git add .;"
      "git -c user.name=host -c user.email=host@example.com commit -qm first");
  const Outcome run = bash(script("git.sh"));
  EXPECT_EQ(run.out,
            "2\n"          // commits in the clone
            "a\nchange\n"  // the file under its directory's new name
            "and back\nmoved\nsecond\nfirst\n"
            "topic\nand back\n"  // rebased onto main
            "0\n")               // no stash; fsck and status have nothing to say
      << run.err;
  EXPECT_EQ(world().read("src/old/deep/a.c"), "a\n") << "the host's is as it was";
}

// The same lines in both modes, and those of a file system without layers.
TEST_P(Work, directories_are_renamed_as_anywhere) {
  const std::string tree =
      "mkdir -p lower/s deep/1/2/3 full other empty; echo l > lower/s/l; chmod 2750 lower; touch -d 2001-01-01 lower;"
      "echo d > deep/1/2/3/d; echo f > full/f; echo o > other/o; echo file > file;";
  host(tree);
  const Outcome run = python("moves.py");
  host("mkdir ../plain; cd ../plain;" + tree);
  const Outcome plain =
      world().call({"/usr/bin/python3", "-c", script("moves.py")}, {.cwd = world().root() + "/plain"});
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(run.out, plain.out);
  for (const char* line : {"deep ok\n", "over full ENOTEMPTY\n", "into itself EINVAL\n", "noreplace, taken EEXIST\n",
                           "exchange, both new ok\n"})
    EXPECT_THAT(run.out, HasSubstr(line));
}

TEST_P(Work, of_two_that_rename_a_directory_at_once_one_wins) {
  host(
      "for i in $(seq 50); do mkdir -p tree$((i-1))/sub; for n in 0 1 2; do echo $n > tree$((i-1))/sub/f$n; done; "
      "done");
  EXPECT_EQ(python("rename_race.py").out, "50 50 50 0\n[]\n");
}

TEST_P(Work, no_signal_ends_the_renaming_of_a_directory) {
  host("for i in $(seq 0 79); do mkdir tree$i; for n in 0 1 2 3; do echo $n > tree$i/$n; done; done");
  EXPECT_EQ(python("rename_signals.py").out, "interrupted\n");
}

TEST_P(Work, a_directory_that_holds_a_masked_file_stays_whole_where_it_is) {
  host("mkdir -p d/sub/deeper; for f in a sub/b sub/deeper/c sub/deeper/.env z; do echo $f > d/$f; done");
  const Outcome run = bash("mv d e; cat e/sub/deeper/.env d/sub/deeper/.env; find . -type f | sort; true");
  EXPECT_EQ(run.out, "./d/a\n./d/sub/b\n./d/sub/deeper/.env\n./d/sub/deeper/c\n./d/z\n");
  EXPECT_THAT(run.err, HasSubstr("Device or resource busy"));
}

TEST_P(Work, a_cmake_project_is_built_and_tested) {
  world().write("CMakeLists.txt",
                "cmake_minimum_required(VERSION 3.20)\nproject(p CXX)\nenable_testing()\n"
                "add_library(add add.cc)\nadd_executable(t t.cc)\ntarget_link_libraries(t add)\n"
                "add_test(NAME adds COMMAND t 2)\nadd_test(NAME wrong COMMAND t 3)\n"
                "set_tests_properties(wrong PROPERTIES WILL_FAIL ON)\n");
  world().write("add.cc", "int add(int a, int b) { return a + b; }\n");
  world().write("t.cc",
                "#include <cstdlib>\n#include <iostream>\nint add(int, int);\n"
                "int main(int, char** v) { std::cout << add(1, 1); return add(1, 1) != std::atoi(v[1]); }\n");
  const Outcome run = bash("cmake -B build >/dev/null && cmake --build build -j2 >/dev/null && ctest --test-dir build");
  EXPECT_THAT(run.out, HasSubstr("100% tests passed, 0 tests failed out of 2"));
  EXPECT_EQ(bash("build/t 2").out, "2") << "what one run built the next one runs";
  EXPECT_FALSE(world().exists("build"));
}

TEST_P(Work, pythons_multiprocessing_has_what_it_needs) {
  world().write("multiprocess_test.py", script("multiprocess_test.py"));
  const Outcome run = bash("python3 multiprocess_test.py");
  EXPECT_THAT(run.err, HasSubstr("Ran 4 tests"));
  EXPECT_THAT(run.err, HasSubstr("\nOK\n"));
}

TEST_P(Work, npm_tests_with_worker_threads) {
  if (world().call({"/bin/sh", "-c", "command -v npm node"}).code != 0) ALOS_SKIP("no npm");
  world().write("package.json", R"({"name": "x", "version": "1.0.0", "scripts": {"test": "node --test"}})");
  world().write("test/workers.test.mjs", script("workers.test.mjs"));
  const Outcome run = bash("npm test --offline");
  EXPECT_THAT(run.out, HasSubstr("pass 1\n"));
  EXPECT_THAT(run.out, HasSubstr("fail 0\n"));
}

TEST_P(Work, sqlite_writes_ahead_from_two_processes) {
  EXPECT_EQ(python("sqlite_wal.py").out, "wal\nTrue [(0, 100, 4950), (1, 100, 4950)]\nok\n");
}

TEST_P(Work, make_runs_four_at_a_time) {
  world().write("Makefile",
                "objects := $(foreach n,$(shell seq 40),out/$(n).o)\n"
                "all: $(objects)\n\tcat $(objects) | sort -n | sha256sum\n"
                "out/%.o: in | out\n\t@cat in > $@; echo $* >> $@\nout:\n\t@mkdir out\n");
  world().write("in", "");
  EXPECT_THAT(bash("make -s -j4").out,
              StartsWith(world().call({"/bin/sh", "-c", "seq 40 | sha256sum"}).out.substr(0, 64)));
}

TEST_P(Work, pipelines_redirections_and_job_control_of_scripts) {
  EXPECT_EQ(bash("seq 100000 | grep 7 | tee >(wc -l > count) | sort -rn | awk 'NR==1'; sleep 0.2; cat count;"
                 "cat <(echo a) <(echo b) - <<< c; set -o pipefail; false | true; echo $?;"
                 "sleep 30 & kill $!; wait $! ; echo $?; yes | head -1; (trap 'echo bye' EXIT; exit 0)")
                .out,
            "99997\n40951\na\nb\nc\n1\n143\ny\nbye\n");
}

TEST_P(Work, processes_share_memory_and_semaphores) {
  world().write("ipc.c", script("posix_ipc.c"));
  EXPECT_EQ(bash("gcc -Wall -Werror -o ipc ipc.c -pthread && ./ipc && ls -A /dev/shm").out, "0 40000 40000\n");
}

TEST_P(Work, a_person_works_in_an_interactive_shell) {
  std::vector<std::string> argv{"/usr/bin/python3", "-c", script("terminal.py")};
  const auto run = world().run_arguments("coding", {});
  argv.insert(argv.end(), run.begin(), run.end());
  argv.insert(argv.end(), {"--", "/bin/bash", "--norc", "-i"});
  const Outcome done = world().call(argv, slow());
  EXPECT_EQ(done.out, "code 7\n") << done.err;
}

TEST_P(Work, tmux_keeps_a_session) {
  if (world().call({"/bin/sh", "-c", "command -v tmux"}).code != 0) ALOS_SKIP("no tmux");
  const Outcome run = bash(
      "tmux -f /dev/null new-session -d -x 80 -y 24 'echo in-$((40+2)); stty size; exec cat' &&"
      "for i in $(seq 100); do tmux capture-pane -p | grep -q '[0-9] 80' && break; sleep 0.1; done;"
      "tmux send-keys typed Enter; sleep 0.5; tmux capture-pane -p; tmux kill-server");
  EXPECT_THAT(run.out, HasSubstr("in-42\n"));
  EXPECT_THAT(run.out, HasSubstr(" 80\n"));
  EXPECT_THAT(run.out, HasSubstr("typed\ntyped\n"));
}

TEST_P(Work, a_server_and_its_clients_meet_on_loopback_and_nobody_else) {
  EXPECT_EQ(python("loopback.py").out, "50\nunix\nNetwork is unreachable\n");
}

TEST_P(Work, files_are_linked_changed_and_marked) {
  host("mkdir sub; echo old > old; chmod 444 old; echo kept > kept; echo x > sub/x");
  const Outcome run = bash(script("files.sh"));
  EXPECT_EQ(run.out,
            "kept\nmore\n2\nkept\nmore\n../kept\n../kept\n600\n750\na "
            "value\n0\n981173106\nreplaced\nkep\nthrough\n73cb3858\n");
  EXPECT_EQ(world().read("old") + world().read("kept"), "old\nkept\n");
}

TEST_P(Work, a_large_file_is_edited_in_place) {
  const std::string make = "with open('big', 'wb') as f: f.write(bytes(range(256)) * (1 << 18))";
  ASSERT_EQ(world().call({"/usr/bin/python3", "-c", make}).code, 0);
  std::string expected(64 << 20, '\0');
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<char>(i);
  expected.replace(0, 5, "first").replace(32 << 20, 6, "middle").append("end");
  world().write(world().root() + "/expected", expected);
  const std::string sum = world().call({"/usr/bin/sha256sum", world().root() + "/expected"}).out.substr(0, 64);
  EXPECT_EQ(python("large.py").out, "67108867 " + sum + "\n");
  EXPECT_EQ(world().call({"/bin/sh", "-c", "head -c5 big | od -An -tu1; stat -c %s big"}).out,
            "   0   1   2   3   4\n67108864\n");
}

TEST_P(Work, thousands_of_small_files_come_and_go) {
  EXPECT_EQ(python("many.py").out, "12497500\n2500 25\n");
}

INSTANTIATE_TEST_SUITE_P(Modes, Work, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
