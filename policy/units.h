#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/result.h"

namespace alos::policy {

// The values of `limits`. Errors: {"limit", text, EINVAL, what to write}; ERANGE where the number does not fit.

// Bytes: a whole number with KiB, MiB, GiB or TiB. KB, MB and GB mean two things and are refused with the fix.
Result<uint64_t> parse_size(std::string_view text);
// Milliseconds: whole numbers with ms, s, m, h or d, largest unit first, as in 90s or 1h30m.
Result<uint64_t> parse_duration(std::string_view text);
// What holds it counts nanoseconds: the longest that is read.
inline constexpr uint64_t kLongestDuration = static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / 1'000'000;
// The same back: the largest unit first, "0ms" for nothing.
std::string duration_text(uint64_t milliseconds);
// Thousandths of a core: 2, 0.5, 1.25.
Result<uint64_t> parse_cores(std::string_view text);
// A whole number from 1 up, without leading zeros (YAML 1.1 read 022 as 18).
Result<uint64_t> parse_count(std::string_view text);
// "image" or "watched": kDiskByImage, kDiskByWatching (box_plan.h).
Result<uint64_t> parse_disk_by(std::string_view text);

}  // namespace alos::policy
