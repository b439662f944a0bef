#pragma once

#include <vector>

#include "base/result.h"
#include "policy/box_plan.h"
#include "supervisor/box/layout.h"

namespace alos::box {

// What the policy's denies match at launch below what is mounted. `merged` is the workspace as the box will see it (its
// pending layer included), so that a secret which an earlier run renamed is found under its new name.
//
// Reading denied: hidden by a mode-000 node, together with every other name of the same file in the workspace (a hard
// link). Only writing or executing denied: its own mount without that. What lies in a hidden
// directory is covered with it, and looked at for its other names alone.
// Links are never followed. A directory in which something may match and that the launcher may not read (EACCES) is
// hidden whole. Errors: more than 10,000 matches (E2BIG), and those of walk_below().
//
// Hidden as well are the nodes of `sockets`, paths that the host's sockets are bound to (named_sockets()), where they
// lie in a tree of the host that is mounted as it is. A socket that is a place of its own is what its rule names, and
// stays.
Result<std::vector<Cover>> find_covers(const policy::BoxPlan& plan, const UniqueFd& merged,
                                       const std::vector<Place>& places, const std::vector<std::string>& sockets);

}  // namespace alos::box
