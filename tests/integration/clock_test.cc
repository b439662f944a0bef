#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>

#include "tests/integration/harness.h"

// --clock virtual: hours of an agent's time in moments, and none of it while anything in the box is at work.
namespace alos::test {
namespace {

using std::chrono::steady_clock;
using testing::HasSubstr;

constexpr const char* kLong = R"(
alos: 1
extends: base
limits: {wall: 8h}
clock: {sleep: {each: 12h, total: 7d}}
)";

// Against hours, on a machine however slow.
constexpr double kMoments = 15;

double seconds_since(steady_clock::time_point begun) {
  return std::chrono::duration<double>(steady_clock::now() - begun).count();
}

class Clock : public InBothModes {
 protected:
  Outcome run(const std::string& script, std::vector<std::string> flags = {"--clock", "virtual"}) {
    const auto begun = steady_clock::now();
    Outcome out =
        world().shell(world().policy("long", kLong), script, {.timeout = std::chrono::seconds(20)}, std::move(flags));
    took_ = seconds_since(begun);
    return out;
  }
  Outcome python(const std::string& code) { return run("python3 - <<'END'\n" + code + "\nEND\n"); }
  // As `run`, with a FIFO that the box's own `say` cannot reach: written again and again by a
  // shell outside.
  Outcome with_orders(const std::string& orders, const std::string& script) {
    const std::string events = world().root() + "/events";
    const std::string line = "mkfifo ../orders; exec 9<>../orders; while sleep 0.3; do printf '" + orders +
                             "' >&9; done & alos run --policy " + world().policy("long", kLong) +
                             (GetParam() == Mode::rootless ? " --degrade memory,cpus,cpu-time" : "") +
                             " --clock virtual:9 --events " + events + " -- /bin/bash -c '" + script +
                             "'; code=$?; kill $!; exit $code";
    const auto begun = steady_clock::now();
    Outcome out = world().call({"/bin/bash", "-c", line}, {.timeout = std::chrono::seconds(20)});
    took_ = seconds_since(begun);
    return out;
  }
  double took_ = 0;
};

TEST_P(Clock, an_agent_that_sleeps_six_hours_is_there_at_once_and_six_hours_later) {
  const Outcome outcome = python(R"(
import alos
begun = alos.clock.now()
for hours in (1, 2, 3):
    alos.clock.sleep(hours * 3600)
now = alos.clock.now()
print((now.unix_ns - begun.unix_ns) / 3.6e12, (now.elapsed_ns - begun.elapsed_ns) // 10**9)
)");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "6.0 21600\n");
  EXPECT_LT(took_, kMoments);
  EXPECT_EQ(outcome.end()["clock"].value("moved_ms", 0), 6 * 3'600'000);
}

TEST_P(Clock, without_it_the_real_one_goes) {
  const Outcome outcome = run("alos-call clock.sleep 300", {});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_GE(took_, 0.3);
  EXPECT_FALSE(outcome.end().contains("clock"));
}

// And not from that of a broker, which begins when something first connects.
TEST_P(Clock, elapsed_is_counted_from_the_start_of_the_run) {
  for (const std::vector<std::string>& clock : {std::vector<std::string>{}, {"--clock", "virtual"}}) {
    const Outcome outcome = run(
        "sleep 1.1; " + std::string(clock.empty() ? "" : "alos-call clock.sleep 1000 >&2; ") + "alos-call clock.now",
        clock);
    const auto answer = nlohmann::json::parse(outcome.out, nullptr, false);
    ASSERT_TRUE(answer.contains("ok")) << outcome.out << outcome.err;
    EXPECT_GE(answer["ok"].value("elapsed_ns", int64_t{0}), 1'000'000'000) << outcome.out;
  }
}

TEST_P(Clock, wall_is_reached_by_virtual_time) {
  const Outcome outcome = python("import alos\nwhile True: alos.clock.sleep(3600)");
  EXPECT_EQ(outcome.code, 124) << outcome.err;
  EXPECT_LT(took_, kMoments);
  EXPECT_EQ(outcome.end().value("what", ""), "wall");
  EXPECT_EQ(outcome.end()["clock"].value("moved_ms", 0), 8 * 3'600'000);
}

TEST_P(Clock, wall_is_not_reached_by_the_real_one) {
  const std::string policy = world().policy("short", "alos: 1\nabout: x\nextends: base\nlimits: {wall: 1s}\n");
  const Outcome outcome = world().shell(policy, "sleep 2.5; echo over", {}, {"--clock", "virtual"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "over\n");
}

TEST_P(Clock, sleepers_wake_in_the_order_of_their_times) {
  const Outcome outcome =
      run("(alos-call clock.sleep 7200000 >/dev/null; echo second) & (alos-call clock.sleep 3600000 >/dev/null; echo "
          "first) &"
          "(alos-call clock.sleep 10800000 >/dev/null; echo third) & wait");
  EXPECT_EQ(outcome.out, "first\nsecond\nthird\n") << outcome.err;
  EXPECT_LT(took_, kMoments);
}

TEST_P(Clock, it_stands_while_a_process_works_or_sleeps_by_itself) {
  const Outcome outcome =
      run("alos-call clock.sleep 3600000 >/dev/null & s=$!;"
          "sleep 0.7; kill -0 $s && echo asleep; wait");
  EXPECT_THAT(outcome.out, HasSubstr("asleep")) << "time passed while a program slept by itself";
  EXPECT_GE(took_, 0.7);
  const Outcome busy = run(
      "alos-call clock.sleep 3600000 >/dev/null & s=$!;"
      "t=$(date +%s%N); while [ $(( $(date +%s%N) - t )) -lt 500000000 ]; do :; done; kill -0 $s && echo asleep; wait");
  EXPECT_THAT(busy.out, HasSubstr("asleep")) << "time passed while a program computed";
}

TEST_P(Clock, a_command_that_sleeps_by_the_clock_moves_it_and_one_that_works_does_not) {
  const Outcome sleeping =
      run("alos-call shell.run --raw --timeout-ms 36000000 -- alos-call clock.sleep 3600000; echo code $?");
  EXPECT_THAT(sleeping.out, HasSubstr("code 0")) << sleeping.err;
  EXPECT_LT(took_, kMoments);
  const Outcome working = run("alos-call shell.run --raw --timeout-ms 1000 -- sleep 1.5; echo code $?");
  EXPECT_THAT(working.out, HasSubstr("code 0")) << "its time ran out while it was at work" << working.err;
  EXPECT_GE(took_, 1.5);
}

TEST_P(Clock, an_order_from_outside_moves_it_while_a_command_works) {
  const Outcome outcome =
      with_orders("advance 2m\\n", "alos-call shell.run --timeout-ms 60000 -- sleep 15; echo; echo code $?");
  EXPECT_THAT(outcome.out, HasSubstr("\"timed_out\":true")) << outcome.err;
  EXPECT_LT(took_, 5.0) << outcome.out << outcome.err;
  EXPECT_THAT(world().read(world().root() + "/events"), HasSubstr("\"by\":\"outside\""));
}

TEST_P(Clock, an_order_that_is_none_is_said_and_the_next_one_counts) {
  const Outcome outcome = with_orders("forward 6h\\nadvance 9h\\n", "sleep 15");
  EXPECT_EQ(outcome.code, 124) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("write 'advance 6h'"));
  EXPECT_LT(took_, 5.0);
}

TEST_P(Clock, a_word_or_descriptor_that_is_none_is_refused) {
  EXPECT_EQ(run("echo ran", {"--clock", "virtual:77"}).code, 125);
  EXPECT_EQ(run("echo ran", {"--clock", "fast"}).code, 125);
  EXPECT_EQ(run("echo ran", {"--clock", "virtual:9x"}).code, 125);
}

INSTANTIATE_TEST_SUITE_P(Modes, Clock, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
