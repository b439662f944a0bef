#include "syscall-broker/timers.h"

namespace alos::broker {

void Timers::put(size_t at, Timer* timer) {
  heap_[at] = timer;
  timer->place_ = at;
}

void Timers::up(size_t at) {
  Timer* const timer = heap_[at];
  while (at > 0) {
    const size_t parent = (at - 1) / 2;
    if (heap_[parent]->at_ns_ <= timer->at_ns_) break;
    put(at, heap_[parent]);
    at = parent;
  }
  put(at, timer);
}

void Timers::down(size_t at) {
  Timer* const timer = heap_[at];
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->at_ns_ < heap_[child]->at_ns_) ++child;
    if (timer->at_ns_ <= heap_[child]->at_ns_) break;
    put(at, heap_[child]);
    at = child;
  }
  put(at, timer);
}

void Timers::set(Timer& timer, int64_t at_ns) {
  cancel(timer);
  timer.at_ns_ = at_ns;
  heap_.push_back(&timer);
  up(heap_.size() - 1);
}

void Timers::cancel(Timer& timer) {
  if (!timer.is_set()) return;
  const size_t at = timer.place_;
  timer.place_ = Timer::kNowhere;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  put(at, last);
  up(at);
  down(last->place_);
}

std::optional<int64_t> Timers::next_ns() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->at_ns_;
}

void Timers::run(int64_t now_ns) {
  while (!heap_.empty() && heap_.front()->at_ns_ <= now_ns) {
    Timer& timer = *heap_.front();
    cancel(timer);
    timer.due();
  }
}

}  // namespace alos::broker
