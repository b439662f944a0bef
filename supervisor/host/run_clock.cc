#include "supervisor/host/run_clock.h"

#include <unistd.h>

#include <cerrno>

#include "base/paths.h"
#include "policy/units.h"

namespace alos::host {
namespace {

constexpr size_t kLongestLine = 256;

}  // namespace

Result<int64_t> parse_clock_order(std::string_view line) {
  constexpr std::string_view kAdvance = "advance ";
  constexpr std::string_view kHelp = "write 'advance 6h', a line each";
  if (!line.starts_with(kAdvance)) return fail("clock", printable(line), EINVAL, kHelp);
  const auto ms = policy::parse_duration(line.substr(kAdvance.size()));
  if (!ms) return fail("clock", printable(line), EINVAL, ms.error().hint.empty() ? kHelp : ms.error().hint);
  if (*ms > static_cast<uint64_t>(RunClock::kFurthestNs / 1'000'000))
    return fail("clock", printable(line), ERANGE, "a hundred years at most");
  return static_cast<int64_t>(*ms) * 1'000'000;
}

std::vector<Result<int64_t>> RunClock::read_orders() {
  std::vector<Result<int64_t>> out;
  char buffer[4096];
  const ssize_t n = ::read(orders_.get(), buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return out;
  if (n <= 0) orders_.reset();
  if (n > 0) unread_.append(buffer, static_cast<size_t>(n));
  for (size_t end; (end = unread_.find('\n')) != unread_.npos; unread_.erase(0, end + 1)) {
    auto by = parse_clock_order(std::string_view(unread_).substr(0, end));
    if (by && *by > kFurthestNs - moved_ns_)
      by = fail("clock", unread_.substr(0, end), ERANGE, "a hundred years in all");
    out.push_back(std::move(by));
  }
  if (unread_.size() <= kLongestLine) return out;
  out.push_back(fail("clock", printable(unread_.substr(0, 40)), E2BIG, "write 'advance 6h', a line each"));
  orders_.reset();
  return out;
}

}  // namespace alos::host
