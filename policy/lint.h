#pragma once

#include "policy/plan.h"
#include "policy/problem.h"

namespace alos::policy {

// What loads and is kept, and is still likely not to be what its author wants. Each finding says what it amounts to.
Problems lint(const CompiledPolicy& compiled, const Plan& plan);

// The policy's own `tests`: each line that is not decided as it says, or that a box would not keep so (planned_box.h).
Problems run_tests(const CompiledPolicy& compiled, const Plan& plan);

}  // namespace alos::policy
