// What a hostile reading found around a run: prompts, locks, workspaces, streams, codes, crashes, full disks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/accounts.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class HostReview : public InBothModes {
 protected:
  std::string policy(const std::string& limits = "wall: 60s", const std::string& more = "") {
    return world_->policy("plain",
                          "alos: 1\nabout: plain\nextends: [base]\nvars: {workspace: dir}\n"
                          "files:\n  all: {allow: rwx, path: $workspace/**}\n"
                          "workspace: layer\nlimits: {" +
                              limits + "}\n" + more);
  }
  std::string reader() {
    return world_->policy("reader",
                          "alos: 1\nabout: reader\nextends: [base]\nvars: {workspace: dir}\n"
                          "files:\n  all: {allow: r, path: $workspace/**}\nworkspace: layer\n");
  }
  Outcome alos(std::vector<std::string> words) {
    words.insert(words.begin(), "alos");
    return world().call(std::move(words));
  }
  static json parsed(const Outcome& outcome) { return json::parse(outcome.out, nullptr, false); }
};

TEST_P(HostReview, the_doctor_says_what_a_launch_refuses) {
  for (const char* limits : {"memory: 64MiB", "cpus: 1", "cpu-time: 60s", "processes: 64", "memory: 64MiB, cpus: 1"}) {
    const std::string file = policy(limits);
    const json report = parsed(alos({"doctor", "--json", "--policy", file}));
    ASSERT_TRUE(report.contains("degrade")) << report;
    const Outcome run = alos({"run", "--policy", file, "--", "/bin/true"});
    EXPECT_EQ(run.code, report["degrade"].empty() ? 0 : 125) << limits << run.err;
    std::vector<std::string> without{"run", "--policy", file};
    for (const std::string limit : report["degrade"]) {
      EXPECT_THAT(run.err, HasSubstr(limit));
      without.insert(without.end(), {"--degrade", limit});
    }
    without.insert(without.end(), {"--", "/bin/true"});
    EXPECT_EQ(alos(without).code, 0) << limits;
  }
}

// ---- the question after a run ----

class Asked : public HostReview {
 protected:
  Outcome ask(const std::string& mode) {
    std::vector<std::string> argv{"/usr/bin/python3", ALOS_ASK, mode};
    const auto run = world().run_arguments(policy(), {"--apply", "ask"});
    argv.insert(argv.end(), run.begin(), run.end());
    // The other screen, mouse, pastes, an open title, a request for a report; then the marker that the test waits for.
    argv.insert(argv.end(),
                {"--", "/bin/bash", "-c",
                 "echo made > file; printf '\\033[?1047h\\033[?1003h\\033[?2004h\\033[6nleft-behind\\033]0;x'; sleep " +
                     std::string(mode == "kill" ? "30" : "1")});
    return world().call(argv);
  }
};

TEST_P(Asked, a_person_answers_on_a_terminal_as_it_was) {
  const Outcome done = ask("person");
  EXPECT_EQ(done.out, "code 0\n") << done.err;
  EXPECT_EQ(world().read("file"), "made\n");
}

TEST_P(Asked, what_an_agent_had_the_terminal_send_is_no_answer) {
  const Outcome done = ask("plant");
  EXPECT_EQ(done.out, "code 0\n") << done.err;
  EXPECT_FALSE(world().exists("file"));
}

TEST_P(Asked, a_supervisor_that_dies_leaves_no_raw_terminal_and_nothing_is_applied) {
  const Outcome done = ask("kill");
  EXPECT_EQ(done.out, "code 137\n") << done.err;
  EXPECT_FALSE(world().exists("file"));
}

TEST_P(HostReview, what_was_typed_before_a_question_does_not_answer_it) {
  ASSERT_EQ(world().shell(policy(), "echo made > file").code, 0);
  const auto undo = [&](const char* early, const char* late) {
    return world().call({"/usr/bin/python3", ALOS_ANSWER, early, R"(\[y/N\])", late, "", "alos", "undo"});
  };
  Outcome asked = undo("y\r", "n");
  EXPECT_EQ(asked.out, "code 1\n") << asked.err;
  EXPECT_EQ(alos({"diff", "--stat"}).code, 1) << "it is still pending";
  asked = undo("", "y");
  EXPECT_EQ(asked.out, "code 0\n") << asked.err;
  EXPECT_EQ(alos({"diff", "--stat"}).code, 0);
  EXPECT_EQ(alos({"gc"}).code, 0);
}

TEST_P(HostReview, a_question_without_a_person_is_answered_by_nobody) {
  ASSERT_EQ(world().shell(policy(), "echo made > file").code, 0);
  const Outcome undo = world().call({"alos", "undo"}, {.input = "y\n"});
  EXPECT_EQ(undo.code, 2);
  EXPECT_THAT(undo.err, HasSubstr("drop this change needs a person or --yes"));
  EXPECT_EQ(alos({"diff", "--stat"}).code, 1);
}

TEST_P(HostReview, a_program_that_ends_with_125_has_run) {
  const Outcome run = world().shell(policy(), "echo made > file; exit 125", {}, {"--apply", "safe"});
  EXPECT_EQ(run.code, 125);
  EXPECT_EQ(world().read("file"), "made\n");
}

TEST_P(HostReview, after_a_run_that_never_was_nothing_is_applied) {
  ASSERT_EQ(world().shell(policy(), "echo earlier > file").code, 0);
  EXPECT_EQ(world().run(policy(), {"/no/such/program"}, {}, {"--apply", "safe"}).code, 127);
  EXPECT_EQ(world().shell("/no/such/policy.yaml", "true", {}, {"--apply", "safe"}).code, 125);
  EXPECT_FALSE(world().exists("file"));
}

// ---- who only looks is in nobody's way ----

TEST_P(HostReview, runs_start_beside_others_who_look_at_runs_and_layers) {
  const std::string file = policy();
  ASSERT_EQ(world().shell(file, "echo 0 > file").code, 0);
  std::atomic<bool> over = false;
  std::atomic<int> looks = 0;
  const auto look = [&](std::vector<std::string> words) {
    return std::thread([&, words] {
      for (; !over; ++looks) world().call(words, {.cwd = world().workspace()});
    });
  };
  std::thread ps = look({"alos", "ps"}), diff = look({"alos", "diff", "--stat"});
  for (int i = 0; i < 25; ++i) {
    const Outcome run = world().shell(file, "echo " + std::to_string(i) + " > file");
    EXPECT_EQ(run.code, 0) << i << ": " << run.err;
  }
  over = true;
  ps.join(), diff.join();
  EXPECT_GT(looks, 10);
  EXPECT_EQ(world().leftovers(), "");
}

// ---- workspaces ----

TEST_P(HostReview, a_workspace_that_holds_a_home_or_what_alos_keeps_is_refused) {
  const std::string file = policy();
  const auto in = [&](const std::string& directory) {
    return world().shell(file, "true", {}, {"--workspace", directory});
  };
  const std::string home = world().root() + "/home", above = "/var/tmp";
  for (const std::string& whole :
       {home, world().root(), above, std::string("/"), home + "/../home", std::string("/var")}) {
    const Outcome run = in(whole);
    EXPECT_EQ(run.code, 125) << whole;
    EXPECT_THAT(run.err, testing::AnyOf(HasSubstr("your home"), HasSubstr("whole machine"), HasSubstr("alos's own"),
                                        HasSubstr("no writing in /var")))
        << whole;
    EXPECT_FALSE(run.end().contains("reason")) << "nothing was started";
  }
  world().write(home + "/project/readme", "x");
  EXPECT_EQ(in(home + "/project").code, 0) << "a directory in a home is what people work in";
}

TEST_P(HostReview, a_workspace_that_holds_somebody_elses_home_is_refused) {
  const auto all = accounts();
  ASSERT_TRUE(all) << all.error().text();
  int homes = 0;
  for (const Account& account : *all) {
    if ((account.uid != 0 && account.uid < 1000) || !std::filesystem::is_directory(account.home)) continue;
    ++homes;
    const Outcome run = world().shell(reader(), "true", {}, {"--workspace", account.home});
    EXPECT_EQ(run.code, 125) << account.home;
    EXPECT_FALSE(run.end().contains("reason")) << "nothing was started";
    if (GetParam() == Mode::root) {
      EXPECT_THAT(run.err, HasSubstr("the home of '" + account.name + "'"));
    }
  }
  EXPECT_GT(homes, 0) << "root's at least";
}

TEST_P(HostReview, what_is_only_read_holds_nothing_of_aloss_own_either) {
  const Outcome run = world().shell(reader(), "true", {}, {"--workspace", world().root() + "/alos"});
  EXPECT_EQ(run.code, 125);
  EXPECT_THAT(run.err, HasSubstr("alos's own"));
}

// ---- the stream of events ----

TEST_P(HostReview, a_program_that_stops_and_goes_on_without_end_does_not_grow_the_events) {
  const Outcome run = world().run(policy(), {"/usr/bin/python3", "-c", R"(
import os, signal, time
me = os.getpid()
if os.fork() == 0:
    for _ in range(300):
        os.kill(me, signal.SIGSTOP)
        time.sleep(0.002)
        os.kill(me, signal.SIGCONT)
        time.sleep(0.002)
    os._exit(0)
os.wait()
)"});
  ASSERT_EQ(run.code, 0) << run.err;
  const uint64_t stops = run.end()["counts"]["stopped"];
  EXPECT_GT(stops, 50u);
  size_t lines = 0;
  for (const json& event : run.events) {
    if (event["event"] != "stopped" && event["event"] != "continued") continue;
    ++lines;
    EXPECT_TRUE(event.contains("count")) << event;
  }
  EXPECT_LT(lines, 2u * (16 + 16)) << stops << " stops";
  EXPECT_GT(lines, 4u);
}

// ---- crashes ----

pid_t supervisor_of(const World::Running& run) {
  return run.pid;  // the front becomes it
}

TEST_P(HostReview, a_crash_is_told_once_recorded_and_leaves_its_changes) {
  const std::string file = policy();
  auto argv = world().run_arguments(file, {"--name", "victim"});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", "echo kept > file; echo up; sleep 60"});
  const auto run = world().start(argv);
  ASSERT_TRUE(wait_for(run, "up\n"));
  EXPECT_THAT(parsed(alos({"ps", "--json"}))[0]["state"], "running");
  ASSERT_EQ(::kill(supervisor_of(run), SIGKILL), 0);
  ASSERT_EQ(::waitpid(run.pid, nullptr, 0), run.pid);
  EXPECT_FALSE(wait_for(run, "never said")) << "the box ends with it";

  const Outcome told = GetParam() == Mode::root ? alos({"ps"}) : world().shell(file, "cat file");
  const std::string text = told.out + told.err;
  EXPECT_THAT(text,
              AllOf(HasSubstr("(victim)"), HasSubstr("ended by a crash of its supervisor"), HasSubstr("last seen 20"),
                    HasSubstr("what it changed is kept: 'alos diff --workspace " + world().workspace())));
  const Outcome again = alos({"ps"});
  EXPECT_THAT(again.out + again.err, Not(HasSubstr("victim")));
  EXPECT_EQ(world().shell(file, "cat file").out, "kept\n");

  const Outcome audit = alos({"audit", "show", "--json"});
  int starts = 0, crashes = 0;
  std::istringstream lines(audit.out);
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line, nullptr, false);
    if (!record.is_object()) continue;
    if (record.value("action", "") == "run.crashed") {
      ++crashes;
      EXPECT_EQ(record.value("outcome", ""), "crash");
      EXPECT_EQ(record.value("target", ""), "victim");
      EXPECT_THAT(record.value("parent", ""), Not(testing::IsEmpty()));
    }
    starts += record.value("action", "") == "run.start";
  }
  EXPECT_EQ(crashes, 1) << audit.out;
  EXPECT_GE(starts, 2);
  EXPECT_EQ(alos({"audit", "verify"}).code, 0);
  EXPECT_EQ(world().leftovers(), "");
}

TEST_P(HostReview, a_run_that_ends_in_order_is_no_crash) {
  ASSERT_EQ(world().shell(policy(), "exit 3").code, 3);
  EXPECT_THAT(parsed(alos({"ps", "--json"})), json::array());
  EXPECT_TRUE(std::filesystem::is_empty(world().state() + "/open"));
}

// What a power cut leaves: the mark of a run that no process holds, older than the machine's start.
TEST_P(HostReview, after_a_restart_of_the_machine_the_run_that_was_there_is_told) {
  ASSERT_EQ(world().shell(policy(), "true").code, 0);
  const json run = info_of("run_0123456789abcdef");
  const std::string mark = world().state() + "/open/run_0123456789abcdef";
  world().write(mark, "running 1-1\n" + run.dump());
  world().write(world().state() + "/open/run_torn", "running 1-1\n{\"v\"");
  const timespec old[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, mark.c_str(), old, 0), 0);
  const json told = parsed(alos({"ps", "--json"}));
  ASSERT_EQ(told.size(), 1u) << told;
  EXPECT_EQ(told[0]["how"], "restart");
  EXPECT_EQ(told[0]["state"], "crashed");
  EXPECT_EQ(told[0]["last_seen"], "1970-01-01T00:16:40.000000Z");
  EXPECT_THAT(parsed(alos({"ps", "--json"})), json::array());
}

// ---- a full disk under the audit log ----

class FullDisk : public HostReview {
 protected:
  void SetUp() override {
    HostReview::SetUp();
    if (!world_) return;
    if (::geteuid() != 0) ALOS_SKIP("needs root to mount a small disk");
    ASSERT_EQ(world().shell(policy(), "true").code, 0) << "the log is there";
    // In a mount namespace of this test's own: it is gone with the test.
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    audit_ = world().state() + "/audit";
    const std::string kept = world().root() + "/kept";
    std::filesystem::copy(audit_, kept, std::filesystem::copy_options::recursive);
    struct stat st{};
    ASSERT_EQ(::stat(audit_.c_str(), &st), 0);
    ASSERT_EQ(::mount("tmpfs", audit_.c_str(), "tmpfs", 0, "size=256k,mode=700"), 0);
    mounted_ = true;
    for (const auto& entry : std::filesystem::directory_iterator(kept)) {
      std::filesystem::copy(entry.path(), audit_ / entry.path().filename());
      ASSERT_EQ(::chown((audit_ / entry.path().filename()).c_str(), st.st_uid, st.st_gid), 0);
    }
    ASSERT_EQ(::chown(audit_.c_str(), st.st_uid, st.st_gid), 0);
  }
  void TearDown() override {
    if (!mounted_) return;
    EXPECT_EQ(::umount2(audit_.c_str(), MNT_DETACH), 0);
  }
  void fill() {
    std::ofstream out(audit_ / "fill", std::ios::binary);
    const std::string page(4096, 'x');
    while (out.write(page.data(), 4096).flush()) continue;
  }
  // The log's last page has room left: used up by runs, until one is refused.
  Outcome refused_run() {
    Outcome run;
    for (int i = 0; i < 20 && run.code != 125; ++i) run = world().shell(policy(), "echo ran");
    return run;
  }
  void free() { std::filesystem::remove(audit_ / "fill"); }

  std::filesystem::path audit_;
  bool mounted_ = false;
};

TEST_P(FullDisk, no_run_begins_and_it_says_why) {
  fill();
  const Outcome run = refused_run();
  ASSERT_EQ(run.code, 125) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("not started"), HasSubstr("audit log"), HasSubstr("free space")));
  EXPECT_THAT(run.out, Not(HasSubstr("ran")));
  EXPECT_EQ(run.end()["executed"], false);
  EXPECT_TRUE(std::filesystem::is_empty(world().runtime() + "/runs"));
  free();
  EXPECT_EQ(world().shell(policy(), "true").code, 0);
  EXPECT_EQ(alos({"audit", "verify"}).code, 0);
}

TEST_P(FullDisk, a_run_that_goes_on_keeps_its_code_and_its_end_is_recorded_later) {
  const std::string file = policy();
  world().write(world().root() + "/other/file", "");
  auto argv = world().run_arguments(file, {"--name", "late", "--events", world().root() + "/late-events"});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", "echo up; sleep 4; exit 7"});
  const auto run = world().start(argv);
  ASSERT_TRUE(wait_for(run, "up\n"));
  fill();
  // Its layer is taken by the run that goes on.
  for (Outcome other; other.code != 125;)
    other = world().run(policy("wall: 60s"), {"/bin/true"}, {}, {"--workspace", world().root() + "/other"});
  EXPECT_TRUE(wait_for(run, "could not be recorded"));
  int status = 0;
  ASSERT_EQ(::waitpid(run.pid, &status, 0), run.pid);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_THAT(world().read(world().root() + "/late-events"), HasSubstr("\"unrecorded\""));
  const Outcome blocked = alos({"ps"});
  EXPECT_THAT(blocked.err, HasSubstr("cannot be recorded")) << "still full: it is told when it can be recorded";
  free();
  const json told = parsed(alos({"ps", "--json"}));
  const auto late = std::ranges::find_if(told, [](const json& each) { return each["name"] == "late"; });
  ASSERT_NE(late, told.end()) << told;
  EXPECT_EQ((*late)["how"], "unrecorded");
  EXPECT_EQ((*late)["state"], "ended");
  EXPECT_EQ(alos({"audit", "verify"}).code, 0);
}

// What could not be recorded was not given, and no later record says that it was.
TEST_P(FullDisk, a_use_that_could_not_be_recorded_is_in_no_record_later) {
  const std::string books = world().root() + "/books";
  world().write(books + "/ledger", "secret");
  const std::string file =
      world().policy("uses",
                     "alos: 1\nabout: uses\nextends: [base]\nvars: {workspace: dir}\nworkspace: layer\n"
                     "files:\n  tree: {allow: rwx, path: $workspace/**}\n"
                     "  books: {allow: r, path: " +
                         books + "/**, audit: each}\n");
  auto argv = world().run_arguments(file, {});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", R"(
ok=0 bad=0 written=0
read_one() { alos-call fs.read $0/ledger > /dev/null 2>&1; }
echo up
while [ $bad -lt 5 ]; do if read_one; then ok=$((ok + 1)); else bad=$((bad + 1)); fi; done
for i in 1 2 3; do alos-call fs.write $PWD/new$i --content y > /dev/null 2>&1 && written=$((written + 1)); done
echo failed
until read_one; do sleep 0.05; done
echo "given $((ok + 1)) written $written"
)",
                           books});
  const auto run = world().start(argv);
  ASSERT_TRUE(wait_for(run, "up\n"));
  fill();
  ASSERT_TRUE(wait_for(run, "failed\n"));
  free();
  std::string said;
  for (char buffer[256]; const ssize_t n = ::read(run.output.get(), buffer, sizeof buffer);) {
    if (n < 0) break;
    said.append(buffer, static_cast<size_t>(n));
  }
  ::waitpid(run.pid, nullptr, 0);
  int given = 0, written = 0, begun = 0;
  std::istringstream log(alos({"audit", "show", "--json"}).out);
  for (std::string line; std::getline(log, line);) {
    const json record = json::parse(line, nullptr, false);
    if (!record.is_object()) continue;
    const std::string action = record.value("action", ""), outcome = record.value("outcome", "");
    given += action == "fs.read" && outcome == "ok";
    written += action == "fs.write" && outcome == "ok";
    begun += action == "fs.write" && outcome.empty();
  }
  EXPECT_THAT(said, HasSubstr("given " + std::to_string(given) + " written " + std::to_string(written)));
  EXPECT_EQ(begun, written);
  EXPECT_EQ(alos({"audit", "verify"}).code, 0);
}

INSTANTIATE_TEST_SUITE_P(Around, HostReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Around, Asked, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Around, FullDisk, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
