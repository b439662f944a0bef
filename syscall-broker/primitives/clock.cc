#include "base/clock.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "syscall-broker/primitive.h"
#include "syscall-broker/primitives/primitives.h"
#include "syscall-broker/primitives/sleep.h"

namespace alos::broker {
namespace {

constexpr int64_t kMs = 1'000'000;

// "UTC" or "+02:00": minutes east. Names of zones need the host's database, which the broker cannot read; clients have
// their own.
std::optional<int> offset_of(std::string_view zone) {
  if (zone.empty() || zone == "UTC" || zone == "Z") return 0;
  int hours = 0, minutes = 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto number = [](std::string_view digits, int& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc() && end == digits.data() + digits.size() && out >= 0;
  };
  if (!number(zone.substr(1, 2), hours) || !number(zone.substr(4, 2), minutes) || hours > 14 || minutes > 59)
    return std::nullopt;
  return (zone[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

std::string text_of(int64_t unix_ns, int offset, std::string_view zone) {
  const time_t seconds = unix_ns / 1'000'000'000 + offset * 60;
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}{}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, unix_ns % 1'000'000'000,
                     offset == 0 ? "Z" : zone);
}

class ClockNow final : public Primitive {
 public:
  ClockNow(const Reactor::Time& time, int64_t begun_ns) : time_(time), begun_ns_(begun_ns) {}

  Attempt<Plan> plan(Call& call) override {
    const std::string& zone = call.request().clock_now().zone();
    if (!offset_of(zone)) return give_up("clock.now", zone, EINVAL, "write UTC, or an offset as in +02:00");
    return Plan{.demands = {policy::Request::now()}, .target = {}};
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan&) override {
    const std::string& zone = call.request().clock_now().zone();
    Answer out;
    wire::ClockNow::Result& result = *out.reply.mutable_clock_now();
    const int64_t now = time_.wall_ns();
    result.set_unix_ns(now);
    result.set_elapsed_ns(static_cast<uint64_t>(time_.now_ns() - begun_ns_));
    result.set_text(text_of(now, *offset_of(zone), zone));
    co_return out;
  }

 private:
  const Reactor::Time& time_;
  int64_t begun_ns_;
};

class ClockSleep final : public Primitive {
 public:
  ClockSleep(const Reactor::Time& time, Host& host, uint64_t slept_ms)
      : time_(time), host_(host), slept_ms_(slept_ms) {}

  Attempt<Plan> plan(Call& call) override {
    const wire::ClockSleep& wanted = call.request().clock_sleep();
    if (wanted.key().size() > kLongestKey) return give_up("clock.sleep", "key", ENAMETOOLONG, "at most 256 bytes");
    return Plan{.demands = {policy::Request::sleep(wanted.duration_ms())}, .target = {}};
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan&) override {
    const wire::ClockSleep& wanted = call.request().clock_sleep();
    const int64_t begun = time_.now_ns();
    const bool is_new = !wanted.key().empty() && !keys_.contains(wanted.key());
    if (is_new && keys_.size() >= kKeys) co_return std::unexpected(limited("keys of sleeps", kKeys, "use one again"));
    if (auto limit = charge(call)) co_return std::unexpected(std::move(*limit));
    int64_t until = begun + long_ns(static_cast<int64_t>(std::min<uint64_t>(wanted.duration_ms(), INT64_MAX)), kMs);
    Answer out;
    if (!wanted.key().empty()) {
      until = keys_.try_emplace(wanted.key(), until).first->second;
      out.reply.mutable_clock_sleep()->set_over_before(until <= begun);
    }
    if (until > begun) co_await Sleep{call, until};
    if (call.is_cancelled()) co_return give_up("clock.sleep", "", ECANCELED, "");
    out.reply.mutable_clock_sleep()->set_slept_ms(static_cast<uint64_t>((time_.now_ns() - begun) / kMs));
    co_return out;
  }

 private:
  static constexpr size_t kLongestKey = 256, kKeys = 10'000;

  // Of all sleeps of the run together, by what is asked for: nothing is given back. A sleep that goes on under its key
  // was paid for.
  std::optional<Answer> charge(Call& call) {
    const wire::ClockSleep& wanted = call.request().clock_sleep();
    const auto total = call.agent().policy().policy().clock.total_ms;
    if (!total || keys_.contains(wanted.key())) return std::nullopt;
    const uint64_t left = *total - std::min(*total, slept_ms_);
    if (wanted.duration_ms() > left)
      return limited("clock.sleep total", *total, fmt::format("{} ms of it are left", left));
    slept_ms_ += wanted.duration_ms();
    host_.slept(slept_ms_);
    return std::nullopt;
  }

  const Reactor::Time& time_;
  Host& host_;
  uint64_t slept_ms_;
  std::map<std::string, int64_t, std::less<>> keys_;  // when each is over
};

}  // namespace

void add_clock_primitives(Pipeline& pipeline, const Reactor::Time& time, Host& host, const Agent::Facts& facts) {
  pipeline.add(wire::Request::kClockNow, std::make_unique<ClockNow>(time, facts.begun_ns));
  pipeline.add(wire::Request::kClockSleep, std::make_unique<ClockSleep>(time, host, facts.slept_ms));
}

}  // namespace alos::broker
