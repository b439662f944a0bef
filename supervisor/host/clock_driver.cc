#include "supervisor/host/clock_driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "supervisor/host/say.h"
#include "supervisor/host/stillness.h"

namespace alos::host {
namespace {

constexpr int64_t kLookEveryNs = 5'000'000;
constexpr int64_t kShareOfTime = 5;  // for that part of it there is looking at most, however many processes there are

}  // namespace

bool ClockDriver::follow_orders() {
  bool moved = false;
  for (const Result<int64_t>& by : clock_.read_orders()) {
    if (!by) {
      say(fmt::format("alos: {}\n", by.error().text()));
      continue;
    }
    move(clock_.now_ns() + *by, "outside");
    moved = true;
  }
  return moved;
}

void ClockDriver::rests(broker::Rests rests) {
  if (!clock_.is_given() || blind_) return;
  rests_ = std::move(rests);
  look_ns_ = std::max(share_ns_, boot_ns());
}

std::optional<int64_t> ClockDriver::next_look_ns() const {
  return rests_ ? std::optional(look_ns_) : std::nullopt;
}

std::optional<broker::Advance> ClockDriver::look(std::vector<pid_t> inits, std::optional<int64_t> wall_end_ns) {
  const int64_t begun = boot_ns(), worked = thread_ns();
  look_ns_ = begun + kLookEveryNs;
  if (std::ranges::find(inits, 0) != inits.end()) return std::nullopt;
  const auto wait = all_wait(inits, rests_->clients);
  look_ns_ = std::max(look_ns_, begun + kShareOfTime * (boot_ns() - begun));
  share_ns_ = boot_ns() + (kShareOfTime - 1) * (thread_ns() - worked);
  if (!wait) {
    blind_ = true;
    rests_.reset();
    say(fmt::format("alos: the virtual clock moves by orders alone: {}\n", wait.error().text()));
    events_.write("clock", {{"state", "moved by orders alone"}, {"reason", wait.error().text()}});
    return std::nullopt;
  }
  if (!*wait) return std::nullopt;
  const broker::Rests rests = *std::exchange(rests_, std::nullopt);
  asked_ = broker::Advance{.state = rests.state, .now_ns = std::min(rests.next_ns, wall_end_ns.value_or(INT64_MAX))};
  return asked_;
}

void ClockDriver::advanced(uint64_t state) {
  if (asked_ && asked_->state == state) move(std::exchange(asked_, std::nullopt)->now_ns, "waiting");
}

void ClockDriver::move(int64_t to_ns, std::string_view by) {
  const int64_t step = clock_.move_to(to_ns);
  events_.write_repeated("clock", {{"now", rfc3339(clock_.wall_ns())}, {"moved_ms", step / 1'000'000}, {"by", by}},
                         ++moves_);
}

}  // namespace alos::host
