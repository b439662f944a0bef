#include "syscall-broker/timers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace alos::broker {
namespace {

struct Noted final : Timer {
  explicit Noted(std::vector<int64_t>& to) : out(to) {}
  void due() override { out.push_back(at_ns()); }
  std::vector<int64_t>& out;
};

TEST(Timers, are_due_in_the_order_of_their_times) {
  Timers timers;
  std::vector<int64_t> out;
  std::vector<std::unique_ptr<Noted>> all;
  for (const int64_t at : {50, 10, 30, 20, 40}) {
    all.push_back(std::make_unique<Noted>(out));
    timers.set(*all.back(), at);
  }
  EXPECT_EQ(timers.next_ns(), 10);
  timers.run(30);
  EXPECT_EQ(out, (std::vector<int64_t>{10, 20, 30}));
  timers.set(*all[0], 35);
  timers.cancel(*all[4]);
  timers.run(100);
  EXPECT_EQ(out, (std::vector<int64_t>{10, 20, 30, 35}));
  EXPECT_EQ(timers.next_ns(), std::nullopt);
}

TEST(Timers, agree_with_a_sorted_map_over_random_changes) {
  std::mt19937 random(3);
  Timers timers;
  std::vector<int64_t> out;
  std::vector<std::unique_ptr<Noted>> all;
  for (int i = 0; i < 200; ++i) all.push_back(std::make_unique<Noted>(out));
  std::map<size_t, int64_t> set;
  int64_t now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const size_t which = random() % all.size();
    switch (random() % 3) {
      case 0:
        timers.cancel(*all[which]);
        set.erase(which);
        break;
      case 1:
        set[which] = now + static_cast<int64_t>(random() % 100);
        timers.set(*all[which], set[which]);
        break;
      default:
        now += random() % 20;
        std::vector<int64_t> wanted;
        std::erase_if(set, [&](const auto& one) {
          if (one.second > now) return false;
          wanted.push_back(one.second);
          return true;
        });
        std::ranges::sort(wanted);
        out.clear();
        timers.run(now);
        ASSERT_EQ(out, wanted);
    }
    ASSERT_EQ(timers.size(), set.size());
  }
}

}  // namespace
}  // namespace alos::broker
