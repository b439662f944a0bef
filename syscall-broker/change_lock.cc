#include "syscall-broker/change_lock.h"

namespace alos::broker {

ChangeLock::Writing::Writing(ChangeLock& of, const struct stat& st) : of_(of), device_(st.st_dev), inode_(st.st_ino) {
  for (const Writing* const other : of_.writings_)
    if (other->device_ == device_ && other->inode_ == inode_) other->alone_ = alone_ = false;
  of_.writings_.push_back(this);
}

ChangeLock::Writing::~Writing() {
  std::erase(of_.writings_, this);
}

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
