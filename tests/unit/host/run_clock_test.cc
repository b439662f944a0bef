#include "supervisor/host/run_clock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "base/sys.h"
#include "supervisor/host/clock_driver.h"
#include "supervisor/host/stillness.h"

namespace alos::host {
namespace {

constexpr int64_t kHour = 3'600'000'000'000;

TEST(RunClock, an_order_is_a_word_and_a_duration) {
  EXPECT_EQ(parse_clock_order("advance 6h").value_or(0), 6 * kHour);
  EXPECT_EQ(parse_clock_order("advance 1h30m").value_or(0), 3 * kHour / 2);
  for (const char* wrong : {"", "advance", "advance ", "advance 6", "advance -6h", "forward 6h", "advance 6h 7h",
                            "ADVANCE 6h", "advance 9999999d"})
    EXPECT_FALSE(parse_clock_order(wrong)) << wrong;
}

TEST(RunClock, a_given_one_stands_and_never_goes_back) {
  RunClock clock(ClockKind::given, UniqueFd());
  const int64_t begun = clock.now_ns(), wall = clock.wall_ns();
  ::usleep(2000);
  EXPECT_EQ(clock.now_ns(), begun);
  EXPECT_EQ(clock.move_to(begun + kHour), kHour);
  EXPECT_EQ(clock.move_to(begun), 0);
  EXPECT_EQ(clock.now_ns(), begun + kHour);
  EXPECT_EQ(clock.wall_ns(), wall + kHour);
}

// A process that has one child, which has one, and so on; when it is ended, so are they.
class Chain {
 public:
  explicit Chain(int length) {
    int grown[2];
    EXPECT_EQ(::pipe2(grown, O_CLOEXEC), 0);
    const UniqueFd reading(grown[0]), writing(grown[1]);
    first_ = grow(length, ::getpid(), writing.get());
    char last = 0;
    EXPECT_EQ(::read(reading.get(), &last, 1), 1);
  }
  ~Chain() {
    ::kill(first_, SIGKILL);
    ::waitpid(first_, nullptr, 0);
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
  pid_t first() const { return first_; }

 private:
  static pid_t grow(int length, pid_t parent, int grown) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    if (length > 1 ? grow(length - 1, ::getpid(), grown) < 0 : ::write(grown, "", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  pid_t first_ = 0;
};

TEST(ClockDriver, looking_at_many_processes_takes_a_part_of_the_time) {
  RunClock clock(ClockKind::given, UniqueFd());
  Events events;
  ClockDriver driver(clock, events);
  const Chain chain(60);
  int64_t longest = 0;
  for (int i = 0; i < 3; ++i) {
    driver.rests({.state = 1, .next_ns = clock.now_ns() + kHour, .clients = {}});
    const int64_t begun = boot_ns(), worked = thread_ns();
    EXPECT_FALSE(driver.look({chain.first()}, std::nullopt)) << "the last of them waits for nothing that is brokered";
    const int64_t took = thread_ns() - worked;  // others may have had the processor before this is asked
    longest = std::max(longest, took);
    ASSERT_TRUE(driver.next_look_ns());
    EXPECT_GE(*driver.next_look_ns() - begun, 4 * took);
  }
  EXPECT_GT(longest, 1'250'000) << "else the pause is what it always is";
}

// Whatever happens between two looks.
TEST(ClockDriver, the_share_of_time_that_looking_takes_is_kept) {
  RunClock clock(ClockKind::given, UniqueFd());
  Events events;
  ClockDriver driver(clock, events);
  const Chain chain(60);
  const broker::Rests rests{.state = 1, .next_ns = clock.now_ns() + kHour, .clients = {}};
  driver.rests(rests);
  const int64_t begun = boot_ns(), worked = thread_ns();
  EXPECT_FALSE(driver.look({chain.first()}, std::nullopt));
  const int64_t took = thread_ns() - worked;
  EXPECT_GT(took, 500'000);
  driver.works();
  driver.rests(rests);
  ASSERT_TRUE(driver.next_look_ns());
  EXPECT_GE(*driver.next_look_ns() - begun, 4 * took);
}

TEST(Stillness, a_thread_that_ends_while_it_is_looked_at_is_no_error) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) std::thread([] { ::usleep(20); }).join();
  }
  ASSERT_GT(child, 0);
  for (int i = 0; i < 30'000 && !HasFailure(); ++i) {
    const auto wait = all_wait(std::span(&child, 1), std::span(&child, 1));
    if (!wait) ADD_FAILURE() << wait.error().text();
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

// Those of a box are as deep as its agent likes.
TEST(Stillness, processes_below_one_another_take_no_stack) {
  const Chain chain(300);
  const std::array inits{chain.first()};
  std::optional<Result<bool>> wait;
  const auto look = [](void* given) -> void* {
    auto& [all, out] = *static_cast<std::pair<std::span<const pid_t>, std::optional<Result<bool>>*>*>(given);
    out->emplace(all_wait(all, {}));
    return nullptr;
  };
  std::pair<std::span<const pid_t>, std::optional<Result<bool>>*> given{inits, &wait};
  pthread_attr_t small;
  ::pthread_attr_init(&small);
  ASSERT_EQ(::pthread_attr_setstacksize(&small, 192 << 10), 0);
  pthread_t thread;
  ASSERT_EQ(::pthread_create(&thread, &small, look, &given), 0);
  ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&small);
  ASSERT_TRUE(wait && *wait);
  EXPECT_FALSE(**wait) << "the last of them waits for nothing that is brokered";
}

TEST(RunClock, a_real_one_goes) {
  const RunClock clock(ClockKind::real, UniqueFd());
  const int64_t begun = clock.now_ns();
  ::usleep(2000);
  EXPECT_GT(clock.now_ns(), begun);
}

TEST(RunClock, orders_come_in_pieces_and_their_end_is_noticed) {
  auto pipe = sys::pipe();
  ASSERT_TRUE(pipe);
  RunClock clock(ClockKind::given, std::move(pipe->a));
  const auto say = [&](std::string_view words) { ASSERT_TRUE(sys::write_all(pipe->b.get(), words)); };
  say("advance 1");
  EXPECT_TRUE(clock.read_orders().empty());
  say("h\nnonsense\nadvance 2h\n");
  const auto orders = clock.read_orders();
  ASSERT_EQ(orders.size(), 3U);
  EXPECT_EQ(orders[0].value_or(0), kHour);
  EXPECT_FALSE(orders[1]);
  EXPECT_EQ(orders[2].value_or(0), 2 * kHour);
  pipe->b.reset();
  EXPECT_TRUE(clock.read_orders().empty());
  EXPECT_EQ(clock.orders(), -1);
}

TEST(RunClock, a_line_without_end_is_not_collected) {
  auto pipe = sys::pipe();
  ASSERT_TRUE(pipe);
  RunClock clock(ClockKind::given, std::move(pipe->a));
  ASSERT_TRUE(sys::write_all(pipe->b.get(), std::string(1000, 'x')));
  EXPECT_EQ(clock.read_orders().size(), 1U);
  EXPECT_EQ(clock.orders(), -1);
}

}  // namespace
}  // namespace alos::host
