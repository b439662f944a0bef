#pragma once

#include <cstdint>
#include <ctime>

namespace alos {

// Times that files have, which whoever owns one sets as he likes (utimensat(2)), as nanoseconds since 1970: as near as
// 64 bits come, which is from 1677 to 2262.
inline int64_t ns_of(const timespec& at) {
  int64_t out = 0;
  const bool beyond = __builtin_mul_overflow(int64_t{at.tv_sec}, int64_t{1'000'000'000}, &out) ||
                      __builtin_add_overflow(out, int64_t{at.tv_nsec}, &out);
  if (!beyond) return out;
  return at.tv_sec < 0 ? INT64_MIN : INT64_MAX;
}

// Back. Of a second the kernel takes no negative part.
inline timespec timespec_of(int64_t ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  const bool before = ns % kSecond < 0;
  return {.tv_sec = ns / kSecond - (before ? 1 : 0), .tv_nsec = ns % kSecond + (before ? kSecond : 0)};
}

}  // namespace alos
