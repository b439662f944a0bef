#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/box_plan.h"

namespace alos::box {

// The host's paths that a mount names now, in no order: its one path, there or not, or what is there and matches its
// glob. The same for who guards a launch and for who makes it, and matched as everything else that a policy names
// (policy/pattern.h). Directories on the way that are missing or closed hold nothing. Links on the way are followed, as
// a path through them is then refused by name. Errors: what a glob's directories cannot be read for otherwise, with the
// rule.
Result<std::vector<std::string>> expand(const policy::BoxMount& mount);

}  // namespace alos::box
