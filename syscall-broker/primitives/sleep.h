#pragma once

#include "syscall-broker/call.h"
#include "syscall-broker/reactor.h"

namespace alos::broker {

// Until a time of the run's clock, or until the call is given up. In the heap while it waits, and nowhere else: a call
// that waits like this has one timer, by which a virtual clock knows that nothing is left to do but to wait.
struct Sleep final : Timer {
  Sleep(Call& sleeping, int64_t end_ns) : call(sleeping), until(end_ns) {}
  bool await_ready() const { return call.is_cancelled(); }
  void await_suspend(std::coroutine_handle<> coroutine) {
    waiting = coroutine;
    call.reactor().timers().set(*this, until);
    call.on_cancel([this] {
      call.reactor().timers().cancel(*this);
      waiting.resume();
    });
  }
  void await_resume() { call.on_cancel(nullptr); }
  void due() override { waiting.resume(); }
  Call& call;
  int64_t until;
  std::coroutine_handle<> waiting{};
};

}  // namespace alos::broker
