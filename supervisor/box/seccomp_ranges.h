#pragma once

#include <cstdint>
#include <map>

#include "supervisor/box/seccomp.h"

namespace alos::seccomp {

// A program that answers by call number alone: a binary search over the ranges of numbers that have the same answer.
// Neighbours in the kernel's table are often alike, so that 370 calls make some 80 ranges; libseccomp's tree has a
// comparison for every call, and the kernel takes 0.2 us to translate each of them at every launch. It does not look
// at the entry (arch, x32): whoever runs before it has.
// Errors: E2BIG where a jump would not reach.
Result<Program> search_by_number(const std::map<uint32_t, uint32_t>& answers, uint32_t otherwise);

}  // namespace alos::seccomp
