#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "base/result.h"

namespace alos::host {

// Whether everything of some boxes waits for the broker, as far as whoever may not trace their processes can see.
// `inits`: the first process of each; `waiters`: processes that have a call under way which waits.
//
// Yes means that at one instant every thread of every process slept, or was stopped, and every process without a living
// child was one of the waiters. One that has such children counts as waiting for them. So a process of its own that
// sleeps by nanosleep(2) or reads a pipe is a no; a further thread of a waiter that does so is not seen.
//
// Errors: /proc does not show them, or this kernel does not list children (CONFIG_PROC_CHILDREN).
Result<bool> all_wait(std::span<const pid_t> inits, std::span<const int32_t> waiters);

}  // namespace alos::host
