#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace alos::cli {

// A moment as a person writes it: "10m", "2h", "3d" (so long before `now_ns`), "2026-11-22", "2026-11-22T11:03",
// "2026-11-22 11:03:14" (local time), or with a Z at the end (UTC). Nanoseconds of wall time.
// Errors: {"time", text, EINVAL}.
Result<int64_t> parse_moment(std::string_view text, int64_t now_ns);

// Local date and time of day: "2026-11-22", "11:03:14.123".
std::string local_day(int64_t wall_ns);
std::string local_time(int64_t wall_ns);
std::string local_zone(int64_t wall_ns);

}  // namespace alos::cli
