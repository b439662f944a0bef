#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace alos::box {

// Forks a process that sleeps until this one is gone, however it went, and removes those cgroups then: as root nobody
// else could. It holds nothing but the end of a pipe. Nothing to remove: nothing is forked.
Result<void> start_janitor(const std::vector<std::string>& directories);

}  // namespace alos::box
