#pragma once

#include <seccomp.h>

#include <string_view>
#include <vector>

#include "supervisor/box/seccomp.h"

// What is decided by a call's arguments. These rows are asked first; a call that none of them matches is answered by
// its group or refusal. All rows of one call are disjoint or agree, so that their order means nothing.
namespace alos::seccomp {

struct ArgumentRule {
  std::string_view call;
  uint32_t action;                 // SCMP_ACT_ALLOW or SCMP_ACT_ERRNO(...)
  std::vector<scmp_arg_cmp> when;  // all of them; at most one per argument
};

std::vector<ArgumentRule> argument_rules(const FilterOptions& options);

}  // namespace alos::seccomp
