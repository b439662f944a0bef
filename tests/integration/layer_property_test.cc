// Random operations in real boxes: the host's tree is untouched until apply, equals the box's view after it, and is old
// or new at every path when apply is killed. The operations are work/layer_operations.py's; a seed is a sequence.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

std::string operations() {
  std::ifstream in(ALOS_WORK_DIRECTORY "/layer_operations.py");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> operate(const std::string& seed, const std::string& count) {
  return {"/usr/bin/python3", "-c", operations(), seed, count};
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) out.insert(line);
  return out;
}

// One workspace with its layer, through one sequence.
class Sequence {
 public:
  Sequence(Mode mode, int seed, int count) : world_(mode), seed_(seed), count_(count) {}

  void operate_in_box() {
    before_ = host("1" + std::to_string(seed_), "30");
    const std::string exact = host("exact", "");
    box_ = box(std::to_string(seed_), std::to_string(count_));
    EXPECT_EQ(host("exact", ""), exact) << "a run changed the host's tree";
    EXPECT_EQ(box("0", "0"), box_) << "a second run sees what the first one left";
    EXPECT_EQ(host("exact", ""), exact);
  }

  void apply_all() {
    const Outcome applied = world_.call(apply_command());
    EXPECT_EQ(applied.code, 0) << applied.out << applied.err;
    expect_applied();
  }

  // Returns whether the kill came before apply was through.
  bool apply_killed_after(std::chrono::microseconds delay) {
    const auto running = world_.start(apply_command());
    const timespec pause{.tv_sec = 0, .tv_nsec = delay.count() * 1000};
    ::nanosleep(&pause, nullptr);
    ::syscall(SYS_pidfd_send_signal, running.pidfd.get(), SIGKILL, nullptr, 0);
    int status = 0;
    ::waitpid(running.pid, &status, 0);
    std::set<std::string> fine = lines_of(before_);
    for (const std::string& line : lines_of(box_)) {
      fine.insert(line);
      // A new directory is open to its owner alone until everything is in it.
      if (const size_t mode = line.rfind(" d"); mode + 11 == line.size())
        fine.insert(line.substr(0, mode) + " drwx------");
    }
    for (const std::string& line : lines_of(host("0", "0")))
      if (line.find(".alos-") == line.npos) {
        EXPECT_TRUE(fine.contains(line)) << "neither old nor new: " << line;
      }
    return WIFSIGNALED(status);
  }

  void expect_applied() {
    EXPECT_EQ(host("0", "0"), box_) << "apply makes the host equal to the box";
    EXPECT_EQ(box("0", "0"), box_);
    const Outcome diff = world_.call({"alos", "diff", "--stat"});
    EXPECT_EQ(diff.code, 0) << "nothing is left in the layer: " << diff.out;
    EXPECT_EQ(world_.leftovers(), "");
  }

 private:
  std::string host(const std::string& seed, const std::string& count) const {
    const Outcome done = world_.call(operate(seed, count));
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  }
  std::string box(const std::string& seed, const std::string& count) const {
    const Outcome done = world_.run("coding", operate(seed, count));
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  }
  // Every changed path by its name, since what is newly executable goes in no other way.
  // All that is pending, by name.
  std::vector<std::string> apply_command() const {
    const Outcome diff = world_.call({"alos", "diff", "--json"});
    const auto shown = nlohmann::json::parse(diff.out, nullptr, false);
    EXPECT_TRUE(shown.is_object()) << diff.out << diff.err;
    std::vector<std::string> command{"alos", "apply", "--open", "--"};
    const size_t words = command.size();
    if (shown.is_object())
      for (const auto& change : shown["changes"])
        if (const std::string path = change["path"]; path.find(".alos-apply-") == path.npos)
          command.push_back(path);  // a killed apply's, which the next one clears
    if (command.size() == words) return {"alos", "apply"};
    return command;
  }

  World world_;
  int seed_, count_;
  std::string before_, box_;
};

class LayerProperty : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (const std::string why = World::unavailable(GetParam()); !why.empty()) ALOS_SKIP(why);
  }
  void sequences(int first, int last, int count) {
    for (int seed = first; seed < last && !HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      Sequence sequence(GetParam(), seed, count);
      sequence.operate_in_box();
      sequence.apply_all();
    }
  }
  void crashes(int first, int last, int count) {
    int early = 0;
    for (int seed = first; seed < last && !HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      Sequence sequence(GetParam(), seed, count);
      sequence.operate_in_box();
      // Each try goes on from what the one before left.
      for (int tries = 0; tries < 3 && !HasFailure(); ++tries)
        early += sequence.apply_killed_after(std::chrono::microseconds((seed * 7919 + tries * 4001) % 25'000));
      sequence.apply_all();
    }
    EXPECT_GT(early, 0) << "no apply was killed in the middle";
  }
};
class LongLayerProperty : public LayerProperty {};

TEST_P(LayerProperty, the_host_is_untouched_until_apply_and_then_equals_the_box) {
  sequences(1, 7, 40);
}
TEST_P(LongLayerProperty, two_hundred_sequences) {
  sequences(1000, 1200, 60);
}
// Killed at a random moment; the gate has every step of an apply in tests/unit/workspace/crash_test.cc.
TEST_P(LongLayerProperty, sixty_crashed_applies) {
  crashes(2000, 2060, 60);
}

INSTANTIATE_TEST_SUITE_P(Modes, LayerProperty, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(LongModes, LongLayerProperty, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
