#include "supervisor/host/call_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/paths.h"

namespace alos::host {
namespace {

// Intents that wait for their end: more than calls can be under way.
constexpr size_t kMostIntents = 200'000;
// Names of primitives are few; what a broker in wrong hands makes up is not counted.
constexpr size_t kMostCounts = 64, kLongestAction = 64;
// Different denials that are told one by one; later ones share a count.
constexpr size_t kMostDenials = 1024;
constexpr size_t kFirstDenials = 3;
// Of a text in a record: more than a broker in right hands sends (record_parts.cc). Some are kept.
constexpr size_t kLongestText = 9000;

// Whose records these may be. "run.end" is nothing that a broker says.
bool is_broker_s(std::string_view action) {
  if (action.size() > kLongestAction) return false;
  return std::ranges::any_of(std::initializer_list<std::string_view>{"fs.", "shell.", "clock.", "policy.", "channel."},
                             [&](std::string_view kind) { return action.starts_with(kind); });
}

void cut(broker::Record& record) {
  for (std::string* text :
       {&record.action, &record.target, &record.rule, &record.source, &record.reason, &record.layer, &record.outcome})
    if (text->size() > kLongestText) text->resize(kLongestText);
}

}  // namespace

Result<uint64_t> CallRecord::append(const broker::Record& record) {
  if (!is_broker_s(record.action))
    return fail("record", printable(std::string_view(record.action).substr(0, kLongestAction)), EINVAL);
  const bool denied = record.decision != policy::Effect::allow;
  const auto parent = intents_.find(record.parent);
  audit::Record out;
  out.run = run_;
  out.action = record.action;
  // A request begins with what was asked for, which is mostly the primitive itself.
  std::string_view target = record.target;
  if (target.starts_with(record.action + " ")) target.remove_prefix(record.action.size() + 1);
  out.target = target;
  out.decision = denied ? audit::Decision::deny : audit::Decision::allow;
  out.rule = record.rule;
  out.source = record.source;
  out.outcome = denied ? std::string_view("denied") : std::string_view(record.outcome);
  if (parent != intents_.end()) out.parent = parent->second;
  if (!record.layer.empty()) out.detail.add("layer", record.layer);
  if (!record.reason.empty()) out.detail.add("reason", record.reason);
  for (const auto& detail : record.details) out.detail.add(detail.name, detail.value);
  const uint64_t number = TRY(log_.append(out));
  if (record.outcome.empty() && !denied) {
    if (intents_.size() < kMostIntents) intents_[record.number] = log_.id(number);
  } else if (parent != intents_.end() && !denied) {
    intents_.erase(parent);
  }
  return number;
}

void CallRecord::count(const broker::Record& record) {
  const bool denied = record.decision != policy::Effect::allow;
  const bool counted = (denied || !record.outcome.empty()) && record.action.size() <= kLongestAction;
  if (counted && (counts_.size() < kMostCounts || counts_.contains(record.action)))
    ++counts_[denied ? record.action + " denied" : record.action];
}

void CallRecord::count_denial(const broker::Record& record) {
  ++denied_;
  std::string line = fmt::format("{} (rule '{}'{}{})", printable_text(record.target), printable_text(record.rule),
                                 record.source.empty() ? "" : ", ", printable_text(record.source));
  if (first_denials_.size() < kFirstDenials && std::ranges::find(first_denials_, line) == first_denials_.end())
    first_denials_.push_back(std::move(line));
}

void CallRecord::tell(nlohmann::ordered_json& end) const {
  end["calls"] = counts_;
  if (untold_ > 0) end["denied_untold"] = untold_;
  if (refused() > 0) end["records_refused"] = refused();
}

std::string CallRecord::denials_said() const {
  std::string out = fmt::format("{} denied:\n", denied_);
  for (const std::string& denial : first_denials_) out += fmt::format("  {}\n", denial);
  if (denied_ > first_denials_.size()) out += "  (--events has all of them)\n";
  return out;
}

broker::AllRecorded CallRecord::take(broker::Records records) {
  broker::AllRecorded answers;
  struct Waited {
    const broker::Record& record;
    uint64_t number;  // in the log
    size_t answer;
  };
  std::vector<Waited> waited_for;
  for (broker::Record& record : records.records) {
    cut(record);
    auto appended = append(record);
    if (record.waited_for && appended) waited_for.push_back({record, *appended, answers.records.size()});
    if (record.waited_for)
      answers.records.push_back(
          {record.number, appended ? 0 : appended.error().code, appended ? "" : appended.error().text()});
    const bool denied = record.decision != policy::Effect::allow;
    // An intent that is refused is its call's own failure, and so is the record of a look, which is given nothing then.
    const bool stops = record.outcome.empty() || (record.waited_for && record.parent == 0);
    refused_ += !appended && (denied || !stops);
    if (denied) {
      count_denial(record);
      // Its digest: what an agent makes up may be long.
      const Digest key = digest(record.rule + "\n" + record.target);
      const std::string what(key.begin(), key.end());
      // The first of each rule in any case: names of rules are few, as a broker in right hands has them.
      const bool first = rules_.size() < kMostDenials && rules_.insert(record.rule).second;
      const bool own = first || denials_.size() < kMostDenials || denials_.contains(what);
      untold_ += !own;
      events_.write_repeated("denied",
                             {{"request", record.target},
                              {"layer", record.layer},
                              {"rule", record.rule},
                              {"source", record.source},
                              {"reason", record.reason},
                              {"primitive", record.action}},
                             ++denials_[own ? what : ""]);
    }
    if (!record.waited_for || !appended || denied) count(record);
  }
  const auto flushed = log_.flush(audit::Durability::process);
  for (const auto& [record, number, index] : waited_for) {
    const bool denied = record.decision != policy::Effect::allow;
    // A denial stands. The rest will not be, and is not to be read later as if it had been.
    const bool is_written = flushed || (!denied && !log_.withdraw(number));
    if (!denied && is_written) count(record);
    if (is_written) continue;
    if (!denied) intents_.erase(record.number);
    broker::Recorded& answer = answers.records[index];
    answer.error = flushed.error().code == 0 ? EIO : flushed.error().code;
    answer.text = flushed.error().text();
  }
  return answers;
}

}  // namespace alos::host
