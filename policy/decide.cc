#include "policy/decide.h"

#include <algorithm>
#include <tuple>

#include "policy/units.h"
#include "policy/way.h"

namespace alos::policy {
namespace {

PathPattern built_in_path(const char* text) {
  auto pattern = Pattern::parse(text);  // constants of box_plan.h
  return {std::move(*pattern), text, {"built in", 0, 0}};
}

template <size_t N>
FileRule box_rule(const char* const (&paths)[N], Rights rights, const std::vector<FileRule>& rules) {
  FileRule out;
  out.name = "box";
  out.effect = Effect::allow;
  out.rights = rights;
  out.source = {"built in", 0, 0};
  out.origin = "built in";
  for (const char* path : paths) out.paths.push_back(built_in_path(path));
  for (const FileRule& rule : rules) {
    if (rule.effect != Effect::allow || rule.brokered) continue;
    for (const PathPattern& mounted : rule.paths) {
      const bool covers = std::ranges::any_of(out.paths, [&](const PathPattern& own) {
        return own.pattern.includes(mounted.pattern) && !mounted.pattern.includes(own.pattern);
      });
      if (covers) out.except.push_back(mounted);
    }
  }
  return out;
}

uint64_t longest_sleep(const ClockLimits& clock) {
  return std::min(*clock.each_ms, clock.total_ms.value_or(*clock.each_ms));
}

}  // namespace

std::string_view name(Layer layer) {
  return layer == Layer::built_in ? "built in" : "policy";
}

CompiledPolicy compile(Policy policy) {
  CompiledPolicy out;
  std::ranges::sort(policy.files, {}, [](const FileRule& r) { return std::tie(r.name, r.origin); });
  std::ranges::sort(policy.commands, {}, [](const CommandRule& r) { return std::tie(r.name, r.origin); });
  out.rules_ = policy.files;
  out.rules_.push_back(box_rule(kBoxWritable, kAll, policy.files));
  out.rules_.push_back(box_rule(kBoxReadable, kRead, policy.files));
  out.rules_.push_back(box_rule(kBoxPrograms, kRead | Right::execute, policy.files));
  out.rules_.push_back(box_rule(kBoxDevices, kRead | Right::write | Right::append, policy.files));
  for (size_t i = 0; i < out.rules_.size(); ++i) {
    const FileRule& rule = out.rules_[i];
    out.keys_.push_back({rule.rights, rule.effect, !rule.except.empty()});
    for (const PathPattern& path : rule.paths) out.index_.add(path.pattern, static_cast<uint32_t>(i));
  }
  out.index_.finish();
  const auto at = [&](const char* key) {
    const auto found = policy.sources.find(key);
    return found == policy.sources.end() ? Source{"built in", 0, 0} : found->second;
  };
  out.settings_ = {
      {"box", "", {"built in", 0, 0}},
      {"commands", "'commands: none'", at("commands")},
      {"clock.sleep", policy.clock.each_ms ? "one sleep is at most " + duration_text(longest_sleep(policy.clock)) : "",
       at("clock.sleep.each")}};
  out.policy_ = std::move(policy);
  return out;
}

Decision decide(const CompiledPolicy& compiled, const Request& request, std::vector<Match>* all) {
  switch (request.kind()) {
    case Request::Kind::file:
      break;
    case Request::Kind::network:
      return {};
    case Request::Kind::command:
      return compiled.decide_command(request, all);
    case Request::Kind::now:
      return {.effect = Effect::allow, .layer = Layer::built_in, .setting = &compiled.settings_[0]};
    case Request::Kind::sleep:
      return compiled.decide_sleep(request);
  }
  constexpr uint32_t kNobody = ~0U;
  uint32_t winner = kNobody;
  struct Found {
    uint32_t rule;
    bool asked, reached;
  };
  std::vector<Found> found;
  const auto consider = [&](const std::string& path, bool asked, bool reached) {
    compiled.index_.visit(path, [&](uint32_t i) {
      const CompiledPolicy::Key& key = compiled.keys_[i];
      if (!key.rights.has(request.right()) || (!reached && key.effect != Effect::deny)) return;
      if (key.excepts && !compiled.rules_[i].matches(path)) return;
      if (winner == kNobody || std::tie(key.effect, i) < std::tie(compiled.keys_[winner].effect, winner)) winner = i;
      if (all) found.push_back({i, asked, reached});
    });
  };
  if (request.asked() == request.reached()) {
    consider(request.asked(), true, true);
  } else {
    consider(request.asked(), true, false);
    consider(request.reached(), false, true);
  }

  const auto layer = [&](uint32_t i) { return i < compiled.policy_.files.size() ? Layer::policy : Layer::built_in; };
  if (all) {
    std::ranges::sort(found, {}, [&](const Found& f) { return std::pair(compiled.keys_[f.rule].effect, f.rule); });
    for (const Found& f : found) {
      const FileRule* rule = &compiled.rules_[f.rule];
      if (all->empty() || all->back().rule != rule) all->push_back({rule, layer(f.rule)});
      all->back().asked |= f.asked;
      all->back().reached |= f.reached;
    }
  }
  if (winner == kNobody) return {};
  const FileRule* rule = &compiled.rules_[winner];
  if (rule->brokered && compiled.may_be_taken(request.right(), request.reached()))
    if (auto taken = taken_on_way(compiled, request.right(), request.reached())) return taken->decision;
  return {.effect = rule->effect, .rule = rule, .layer = layer(winner)};
}

bool CompiledPolicy::may_be_taken(Right right, std::string_view path) const {
  constexpr ptrdiff_t kDeep = 64;  // each directory is looked for from the root
  if (std::ranges::count(path, '/') > kDeep) return true;
  bool out = false;
  while (!out && path.size() > 1) {
    path = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
    index_.visit(path, [&](uint32_t i) {
      const Key& key = keys_[i];
      out = out || (key.rights.has(right) && (key.effect == Effect::deny || (key.excepts && rules_[i].brokered)));
    });
  }
  return out;
}

Decision CompiledPolicy::decide_command(const Request& request, std::vector<Match>* all) const {
  Decision out{.effect = Effect::allow, .layer = Layer::built_in, .setting = &settings_[0]};
  size_t allows = 0;  // before this one, as in BoxPlan::commands
  std::vector<Match> allowing;
  for (const CommandRule& rule : policy_.commands) {
    const bool deny = rule.effect == Effect::deny;
    const size_t place = allows;
    allows += deny ? 0 : 1;
    if (!rule.is_of(request.program())) continue;
    if (deny ? !rule.usage.covers(request.arguments()) : !rule.usage.match(request.arguments())) continue;
    if (deny && out.effect != Effect::deny)
      out = {.effect = Effect::deny, .layer = Layer::policy, .command = &rule};
    else if (!deny && out.setting)
      out = {.effect = Effect::allow, .layer = Layer::policy, .command = &rule, .elevated = place};
    if (all) (deny ? *all : allowing).push_back({.asked = true, .reached = true, .command = &rule});
  }
  if (all) all->insert(all->end(), allowing.begin(), allowing.end());
  if (policy_.no_commands && out.effect != Effect::deny)
    return {.effect = Effect::deny, .layer = Layer::policy, .setting = &settings_[1]};
  return out;
}

Decision CompiledPolicy::decide_sleep(const Request& request) const {
  if (!policy_.clock.each_ms) return {};
  const bool fits = request.milliseconds() <= longest_sleep(policy_.clock);
  return {.effect = fits ? Effect::allow : Effect::deny, .layer = Layer::policy, .setting = &settings_[2]};
}

}  // namespace alos::policy
