#include "base/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace alos {
namespace {

int64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t wall_ns() {
  return read_clock(CLOCK_REALTIME);
}
int64_t boot_ns() {
  return read_clock(CLOCK_BOOTTIME);
}
int64_t thread_ns() {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
int64_t file_stamp_ns() {
  return read_clock(CLOCK_REALTIME_COARSE);
}

int64_t long_ns(int64_t count, int64_t unit_ns) {
  int64_t out = 0;
  if (!__builtin_mul_overflow(count, unit_ns, &out)) return out;
  return (count < 0) == (unit_ns < 0) ? INT64_MAX : INT64_MIN;
}

std::string rfc3339(int64_t wall_ns) {
  const time_t seconds = wall_ns / 1'000'000'000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, wall_ns % 1'000'000'000 / 1000);
}

}  // namespace alos
