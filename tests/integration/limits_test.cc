// Limits that a box reaches, and what a run keeps or refuses around it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "base/sys.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Limits : public InBothModes {
 protected:
  std::string policy(const std::string& limits, const std::string& more = "") {
    return world_->policy("limited",
                          "alos: 1\nabout: limited\nextends: [base]\nvars: {workspace: dir}\n"
                          "files:\n  all: {allow: rwx, path: $workspace/**}\n"
                          "workspace: layer\nlimits: {" +
                              limits + "}\n" + more);
  }
};

// Without whatever --degrade World::run adds for an ordinary user.
Outcome strictly(World& world, const std::string& policy, const std::string& script) {
  return world.call({"alos", "run", "--policy", policy, "--", "/bin/bash", "-c", script});
}

TEST_P(Limits, disk_ends_the_box_when_its_layer_has_grown_past_it) {
  const Outcome run = world().shell(policy("disk: 16MiB, wall: 60s"),
                                    "for i in $(seq 400); do head -c 1M /dev/zero > f$i; sleep 0.02; done; echo all");
  EXPECT_EQ(run.code, 124) << run.err;
  EXPECT_EQ(run.end()["what"], "disk");
  EXPECT_THAT(run.err, HasSubstr("limit 'disk' (16MiB)"));
  EXPECT_THAT(run.out, Not(HasSubstr("all")));
}

TEST_P(Limits, no_file_of_the_host_is_copied_up_that_is_larger_than_disk) {
  world().write("big", "");
  std::filesystem::resize_file(world().workspace() + "/big", 512 << 20);
  const Outcome run = world().shell(policy("disk: 16MiB, wall: 60s"), "chmod 600 big; echo $?; echo new > small");
  EXPECT_EQ(run.out, "1\n");
  EXPECT_THAT(run.err, HasSubstr("File too large"));
  EXPECT_EQ(run.code, 0) << "the box itself goes on";
  EXPECT_THAT(world().call({"alos", "diff", "--stat"}).out, Not(HasSubstr("big")));
}

TEST_P(Limits, private_space_is_no_larger_than_disk) {
  const Outcome run = world().shell(policy("disk: 8MiB"), "head -c 32M /dev/zero > /tmp/f; echo $?; stat -c %s /tmp/f");
  EXPECT_THAT(run.err, HasSubstr("No space left on device"));
  EXPECT_THAT(run.out, HasSubstr("1\n8388608\n"));
}

TEST_P(Limits, memory_and_cpu_time_end_the_box_or_refuse_the_run) {
  const std::string hungry = "exec python3 -c 'b = bytearray(400 << 20); print(len(b))'";
  const std::string busy = "while :; do :; done";
  const Outcome memory = strictly(world(), policy("memory: 64MiB"), hungry);
  const Outcome cpu = strictly(world(), policy("cpu-time: 1s, wall: 60s"), busy);
  if (GetParam() == Mode::root) {
    EXPECT_EQ(memory.code, 124) << memory.err;
    EXPECT_THAT(memory.err, HasSubstr("limit 'memory' (64MiB)"));
    EXPECT_EQ(cpu.code, 124) << cpu.err;
    EXPECT_THAT(cpu.err, HasSubstr("limit 'cpu-time' (1s)"));
  } else if (memory.code == 125) {  // no delegated cgroup: refused by name, and with what would go without
    EXPECT_THAT(memory.err, HasSubstr("--degrade memory"));
    EXPECT_EQ(cpu.code, 125);
    EXPECT_THAT(cpu.err, HasSubstr("cpu-time"));
  }
}

TEST_P(Limits, what_a_run_leaves_is_continued_and_said_and_fresh_drops_it) {
  const std::string file = policy("wall: 60s");
  EXPECT_EQ(world().shell(file, "echo one > kept").code, 0);
  const Outcome second = world().shell(file, "cat kept");
  EXPECT_EQ(second.out, "one\n");
  EXPECT_THAT(second.err, HasSubstr("continuing changes that are pending since run_"));
  EXPECT_FALSE(world().exists("kept"));
  const Outcome third = world().shell(file, "cat kept", {}, {"--fresh"});
  EXPECT_THAT(third.err, AllOf(HasSubstr("dropping the changes"), HasSubstr("No such file")));
}

TEST_P(Limits, two_runs_do_not_share_a_layer_at_the_same_time) {
  const std::string file = policy("wall: 60s");
  auto argv = world().run_arguments(file, {});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", "echo up; sleep 30"});
  const auto first = world().start(argv);
  ASSERT_TRUE(wait_for(first, "up\n"));
  const Outcome second = world().shell(file, "true");
  EXPECT_EQ(second.code, 125);
  EXPECT_THAT(second.err, HasSubstr("run_"));
  (void)sys::pidfd_signal(first.pidfd.get(), SIGTERM);
  EXPECT_FALSE(wait_for(first, "never said"));
  EXPECT_EQ(world().shell(file, "true").code, 0);
}

TEST_P(Limits, a_kept_home_lasts_and_a_fresh_one_does_not) {
  const std::string kept = policy("wall: 60s", "home: {keep: mine}\n");
  EXPECT_EQ(world().shell(kept, "echo remembered > ~/note").code, 0);
  EXPECT_EQ(world().shell(kept, "cat ~/note").out, "remembered\n");
  EXPECT_THAT(world().shell(policy("wall: 60s"), "cat ~/note").err, HasSubstr("No such file"));
}

TEST_P(Limits, a_workspace_that_holds_aloss_own_files_is_refused) {
  const std::string file = policy("wall: 60s");
  ASSERT_EQ(world().shell(file, "true").code, 0) << "the state directory exists now";
  const Outcome above = world().shell(file, "true", {}, {"--workspace", world().root()});
  EXPECT_EQ(above.code, 125);
  EXPECT_THAT(above.err, HasSubstr("contains alos's own"));
  const Outcome below = world().shell(file, "true", {}, {"--workspace", world().state() + "/layers"});
  EXPECT_EQ(below.code, 125);
  EXPECT_THAT(below.err, HasSubstr("alos's own"));
}

TEST_P(Limits, a_command_that_may_write_aloss_own_files_is_refused) {
  const std::string more = "commands:\n  d:\n    allow: /opt/x a\n    files: {w: " + world().state() + "/**}\n";
  const Outcome run = world().shell(policy("wall: 60s", more), "true");
  EXPECT_EQ(run.code, 125);
  EXPECT_THAT(run.err, HasSubstr("alos's own"));
}

TEST_P(Limits, without_a_log_nothing_runs) {
  const std::string file = policy("wall: 60s");
  // A file where the log's directory should be.
  ASSERT_EQ(world().shell(file, "true").code, 0);
  world().call({"/bin/rm", "-rf", world().state() + "/audit"});
  world().write(world().state() + "/audit", "in the way");
  const Outcome run = world().shell(file, "touch ran; echo ran");
  EXPECT_EQ(run.code, 125);
  EXPECT_THAT(run.out, Not(HasSubstr("ran")));
}

INSTANTIATE_TEST_SUITE_P(Around, Limits, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
