// Descriptors whose last close waits as long as the agent says (SO_LINGER): whoever closes them, the broker, or a
// supervisor that was sent them by a broker in wrong hands, waits for none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "tests/integration/harness.h"
#include "tests/integration/stand_in/programs.h"

namespace alos::test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class Lingering : public InBothModes {
 protected:
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }

  // Of lingering.py, ended by its wall or before it; the sockets linger for 40 s.
  Outcome run(const std::string& words, const std::string& wall, std::map<std::string, std::string> env = {}) {
    const std::string policy = world().policy(
        "lingering",
        "alos: 1\nabout: an agent whose sockets linger\nextends: base\nvars: {workspace: dir}\nworkspace: layer\n"
        "files:\n  tree: {allow: rwx, path: $workspace/**}\nlimits: {wall: " +
            wall + "}\n");
    const std::string script = std::string(ALOS_BROKER_DIRECTORY) + "/lingering.py";
    world().write("lingering.py", content_of(script));
    const auto begun = std::chrono::steady_clock::now();
    Outcome out = world().shell(policy, "exec /usr/bin/python3 lingering.py " + words, {.env = std::move(env)});
    took_ = std::chrono::duration_cast<seconds>(std::chrono::steady_clock::now() - begun);
    return out;
  }

  static std::string content_of(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  seconds took_{};
};

TEST_P(Lingering, an_honest_broker_goes_on_serving_others) {
  const Outcome out = run("serve", "60s");
  EXPECT_EQ(out.code, 0) << out.err;
  EXPECT_THAT(out.out, HasSubstr("too many connections: served\n")) << out.err;
  EXPECT_THAT(out.out, Not(HasSubstr("kept waiting")));
  EXPECT_LT(took_, seconds(20));
  for (const auto& event : out.events) EXPECT_NE(event.value("event", ""), "broker") << event;
}

TEST_P(Lingering, a_run_ends_at_its_wall_with_what_nobody_has_received) {
  const Outcome out = run("serve on", "15s");
  EXPECT_EQ(out.code, 124) << out.err;
  EXPECT_THAT(out.out, HasSubstr("waits\n")) << out.err;
  EXPECT_LT(took_, seconds(20));
}

class LingeringTakenOver : public Lingering {
 protected:
  void SetUp() override {
    ::setenv("ALOS_PROGRAMS", programs_with_broker(ALOS_PROGRAMS_DIRECTORY, ALOS_TAKEN_OVER).c_str(), 1);
    Lingering::SetUp();
  }
  void TearDown() override {
    Lingering::TearDown();
    ::unsetenv("ALOS_PROGRAMS");
  }
};

TEST_P(LingeringTakenOver, a_supervisor_waits_for_none_that_a_broker_in_wrong_hands_sends) {
  for (const char* way : {"stdio", "records", "empty", "long", "many", "queue"}) {
    SCOPED_TRACE(way);
    const Outcome out = run("give", "3s", {{"ALOS_ATTACK", "lingering"}, {"ALOS_WAY", way}});
    EXPECT_EQ(out.code, 124) << out.err;
    EXPECT_THAT(out.out, HasSubstr("given\n"));
    EXPECT_THAT(out.err, HasSubstr(std::string("sends ") + way));
    EXPECT_LT(took_, seconds(8));
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Lingering, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Modes, LingeringTakenOver, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
