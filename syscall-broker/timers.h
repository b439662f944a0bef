#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace alos::broker {

// Something that happens at a time. Known by its address: neither moved nor destroyed while it is in a heap.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual void due() = 0;  // it is out of the heap then, and may put itself in again or destroy itself

  bool is_set() const { return place_ != kNowhere; }
  int64_t at_ns() const { return at_ns_; }

 protected:
  virtual ~Timer() = default;

 private:
  friend class Timers;
  static constexpr size_t kNowhere = ~size_t{0};
  int64_t at_ns_ = 0;
  size_t place_ = kNowhere;
};

// All times of one reactor in one heap, so that the kernel holds one timeout however many sleep: a timeout in the ring
// for each of 100,000 was up to 80 times later. Nanoseconds of whatever clock the caller has. One thread.
class Timers {
 public:
  void set(Timer& timer, int64_t at_ns);  // again: the new time counts
  void cancel(Timer& timer);              // one that is not set: nothing
  std::optional<int64_t> next_ns() const;
  // Calls due() for everything up to now, the earliest first; what is set by that for `now_ns` or before, too.
  void run(int64_t now_ns);
  size_t size() const { return heap_.size(); }

 private:
  void up(size_t at);
  void down(size_t at);
  void put(size_t at, Timer* timer);

  std::vector<Timer*> heap_;
};

}  // namespace alos::broker
