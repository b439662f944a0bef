#include "syscall-broker/change_lock.h"

namespace alos::broker {

bool ChangeLock::enter(Mode mode) {
  if (!waiting_.empty() || !is_free_for(mode)) return false;
  admit(mode);
  return true;
}

void ChangeLock::admit(Mode mode) {
  ++holders_;
  alone_ = mode == Mode::alone;
}

// The next are not resumed from here, in the middle of how another call ends.
void ChangeLock::release() {
  if (--holders_ == 0) alone_ = false;
  if (!waiting_.empty() && !std::exchange(waking_, true)) reactor_.at_end_of_turn([this] { wake(); });
}

void ChangeLock::wake() {
  waking_ = false;
  while (!waiting_.empty() && is_free_for(waiting_.front()->mode)) {
    const Turn& next = *waiting_.front();
    waiting_.pop_front();
    admit(next.mode);
    next.waiting.resume();
  }
}

}  // namespace alos::broker
