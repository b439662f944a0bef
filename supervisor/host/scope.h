#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "supervisor/box/cgroup_view.h"
#include "supervisor/box/limit_holders.h"

namespace alos::host {

// Where the user's manager is asked, and how it shows that it did what it was asked for.
struct ScopeRequest {
  box::MachineFiles files{};
  int wait_ms = 5000;
};

// Before anything is forked: brings this process to where boxes can be limited, if it is not there yet and `limits`
// need it. In a delegated group of its own it moves into a leaf, which leaves the group free to hand controllers down;
// without one the user's manager is asked over D-Bus for a scope with Delegate=yes. The asking is done by busctl, which
// is there wherever the manager is: no static libsystemd exists, and the one call is not worth a protocol of our own.
//
// Errors say what was tried and what the manager answered; nothing is lost then but limits, which the launch refuses by
// name.
Result<void> stand_where_limits_hold(const std::string& run, const std::vector<box::Limit>& limits,
                                     const ScopeRequest& request = {});

}  // namespace alos::host
