#include "syscall-broker/change_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "base/clock.h"
#include "syscall-broker/task.h"
#include "tests/unit/broker/served.h"

namespace alos::broker {
namespace {

using Mode = ChangeLock::Mode;

class ChangeLocks : public testing::Test {
 protected:
  ChangeLocks() {
    auto made = Reactor::create(test::file_ring(8));
    EXPECT_TRUE(made);
    reactor = std::move(*made);
    lock.emplace(*reactor);
  }
  using Holder = std::optional<ChangeLock::Held>;  // until it is reset
  Job take(Holder& holder, Mode mode, char name) {
    auto held = co_await lock->take(mode);
    holder.emplace(std::move(held));
    order += name;
  }
  void turn() const {
    const Reactor::Time time{.now_ns = boot_ns};
    reactor->wait({}, time, boot_ns());
  }
  std::unique_ptr<Reactor> reactor;
  std::optional<ChangeLock> lock;
  std::string order;
  std::array<Holder, 4> holders{};
};

TEST_F(ChangeLocks, many_hold_it_together_and_one_alone) {
  take(holders[0], Mode::together, 'a');
  take(holders[1], Mode::together, 'b');
  take(holders[2], Mode::alone, 'c');
  EXPECT_EQ(order, "ab");
  holders[0].reset();
  turn();
  EXPECT_EQ(order, "ab");
  holders[1].reset();
  EXPECT_EQ(order, "ab") << "not in the middle of how another ends";
  turn();
  EXPECT_EQ(order, "abc");
  take(holders[3], Mode::together, 'd');
  EXPECT_EQ(order, "abc");
  holders[2].reset();
  turn();
  EXPECT_EQ(order, "abcd");
}

TEST_F(ChangeLocks, who_waits_is_passed_by_nobody) {
  take(holders[0], Mode::together, 'a');
  take(holders[1], Mode::alone, 'b');
  take(holders[2], Mode::together, 'c');
  EXPECT_EQ(order, "a");
  holders[0].reset();
  take(holders[3], Mode::alone, 'd');
  EXPECT_EQ(order, "a") << "it is free, and others came before";
  for (Holder& holder : holders) {
    turn();
    holder.reset();
  }
  turn();
  EXPECT_EQ(order, "abcd");
}

// Whatever order it is taken and given back in, nobody is beside one that is alone, and all come to their turn.
TEST_F(ChangeLocks, none_is_beside_one_that_is_alone) {
  std::mt19937 random(5);
  struct Taker {
    Holder held;
    Mode mode = Mode::together;
    bool asked = false;
  };
  std::array<Taker, 12> takers{};
  int taken = 0, alone = 0;
  for (int step = 0; step < 20'000; ++step) {
    Taker& one = takers[random() % takers.size()];
    if (one.held) {
      one.held.reset();
      one.asked = false;
    } else if (!one.asked) {
      one.asked = true;
      one.mode = random() % 3 == 0 ? Mode::alone : Mode::together;
      take(one.held, one.mode, 'x');
    } else {
      turn();
    }
    const auto holding = std::ranges::count_if(takers, [](const Taker& t) { return t.held.has_value(); });
    const bool has_alone = std::ranges::any_of(takers, [](const Taker& t) { return t.held && t.mode == Mode::alone; });
    ASSERT_TRUE(!has_alone || holding == 1) << "step " << step;
    taken += holding > 0;
    alone += has_alone;
  }
  for (int rounds = 0; rounds < 100; ++rounds, turn())
    for (Taker& one : takers) one.held.reset();
  const size_t asked = order.size();
  take(holders[0], Mode::alone, 'x');
  EXPECT_EQ(order.size(), asked + 1) << "nobody holds it or waits";
  EXPECT_GT(alone, 100);
  EXPECT_GT(taken, alone);
}

TEST_F(ChangeLocks, who_writes_a_file_beside_another_knows) {
  struct stat file{}, namesake{};
  file.st_ino = namesake.st_ino = 7;
  namesake.st_dev = 1;
  const ChangeLock::Writing first(*lock, file), elsewhere(*lock, namesake);
  EXPECT_TRUE(first.is_alone());
  {
    const ChangeLock::Writing second(*lock, file);
    EXPECT_FALSE(second.is_alone());
  }
  EXPECT_FALSE(first.is_alone()) << "what it finds may be the other's, which is over";
  EXPECT_TRUE(elsewhere.is_alone());
}

}  // namespace
}  // namespace alos::broker
