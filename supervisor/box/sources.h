#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/box_plan.h"
#include "supervisor/box/layout.h"

namespace alos::box {

// The Landlock rights (linux/landlock.h) that a set of policy rights stands for.
uint64_t landlock_access(policy::Rights rights);
// The MOUNT_ATTR_* that hold it without Landlock: read-only, noexec, always nosuid and nodev.
uint64_t mount_attributes(policy::Rights rights);

// What mounts of a plan are on this host now: globs expanded, each path opened without following links and made a
// detached mount with its attributes. A link is placed as a link: what it leads to needs a rule of its own. A socket
// is placed where a rule names it, not by a glob. What lies in
// the workspace is left to place_workspace().
// Errors name rule, path and fix: a literal path that is missing, a directory where the rule names one file, a path
// through a link.
Result<std::vector<Place>> open_sources(const std::vector<policy::BoxMount>& mounts, const std::string& workspace);
// Those in the workspace, as it is mounted.
Result<std::vector<Place>> place_workspace(const std::vector<policy::BoxMount>& mounts, const std::string& workspace,
                                           const UniqueFd& merged);
// A nested rule's place must come after the tree that holds it.
void order_places(std::vector<Place>& places);
// /dev/null and the like.
Result<std::vector<Place>> open_devices();

// What programs in the box speak to alos with (policy::kBoxClients), from beside the launcher.
Result<Place> open_clients();

}  // namespace alos::box
