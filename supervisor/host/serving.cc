#include "supervisor/host/serving.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/let_go.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/host/say.h"

namespace alos::host {
namespace {

using box::LauncherOrder;
using box::LauncherReport;

// A broker that an agent makes end is started again so often.
constexpr uint64_t kMostBrokers = 16;
// After the kernel had no room. An identity costs more: a process, and a number on the ring.
constexpr int64_t kRetryNs = 100'000'000, kRetryIdentityNs = 1'000'000'000;

// For what a broker has begun when the box is gone, and what it has to say: more than it takes for the former
// (syscall-broker/link_end.h).
constexpr int64_t kLastWordsNs = 5'000'000'000;

}  // namespace

Serving::Serving(const SupervisorOrder& order, const UniqueFd& launcher, UniqueFd ring, RunRecord& record,
                 Events& events, RunClock& clock)
    : order_(order),
      launcher_(launcher),
      ring_(std::move(ring)),
      record_(record),
      events_(events),
      clock_(clock),
      driver_(clock, events),
      runs_({.started =
                 [this](const broker::RunStarted& started, UniqueFd listener) {
                   return broker_ ? broker_->answer(started, std::move(listener)) : Result<void>();
                 },
             .ended =
                 [this](const broker::RunEnded& ended) {
                   if (broker_) broker_->answer(ended);
                 }}) {}

void Serving::begin(UniqueFd listener, pid_t init) {
  listener_ = std::move(listener);
  init_ = init;
}

void Serving::add_to(std::vector<pollfd>& fds) {
  if (broker_ && broker_->waits_for_kernel() && !retry_ns_) retry_ns_ = boot_ns() + kRetryNs;
  fds.push_back({.fd = broker_ ? broker_->fd() : -1, .events = broker_ ? broker_->events() : short{0}, .revents = 0});
  fds.push_back({.fd = listener_ && !broker_ && !retry_ns_ ? listener_.get() : -1, .events = POLLIN, .revents = 0});
  fds.push_back({.fd = clock_.orders(), .events = POLLIN, .revents = 0});
  fds.push_back({.fd = broker_ ? broker_->complaints() : -1, .events = POLLIN, .revents = 0});
  runs_.add_to(fds);
}

void Serving::look(std::span<const pollfd> fds) {
  constexpr size_t kOwn = 4;
  runs_.look(fds.subspan(kOwn));
  if (fds[3].revents != 0 && broker_) say_complaints();
  if ((fds[0].revents & POLLOUT) != 0 && !broker_->send()) broker_gone();
  if ((fds[0].revents & ~POLLOUT) != 0 && broker_) from_broker();
  if (fds[1].revents != 0) start_broker();
  if (fds[2].revents != 0 && driver_.follow_orders() && broker_)
    broker_->advance({.state = 0, .now_ns = clock_.now_ns()});
}

void Serving::heard(const LauncherReport& report, std::vector<UniqueFd> fds) {
  if (report.kind == LauncherReport::Kind::identity || report.kind == LauncherReport::Kind::identity_failed)
    return identity_found(report, std::move(fds));
  runs_.heard(report, std::move(fds));
}

void Serving::look_at_time(std::optional<int64_t> wall_end_ns) {
  if (std::exchange(retry_ns_, std::nullopt)) return try_again();
  std::vector<pid_t> inits = runs_.inits();
  inits.push_back(init_);
  if (const auto to = driver_.look(std::move(inits), wall_end_ns); to && broker_) broker_->advance(*to);
}

// What there were too many descriptors in flight for, or no memory; that the next broker may start is said by a
// listener that is polled again.
void Serving::try_again() {
  if (!broker_) return;
  if (broker_->waits_for_kernel() && !broker_->send()) return broker_gone();
  if (std::exchange(identity_again_, false)) want_identity();
}

// ---- the broker ----

// Something in the box connects for the first time, or again after a broker has ended.
void Serving::start_broker() {
  if (broker_starts_++ >= kMostBrokers) return no_broker("it ended too often");
  if (!calls_) calls_.emplace(order_.run, record_.log(), events_);
  broker::Begin begin{.run = order_.run,
                      .workspace = order_.workspace,
                      .env = order_.env,
                      .ring = {},
                      .virtual_time = clock_.is_given(),
                      .now_ns = clock_.now_ns(),
                      .wall_ns = clock_.wall_ns(),
                      .scripted = order_.script_lines > 0,
                      .begun_ns = clock_.begun_ns(),
                      .slept_ms = slept_ms_};
  begin.ring.assign(order_.ring_params.begin(), order_.ring_params.end());
  auto started = BrokerChild::start(begin, order_.rules, order_.script, listener_, ring_);
  if (!started && started.error().code == ETOOMANYREFS) {  // which passes, and is not this run's doing
    --broker_starts_;
    retry_ns_ = boot_ns() + kRetryNs;
    return;
  }
  if (!started) return no_broker(started.error().text());
  broker_.emplace(std::move(*started));
  identity_given_ = identity_again_ = identity_wanted_ = false;
}

// Who connects is refused from now on; the run goes on without primitives.
void Serving::no_broker(const std::string& why) {
  let_go(std::move(listener_));
  say(fmt::format("alos: primitives are not served in this run any more: {}\n", why));
  events_.write("broker", {{"state", "gone"}, {"reason", why}});
}

void Serving::from_broker() {
  const BrokerChild::Events events{
      .records =
          [this](broker::Records records) {
            const broker::AllRecorded answers = calls_->take(std::move(records));
            if (!answers.records.empty()) broker_->answer(answers);
          },
      .want_identity = [this] { want_identity(); },
      .want_run = [this](const broker::WantRun& wanted,
                         std::vector<UniqueFd> stdio) { runs_.want(launcher_, wanted, std::move(stdio)); },
      .end_run = [this](uint32_t run) { runs_.end(launcher_, run); },
      .rests = [this](broker::Rests rests) { driver_.rests(std::move(rests)); },
      .advanced = [this](uint64_t state) { driver_.advanced(state); },
      .slept = [this](uint64_t total_ms) { slept_ms_ = std::max(slept_ms_, total_ms); }};
  if (!broker_->receive(events)) broker_gone();
}

// Calls that were under way end for their clients with the connection; the next connection has a new one.
void Serving::broker_gone() {
  const bool said_all = broker_->end();
  lost_records_ = lost_records_ || !said_all;
  say_complaints();
  broker_.reset();
  driver_.works();
  runs_.end_all(launcher_);
  if (!box_gone_) events_.write("broker", {{"state", "ended"}, {"starts", broker_starts_}});
}

void Serving::end() {
  box_gone_ = true;
  (void)listener_.release();  // the end of this process closes it, and waits for nothing that was sent to it
  if (!broker_) return;
  broker_->finish();
  runs_.abandon();
  const int64_t until = boot_ns() + kLastWordsNs;
  while (broker_ && boot_ns() < until) {
    std::vector<pollfd> fds{{.fd = broker_->fd(), .events = broker_->events(), .revents = 0}};
    runs_.add_to(fds);
    if (::poll(fds.data(), fds.size(), 100) < 0 && errno != EINTR) break;
    if ((fds[0].revents & POLLOUT) != 0 || broker_->waits_for_kernel()) (void)broker_->send();
    if ((fds[0].revents & ~POLLOUT) != 0) from_broker();
    runs_.look(std::span(fds).subspan(1));
  }
  if (broker_) broker_gone();
}

// Nothing of it is an order to a terminal.
void Serving::say_complaints() {
  const std::string words = broker_->read_complaints();
  std::string out;
  for (size_t at = 0; at < words.size();) {
    const size_t end = std::min(words.find('\n', at), words.size());
    out += printable_text(std::string_view(words).substr(at, end - at)) + '\n';
    at = end + 1;
  }
  if (!out.empty()) say(out);
}

// ---- the agent's identity ----

void Serving::want_identity() {
  if (identity_given_) return broker_->answer(broker::Identity{.error = EALREADY, .text = "it was given"}, {});
  identity_wanted_ = true;
  if (std::exchange(identity_ordered_, true)) return;  // the answer is for all who asked
  const LauncherOrder order{.kind = LauncherOrder::Kind::identity};
  if (auto ordered = sys::send_message(launcher_.get(), std::as_bytes(std::span(&order, 1))); !ordered) {
    identity_ordered_ = false;
    broker_->answer(broker::Identity{.error = ordered.error().code, .text = ordered.error().text()}, {});
  }
}

void Serving::identity_found(const LauncherReport& report, std::vector<UniqueFd> fds) {
  identity_ordered_ = false;
  if (!broker_ || !identity_wanted_) return;  // who asked has ended
  if (report.kind == LauncherReport::Kind::identity_failed && report.error == ETOOMANYREFS) {
    identity_again_ = true;
    retry_ns_ = boot_ns() + kRetryIdentityNs;
    return;
  }
  if (report.kind == LauncherReport::Kind::identity_failed) {
    const std::string why = fmt::format("step '{}': {}", box::name(report.step), report.text.data());
    return broker_->answer(broker::Identity{.error = report.error == 0 ? EIO : report.error, .text = why}, {});
  }
  identity_given_ = true;
  broker_->answer(broker::Identity{.error = 0,
                                   .text = "",
                                   .personality = static_cast<uint16_t>(report.personality),
                                   .personality_of_files = static_cast<uint16_t>(report.personality_of_files),
                                   .mask_device = report.mask_device,
                                   .mask = report.mask},
                  std::move(fds));
}

}  // namespace alos::host
