#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>

namespace alos::testing {

// What a filter answers to one system call, and how many instructions it took.
struct Verdict {
  uint32_t action = 0;  // SECCOMP_RET_* with its data
  int steps = 0;
};

// Runs a seccomp program as the kernel would (classic BPF over seccomp_data, what seccomp_check_filter() admits).
// Nothing where the kernel would have refused to load it: an unknown instruction, a jump or a load out of bounds, no
// end.
std::optional<Verdict> run(std::span<const sock_filter> program, const seccomp_data& call);

}  // namespace alos::testing
