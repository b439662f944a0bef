#pragma once

#include "policy/box_plan.h"

namespace alos::box {

// The plan with the masks of a box that has the command's own mounts: these hold what the plan's exceptions leave out
// of the agent's, and what denies take away in them is taken away.
policy::BoxPlan plan_of_command(const policy::BoxPlan& plan, const policy::BoxCommand& command);

}  // namespace alos::box
