#include "supervisor/host/events.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/clock.h"

namespace alos::host {
namespace {
constexpr int64_t kPatience = 1'000'000'000;  // ns, for a line
}

Events::Events(UniqueFd fd) : fd_(std::move(fd)) {}

void Events::write(std::string_view event, const nlohmann::ordered_json& fields) {
  if (!fd_) return;
  nlohmann::ordered_json line{{"v", 1}, {"event", event}, {"time", rfc3339(wall_ns())}};
  line.update(fields);
  if (dropped_ > 0) line["dropped"] = dropped_;
  // "replace": names may be in any bytes, JSON is UTF-8.
  const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  dropped_ = put((torn_ ? "\n" : "") + text) ? 0 : dropped_ + 1;
}

// In pieces that a pipe takes without blocking where poll says that it is writable (pipe(7), PIPE_BUF).
bool Events::put(std::string_view text) {
  const int64_t until = boot_ns() + kPatience;
  while (!text.empty()) {
    pollfd ready{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
    if (boot_ns() > until || ::poll(&ready, 1, 100) != 1 || !(ready.revents & POLLOUT)) return false;
    const ssize_t n = ::write(fd_.get(), text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (n < 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
    torn_ = !text.empty();
  }
  return true;
}

void Events::write_repeated(std::string_view event, nlohmann::ordered_json fields, uint64_t count) {
  if (count > kRepeats && !std::has_single_bit(count)) return;
  fields["count"] = count;
  write(event, fields);
}

}  // namespace alos::host
