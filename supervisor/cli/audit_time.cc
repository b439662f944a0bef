#include "supervisor/cli/audit_time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ctime>

#include "base/clock.h"

namespace alos::cli {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// "10m": digits and one unit; 0 where it is something else.
int64_t span_of(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end + 1 != text.data() + text.size() || number < 0 || number > 1'000'000) return 0;
  switch (*end) {
    case 's':
      return long_ns(number, kSecond);
    case 'm':
      return long_ns(number, 60 * kSecond);
    case 'h':
      return long_ns(number, 3600 * kSecond);
    case 'd':
      return long_ns(number, 86400 * kSecond);
    default:
      return 0;
  }
}

tm local(int64_t wall_ns) {
  const time_t seconds = wall_ns / kSecond;
  tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

Result<int64_t> parse_moment(std::string_view text, int64_t now_ns) {
  if (const int64_t span = span_of(text)) return now_ns - span;
  std::string plain(text);
  const bool utc = plain.ends_with('Z');
  if (utc) plain.pop_back();
  for (const char* format :
       {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"}) {
    tm parts{};
    const char* end = ::strptime(plain.c_str(), format, &parts);
    if (!end || *end != '\0') continue;
    parts.tm_isdst = -1;
    return long_ns(utc ? ::timegm(&parts) : ::mktime(&parts), kSecond);
  }
  return fail("time", text, EINVAL,
              "say how long ago (30s, 10m, 2h, 3d) or when (2026-11-22, 2026-11-22T11:03, a Z for UTC)");
}

std::string local_day(int64_t wall_ns) {
  const tm parts = local(wall_ns);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string local_time(int64_t wall_ns) {
  const tm parts = local(wall_ns);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", parts.tm_hour, parts.tm_min, parts.tm_sec,
                     wall_ns % kSecond / 1'000'000);
}

std::string local_zone(int64_t wall_ns) {
  const tm parts = local(wall_ns);
  return parts.tm_zone ? parts.tm_zone : "local time";
}

}  // namespace alos::cli
