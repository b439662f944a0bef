#pragma once

#include <sys/stat.h>

#include <coroutine>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "syscall-broker/reactor.h"

namespace alos::broker {

// Held by whatever changes files by primitives, for as long as what it found must be so: by many at once, or alone by
// what compares something first. In turn: who waits to be alone is passed by nobody. One thread, the reactor's.
class ChangeLock {
 public:
  enum class Mode : uint8_t { together, alone };
  static constexpr Mode alone_if(bool compares) { return compares ? Mode::alone : Mode::together; }

  explicit ChangeLock(Reactor& reactor) : reactor_(reactor) {}
  ChangeLock(const ChangeLock&) = delete;
  ChangeLock& operator=(const ChangeLock&) = delete;

  class [[nodiscard]] Held {
   public:
    explicit Held(ChangeLock& of) : of_(&of) {}
    Held(Held&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (of_ != nullptr) of_->release();
    }

   private:
    ChangeLock* of_;
  };
  struct Turn {
    bool await_ready() { return lock.enter(mode); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      waiting = coroutine;
      lock.waiting_.push_back(this);
    }
    Held await_resume() const noexcept { return Held(lock); }
    ChangeLock& lock;
    Mode mode;
    std::coroutine_handle<> waiting{};
  };
  // A file's content is written, for as long as this lives: what is found of the file at the end is of this write alone
  // where is_alone(). Moves nowhere.
  class Writing {
   public:
    Writing(ChangeLock& of, const struct stat& st);
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
    ~Writing();
    [[nodiscard]] bool is_alone() const { return alone_; }

   private:
    ChangeLock& of_;
    dev_t device_;
    ino_t inode_;
    mutable bool alone_ = true;  // also of one that is const where it lives
  };

  // co_await lock.take(mode): given back by the end of what it answers. Nobody takes it twice.
  [[nodiscard]] Turn take(Mode mode) { return Turn{*this, mode}; }

 private:
  bool enter(Mode mode);
  [[nodiscard]] bool is_free_for(Mode mode) const { return holders_ == 0 || (mode == Mode::together && !alone_); }
  void admit(Mode mode);
  void release();
  void wake();

  Reactor& reactor_;
  std::deque<Turn*> waiting_;
  std::vector<const Writing*> writings_;  // no more than calls that are carried out at once
  unsigned holders_ = 0;
  bool alone_ = false;
  bool waking_ = false;
};

}  // namespace alos::broker
