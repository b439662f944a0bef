#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "supervisor/box/cgroup.h"
#include "supervisor/box/janitor.h"
#include "supervisor/box/order.h"

// What a run needs of the machine. What is missing refuses it, unless it was given up by name.
namespace alos::box {

bool degraded(const Order& order, std::string_view what);

// What the front sent is complete and agrees with the policy.
Result<void> check_request(const Order& order);

// The groups that hold the limits, and what holds none here and was given up.
struct Limited {
  Janitor janitor;
  Cgroup cgroup;
  std::vector<std::string> given_up;
};
Result<Limited> make_cgroup(const Order& order);

// The Landlock ABI of this kernel, 0 without Landlock.
int landlock_abi();
// The same, or 0 where it was given up.
Result<int> landlock_floor(const Order& order);
// Whether a box is to be put under MDWE.
Result<bool> mdwe_floor(const Order& order);

}  // namespace alos::box
