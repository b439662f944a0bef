#pragma once

#include "base/result.h"
#include "supervisor/box/cgroup.h"

namespace alos::box {

// Forks a process that sleeps until this one is gone, however it went, and removes the groups of `plan` then: as root
// nobody else could. It holds nothing but the end of a pipe. Nothing to remove: nothing is forked.
Result<void> start_janitor(const CgroupPlan& plan);

}  // namespace alos::box
