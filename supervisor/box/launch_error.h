#pragma once

#include <unistd.h>

#include <expected>

#include "base/result.h"
#include "supervisor/box/launch_times.h"
#include "supervisor/box/step.h"

namespace alos::box {

// Where a launch failed, on either side of the clone.
struct LaunchError {
  Step step;
  Error error;
};
template <class T>
using Launched = std::expected<T, LaunchError>;

// As TRY, for a step: its error says which. `run` has a Fault and the times of steps.
#define ALOS_STEP(run, at, ...)                                                           \
  __extension__({                                                                         \
    auto result_ = (__VA_ARGS__);                                                         \
    if ((run).fault.delays(at)) ::usleep(500'000);                                        \
    if ((run).fault.hits(at)) result_ = alos::fail("fault", name(at), (run).fault.error); \
    if (!result_) return std::unexpected(LaunchError{at, std::move(result_).error()});    \
    mark_step((run).steps, at);                                                           \
    ::alos::detail::take(std::move(result_));                                             \
  })

// Of one launch: what tests have fail, and where the times of its steps go (LaunchTimes).
struct Trace {
  Fault fault{};
  int64_t* steps = nullptr;
};

}  // namespace alos::box
