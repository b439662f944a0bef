#include "supervisor/host/relay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/sys.h"

namespace alos::host {
namespace {

constexpr size_t kMost = 64 << 10;

class RelayTest : public testing::Test {
 protected:
  void SetUp() override {
    int master = -1, slave = -1;
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    slave_ = UniqueFd(slave);
    termios modes{};
    ::tcgetattr(slave, &modes);
    ::cfmakeraw(&modes);
    ::tcsetattr(slave, TCSANOW, &modes);
    ::fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
    log_ = *sys::memfd("log", "", false);
    relay_.emplace(UniqueFd(master), 0, log_.get());
  }
  size_t carried() const { return static_cast<size_t>(sys::fstat(log_.get())->st_size); }

  UniqueFd slave_, log_;
  std::optional<Relay> relay_;
};

TEST_F(RelayTest, what_a_box_wrote_before_it_ended_is_carried) {
  size_t written = 0;
  const std::string words(1000, 'x');
  for (ssize_t n = 0; (n = ::write(slave_.get(), words.data(), words.size())) > 0;) written += static_cast<size_t>(n);
  ASSERT_GT(written, 1000U);
  slave_.reset();
  // The kernel moves it to the other side by a worker.
  for (int i = 0; i < 100 && carried() < written; ++i) {
    relay_->drain();
    ::usleep(10'000);
  }
  EXPECT_EQ(carried(), written);
}

// Whom the box handed its terminal to may write on.
TEST_F(RelayTest, a_flood_ends_the_last_words) {
  std::atomic<bool> over = false;
  std::vector<std::jthread> writers;
  for (int i = 0; i < 3; ++i)
    writers.emplace_back([&] {
      const std::string words(4000, 'x');
      while (!over) (void)!::write(slave_.get(), words.data(), words.size());
    });
  std::jthread watchdog([&](const std::stop_token& done) {
    for (int i = 0; i < 100 && !done.stop_requested(); ++i) ::usleep(100'000);
    over = true;
  });
  size_t most = 0;
  for (int i = 0; i < 50 && !over; ++i) {
    const size_t before = carried();
    relay_->drain();
    most = std::max(most, carried() - before);
    ::usleep(1000);
  }
  EXPECT_FALSE(over) << "it went on for as long as somebody wrote";
  EXPECT_GT(most, 0U);
  EXPECT_LE(most, kMost);
  over = true;
}

}  // namespace
}  // namespace alos::host
