#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::host {

enum class ClockKind : uint8_t { real, given };

// The time that a run goes by: its `wall`, what its agent sleeps and asks for, how long its commands may take. A given
// (virtual) one begins at the real time and stands until it is moved. One thread.
class RunClock {
 public:
  // `orders`: where a given clock is moved from outside, a line each; none where nobody does.
  RunClock(ClockKind kind, UniqueFd orders)
      : kind_(kind), orders_(std::move(orders)), now_ns_(boot_ns()), wall_ns_(alos::wall_ns()), begun_ns_(now_ns_) {}

  bool is_given() const { return kind_ == ClockKind::given; }
  int64_t now_ns() const { return is_given() ? now_ns_ : boot_ns(); }          // as CLOCK_BOOTTIME
  int64_t wall_ns() const { return is_given() ? wall_ns_ : alos::wall_ns(); }  // as CLOCK_REALTIME
  int64_t moved_ns() const { return moved_ns_; }
  int64_t begun_ns() const { return begun_ns_; }

  // Moved further, times of nanoseconds would come to their end: a hundred years.
  static constexpr int64_t kFurthestNs = int64_t{100} * 366 * 24 * 3'600'000'000'000;

  // A given clock is `now_ns`; never back, and kFurthestNs at most in all. How far that was.
  int64_t move_to(int64_t now_ns) {
    const int64_t step = std::clamp<int64_t>(now_ns - now_ns_, 0, kFurthestNs - moved_ns_);
    now_ns_ += step, wall_ns_ += step, moved_ns_ += step;
    return step;
  }

  // To be polled; -1: nobody says anything, any more.
  int orders() const { return orders_ ? orders_.get() : -1; }
  // What was said, once orders() is readable: how far each line moves it, or what is wrong with the line.
  std::vector<Result<int64_t>> read_orders();

 private:
  ClockKind kind_;
  UniqueFd orders_;
  std::string unread_;
  int64_t now_ns_, wall_ns_, begun_ns_, moved_ns_ = 0;
};

// "advance 6h": nanoseconds. Errors: {"clock", line, EINVAL, what to write}.
Result<int64_t> parse_clock_order(std::string_view line);

}  // namespace alos::host
