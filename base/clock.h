#pragma once

#include <cstdint>
#include <string>

namespace alos {

// Wall time, nanoseconds since 1970 (CLOCK_REALTIME).
int64_t wall_ns();
// Time since boot, suspended time included, nanoseconds (CLOCK_BOOTTIME).
int64_t boot_ns();
// Processor time that the calling thread has used, nanoseconds (CLOCK_THREAD_CPUTIME_ID).
int64_t thread_ns();
// What the kernel stamps files with before 6.13: CLOCK_REALTIME_COARSE, up to one tick behind wall_ns().
int64_t file_stamp_ns();

// `count` times `unit_ns`, or as much as there is of time on that side: no such length is reached anyway.
int64_t long_ns(int64_t count, int64_t unit_ns);

// "2026-11-22T11:03:14.123456Z"
std::string rfc3339(int64_t wall_ns);

}  // namespace alos
