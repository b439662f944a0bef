#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "supervisor/box/seccomp.h"

// What the strict filter must answer, written down a second time and in another way than the product's tables: in the
// order of the kernel's own table, arguments as plain C.
namespace alos::testing {

inline constexpr uint32_t kNewestCall = 469;  // file_setattr, kernel 6.17

uint32_t expected_answer(const seccomp_data& call, const seccomp::FilterOptions& options);

// The number's name, empty where the kernel has none up to kNewestCall.
std::string_view call_name(uint32_t number);

// For a call that is decided by its arguments: values worth trying, for each argument in turn. Empty for other calls.
const std::vector<std::vector<uint64_t>>& values_worth_trying(uint32_t number);

}  // namespace alos::testing
