#include "supervisor/host/events.h"

#include <poll.h>
#include <unistd.h>

#include <bit>

#include "base/clock.h"

namespace alos::host {

Events::Events(UniqueFd fd) : fd_(std::move(fd)) {}

void Events::write(std::string_view event, const nlohmann::ordered_json& fields) {
  if (!fd_) return;
  nlohmann::ordered_json line{{"v", 1}, {"event", event}, {"time", rfc3339(wall_ns())}};
  line.update(fields);
  if (dropped_ > 0) line["dropped"] = dropped_;
  // "replace": names may be in any bytes, JSON is UTF-8.
  const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  pollfd ready{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
  const bool written = ::poll(&ready, 1, 100) == 1 && (ready.revents & POLLOUT) &&
                       ::write(fd_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  dropped_ = written ? 0 : dropped_ + 1;
}

void Events::write_repeated(std::string_view event, nlohmann::ordered_json fields, uint64_t count) {
  if (count > kRepeats && !std::has_single_bit(count)) return;
  fields["count"] = count;
  write(event, fields);
}

}  // namespace alos::host
