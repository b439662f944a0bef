// alos used wrongly, and where its output goes nowhere: exit codes, and words that say what to do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kUsed = 125, kUsage = 2, kCannotTell = 3;

class Usage : public InBothModes {
 protected:
  Outcome run_with(std::vector<std::string> flags, const std::string& policy = "strict") {
    return world().run(policy, {"true"}, {}, std::move(flags));
  }
};

TEST_P(Usage, a_word_that_degrade_does_not_know_is_refused) {
  for (const std::string word : {"memry", "wall", "alow"}) {
    const Outcome run = run_with({"--degrade", "disk," + word});
    EXPECT_EQ(run.code, kUsed) << word << run.err;
    EXPECT_THAT(run.err, AllOf(HasSubstr("--degrade " + word), HasSubstr("landlock, mdwe")));
  }
  EXPECT_THAT(run_with({"--degrade", "memry"}).err, HasSubstr("did you mean 'memory'?"));
  EXPECT_EQ(run_with({"--degrade", ""}).code, 0) << "nothing to give up";
}

TEST_P(Usage, a_variable_has_one_value) {
  const Outcome run = run_with({"--var", "a=1", "--var", "a=2"});
  EXPECT_EQ(run.code, kUsed);
  EXPECT_THAT(run.err, HasSubstr("--var a=2; each variable has one value"));
}

TEST_P(Usage, a_workspace_that_the_policy_does_not_take_is_refused_whatever_ran_before) {
  ASSERT_EQ(run_with({}).code, 0);  // from the same directory: compiled, and kept
  const Outcome run = run_with({"--workspace", world().workspace()});
  EXPECT_EQ(run.code, kUsed);
  EXPECT_THAT(run.err, AllOf(HasSubstr("'workspace' was given and is not declared"), HasSubstr("as 'coding'")));
}

TEST_P(Usage, a_command_that_does_not_stand_after_the_dashes_is_told_to) {
  const Outcome run = world().call({"alos", "run", "echo", "hi"});
  EXPECT_EQ(run.code, kUsed);
  EXPECT_THAT(run.err, HasSubstr("unexpected argument 'echo'; what is to be run stands after '--'"));
}

TEST_P(Usage, events_that_cannot_be_written_are_named) {
  for (const char* where : {"/nowhere/events", "77"}) {
    const Outcome run =
        world().call({"alos", "run", "--events", where, "--degrade", "memory,cpus,cpu-time", "--", "true"});
    EXPECT_EQ(run.code, kUsed);
    EXPECT_THAT(run.err, HasSubstr("--events " + std::string(where)));
  }
}

TEST_P(Usage, a_place_for_the_state_is_absolute_and_can_be_written) {
  const auto in = [&](const std::string& place) {
    return world().call({"alos", "run", "--", "true"}, {.env = {{"ALOS_STATE_DIR", place}}});
  };
  EXPECT_EQ(in("here").code, kUsed);
  EXPECT_THAT(in("here").err, HasSubstr("ALOS_STATE_DIR; 'here' is not an absolute path"));
  EXPECT_EQ(in("/proc/none").code, kUsed);
  EXPECT_THAT(in("/proc/none").err, HasSubstr("choose another place (ALOS_STATE_DIR)"));
}

TEST_P(Usage, gc_takes_no_workspace_which_it_would_not_keep_to) {
  ASSERT_EQ(world().shell("coding", "true").code, 0);
  const auto layers = [&] { return world().call({"alos", "gc", "--dry-run"}).out; };
  const std::string before = layers();
  EXPECT_EQ(world().call({"alos", "gc", "--workspace", "/elsewhere"}).code, kUsage);
  EXPECT_EQ(world().call({"alos", "gc", "--older-than", "3"}).code, kUsage);
  EXPECT_EQ(layers(), before);
}

// The code must not say that all is well when nobody saw the answer.
TEST_P(Usage, output_that_is_lost_is_an_error) {
  ASSERT_EQ(run_with({}).code, 0);
  for (const char* command :
       {"--help", "--version", "policy list", "policy show coding", "policy check coding", "doctor", "doctor --json",
        "audit show", "audit show --json", "audit verify", "audit verify --json", "ps --json", "gc --dry-run"})
    for (const char* sink : {">/dev/full", ">&-"}) {
      const Outcome lost = world().call({"sh", "-c", std::string("alos ") + command + " " + sink});
      EXPECT_EQ(lost.code, kCannotTell) << command << sink;
      EXPECT_THAT(lost.err, HasSubstr("cannot write to standard output")) << command << sink;
    }
}

TEST_P(Usage, closed_streams_are_nobody_elses_file) {
  ASSERT_EQ(world().shell("coding", "echo a >a; echo b >b").code, 0);
  EXPECT_EQ(world().call({"sh", "-c", "alos apply a <&- >&- 2>&-"}).code, kCannotTell);  // done, and said to nobody
  EXPECT_EQ(world().read("a"), "a\n");
  EXPECT_EQ(world().call({"sh", "-c", "alos undo --yes <&- 2>&-"}).code, 0);
  EXPECT_EQ(world().call({"alos", "audit", "verify"}).code, 0);
}

TEST_P(Usage, a_file_that_cannot_be_executed_outside_is_not_said_to_be_absent) {
  world().write("tool", "#!/bin/sh\n", 0644);
  const Outcome run = world().run("strict", {"./tool"});
  EXPECT_EQ(run.code, 127);
  EXPECT_THAT(run.err, HasSubstr("'./tool' is not in this box; nor is an executable file there outside"));
}

TEST_P(Usage, a_path_that_the_layer_does_not_have_is_said) {
  ASSERT_EQ(world().shell("coding", "mkdir d; echo a >d/a; echo b >b").code, 0);
  for (const char* verb : {"diff", "undo --yes", "apply"}) {
    const Outcome out = world().call({"sh", "-c", std::string("alos ") + verb + " dd/a"});
    EXPECT_EQ(out.code, verb == std::string("diff") ? 0 : 1) << verb << out.out;
    EXPECT_THAT(out.out + out.err, AllOf(HasSubstr("dd/a"), HasSubstr("the layer has nothing there"))) << verb;
  }
  EXPECT_EQ(world().call({"alos", "undo", "--yes", "d", "dd"}).code, 1) << "what was there is dropped";
  EXPECT_EQ(world().call({"alos", "undo", "--yes", "."}).code, 0);
  EXPECT_EQ(world().call({"alos", "undo", "--yes", "."}).code, 0) << "nothing to drop";
}

TEST_P(Usage, what_cannot_be_written_has_the_name_that_was_given) {
  const Outcome out = world().call({"alos", "policy", "compile", "--output", "/nowhere/out", "strict"});
  EXPECT_EQ(out.code, kCannotTell);
  EXPECT_THAT(out.err, HasSubstr("openat /nowhere/out: No such file or directory (ENOENT)"));
}

TEST_P(Usage, a_box_in_a_box_is_said_to_be_none) {
  // The leak checker cannot look at the inner one either (CMakeLists.txt).
  const std::string tools =
      world().policy("tools", "alos: 1\nextends: base\nenv: {pass: [ASAN_OPTIONS]}\nfiles: {alos: {allow: rx, path: " +
                                  World::programs() + "/**}}\n");
  const Outcome inner =
      world().run(tools, {World::programs() + "/alos", "run", "--degrade", "memory,cpus,cpu-time", "--", "true"});
  EXPECT_EQ(inner.code, kUsed);
  EXPECT_THAT(inner.err, HasSubstr("boxes make no boxes"));
}

INSTANTIATE_TEST_SUITE_P(Modes, Usage, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
