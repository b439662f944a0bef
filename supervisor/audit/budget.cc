#include "supervisor/audit/budget.h"

#include <algorithm>

namespace alos::audit {
namespace {

std::string key_of(const Record& record) {
  std::string key;
  for (const std::string_view part : {record.run, record.process, record.action, record.target, record.rule,
                                      record.source, record.outcome, record.detail.members()}) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  }
  return key;
}

}  // namespace

std::optional<uint64_t> Repeats::absorb(const Record& record, uint64_t number, int64_t now_ns) {
  if (record.decision != Decision::deny) return {};
  auto [at, fresh] = seen_.try_emplace(key_of(record));
  Repeat& repeat = at->second;
  if (!fresh) {
    ++repeat.count;
    repeat.last_ns = now_ns;
    return repeat.number;
  }
  repeat.run = record.run;
  repeat.process = record.process;
  repeat.action = record.action;
  repeat.target = record.target;
  repeat.rule = record.rule;
  repeat.source = record.source;
  repeat.outcome = record.outcome;
  repeat.number = number;
  repeat.first_ns = repeat.last_ns = now_ns;
  oldest_ns_ = std::min(oldest_ns_, now_ns);
  return {};
}

void Repeats::drop(const Record& record) {
  seen_.erase(key_of(record));
}

std::vector<Repeats::Repeat> Repeats::take(int64_t now_ns, std::string_view run) {
  std::vector<Repeat> out;
  // A clock that was set back ends every window: nothing waits for it to come round again.
  const auto over = [&](int64_t first_ns) { return now_ns < first_ns || now_ns - first_ns >= window_; };
  if (seen_.empty() || !over(oldest_ns_)) return out;
  oldest_ns_ = INT64_MAX;
  for (auto at = seen_.begin(); at != seen_.end();) {
    Repeat& repeat = at->second;
    if (!over(repeat.first_ns) || (!run.empty() && repeat.run != run)) {
      oldest_ns_ = std::min(oldest_ns_, repeat.first_ns);
      ++at;
      continue;
    }
    if (repeat.count > 0) out.push_back(std::move(repeat));
    at = seen_.erase(at);
  }
  std::ranges::sort(out, {}, &Repeat::first_ns);
  return out;
}

Result<void> Budget::charge(const Record& record, uint64_t bytes) {
  if (record.run.empty()) return {};
  Used& used = used_[std::string(record.run)];
  const bool beyond = record.charge == Charge::counts && used.all + bytes > run_bytes_;
  uint64_t& of = beyond ? used.counts : used.all;
  const uint64_t limit =
      beyond ? reserve_bytes_ : run_bytes_ + (record.charge == Charge::supervisor ? reserve_bytes_ : 0);
  if (of + bytes > limit)
    return fail("audit budget", record.run, EDQUOT,
                "the run has used up its room in the audit log; end it, nothing may happen that is not recorded");
  of += bytes;
  return {};
}

}  // namespace alos::audit
