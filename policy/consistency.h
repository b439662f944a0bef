#pragma once

#include <map>
#include <set>
#include <string>

#include "policy/policy.h"
#include "policy/problem.h"

namespace alos::policy {

// Rules that cannot be meant, whoever enforces them: an allow of the whole machine, of kernel file systems that the box
// has of its own, or with `w` of what the system runs from; an exception that takes nothing away; a rule that is dead
// because another one says more; a command that may not be elevated, or that gives nothing. `ancestors` names, for each
// policy, those that it extends: a rule is only called dead where its author could see the other one.
void check_consistency(const Policy& policy, const std::map<std::string, std::set<std::string>>& ancestors,
                       Problems& problems);

}  // namespace alos::policy
