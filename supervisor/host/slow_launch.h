#pragma once

#include <cstdint>
#include <string>

namespace alos::host {

// A launch that is not over after this long is told to whoever waits for it: copying a large workspace takes its time,
// and so does a kernel that holds up every mount or filter, which nothing in a process can end.
constexpr int64_t kSlowLaunchNs = 5'000'000'000;

// What this process's children are doing, for people: "alos-launcher (process 12) waits in the kernel". Of a launch
// these are the launcher and, once there is one, the box that it makes. Empty if they cannot be looked at (proc(5)).
std::string children_at_work();

}  // namespace alos::host
