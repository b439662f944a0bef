#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "syscall-broker/call.h"
#include "syscall-broker/reactor.h"

namespace alos::broker {

// What a command writes to one of its streams: what fits the limit is sent on, all of it is counted.
class Sent {
 public:
  Sent(Call& call, bool error, uint64_t limit) : call_(call), error_(error), limit_(limit) {}
  void take(std::string_view data) {
    const uint64_t room = size_ < limit_ ? limit_ - size_ : 0;
    size_ += data.size();
    if (room == 0 || data.empty()) return;
    wire::Output out;
    out.set_data(data.data(), std::min<uint64_t>(data.size(), room));
    out.set_error(error_);
    call_.put(std::move(out));
  }
  uint64_t size() const { return size_; }
  // Something of it may be missing at its end.
  void cut() { cut_ = true; }
  bool truncated() const { return cut_ || size_ > limit_; }

 private:
  Call& call_;
  bool error_;
  bool cut_ = false;
  uint64_t limit_, size_ = 0;
};

// How a command ended, whoever ran it.
struct Ended {
  bool executed = false, timed_out = false;
  int status = 0;  // as of waitpid(2), or the errno of starting it
};
wire::ShellRun::Result result_of(const Ended& ended, const Sent& output, const Sent& error);

// In the place of a box: the line's words at once, then its time, which the timeout cuts short. The call may have been
// given up meanwhile.
Task<Ended> end_by_script(Call& call, const ScriptLine& line, uint64_t timeout_ms, const Reactor::Time& time,
                          Sent& output, Sent& error);

}  // namespace alos::broker
