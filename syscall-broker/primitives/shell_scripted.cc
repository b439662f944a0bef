#include <signal.h>

#include <algorithm>

#include "syscall-broker/primitives/shell_ended.h"
#include "syscall-broker/primitives/sleep.h"

namespace alos::broker {
namespace {

// In parts, as fast as the client reads.
Task<bool> write_all(Call& call, std::string_view words, Sent& to) {
  constexpr size_t kStep = 32 << 10;
  for (; !words.empty(); words.remove_prefix(std::min(kStep, words.size()))) {
    to.take(words.substr(0, kStep));
    co_await call.room();
  }
  co_return true;
}

}  // namespace

Task<Ended> end_by_script(Call& call, const ScriptLine& line, uint64_t timeout_ms, const Reactor::Time& time,
                          Sent& output, Sent& error) {
  const int64_t begun = time.now_ns();
  co_await write_all(call, line.out, output);
  co_await write_all(call, line.err, error);
  Ended ended{.executed = true, .timed_out = line.takes_ms > timeout_ms, .status = line.status};
  if (ended.timed_out) ended.status = SIGKILL;
  const int64_t over = begun + static_cast<int64_t>(std::min(line.takes_ms, timeout_ms)) * 1'000'000;
  if (over > time.now_ns()) {
    Sleep sleep(call, over);
    co_await sleep;
  }
  co_return ended;
}

}  // namespace alos::broker
