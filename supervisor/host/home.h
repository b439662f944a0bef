#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::host {

// A home that lasts, below <state>/homes/POLICY/NAME.

// One directory name for each policy, that of a file included: two never share a home.
std::string home_name(std::string_view policy);

// For one run at a time: boxes with one home would hand each other descriptors there, and outlive their own end in each
// other. Held by being open; says whose it is. Errors: {"home", name, EBUSY, who has it}.
Result<UniqueFd> lock_home(const std::string& directory, const std::string& name, const std::string& run);

}  // namespace alos::host
