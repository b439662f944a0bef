#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/box_plan.h"
#include "supervisor/box/layout.h"

namespace alos::box {

// What the launcher holds against a command of more rights than the agent's, though the broker and the supervisor did:
// an agent may have taken over the broker. Errors: {kRefused, rule, EACCES, why}, or why that could not be found out.
inline constexpr std::string_view kRefused = "hand over";

// That its words are those of the rule; that each file among them is named by an absolute, canonical path, which the
// plan gives the agent's own box with that right, and no mask takes; and that the command's own places show nothing
// else there.
Result<void> check_command(const policy::BoxPlan& plan, const policy::BoxCommand& command,
                           const std::vector<std::string>& argv);

// The same of what is there, among the agent's places and the command's own: that no link leads on from these files,
// nor from a directory handed over, that none lies among programs of the agent's box, whose links the run follows, and
// that the program's links do not end at one that may not be elevated. `places` holds both, the first `agents` of them
// the agent's; `host` as in View. Gives these files.
Result<std::vector<std::string>> check_command_in(const policy::BoxPlan& plan, const policy::BoxCommand& command,
                                                  const std::vector<std::string>& argv, std::span<const Place> places,
                                                  size_t agents, const UniqueFd& host);

// The plan with the masks of a box that has the command's own mounts: these hold what the plan's exceptions leave out
// of the agent's, and what denies take away in them is taken away.
policy::BoxPlan plan_of_command(const policy::BoxPlan& plan, const policy::BoxCommand& command);

}  // namespace alos::box
