#include "supervisor/workspace/denies.h"

#include <algorithm>

#include "policy/pattern.h"

namespace alos::workspace {
namespace {

// How far into a pattern a path may have come: what is still to match is what may be denied below it.
std::vector<bool> progress(const policy::Pattern& pattern, std::string_view path) {
  const std::vector<policy::Pattern::Segment>& segments = pattern.segments();
  const auto pass_empty = [&](std::vector<bool>& at) {
    for (size_t i = 0; i < segments.size(); ++i)
      if (at[i] && segments[i].any_depth()) at[i + 1] = true;
  };
  std::vector<bool> at(segments.size() + 1);
  at[0] = true;
  pass_empty(at);
  for (size_t begin = 1; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    std::vector<bool> next(at.size());
    for (size_t i = 0; i < segments.size(); ++i) {
      if (!at[i]) continue;
      if (segments[i].any_depth())
        next[i] = true;
      else if (segments[i].matches(path.substr(begin, end - begin)))
        next[i + 1] = true;
    }
    at = std::move(next);
    pass_empty(at);
    begin = end + 1;
  }
  return at;
}

struct Compiled {
  std::optional<policy::Pattern> pattern;  // none: it does not parse, and matches everything
  std::vector<policy::Pattern> except;     // those that do not parse spare nothing
  Denied answer;

  bool denies(std::string_view path) const {
    if (!pattern) return true;
    const auto matches = [&](const policy::Pattern& exception) { return exception.matches(path); };
    return pattern->matches(path) && std::none_of(except.begin(), except.end(), matches);
  }
  bool sets_apart(std::string_view a, std::string_view b) const {
    const auto differ = [&](const policy::Pattern& one) { return progress(one, a) != progress(one, b); };
    return (pattern && differ(*pattern)) || std::ranges::any_of(except, differ);
  }
  bool spares_below(std::string_view directory) const {
    return std::ranges::any_of(except,
                               [&](const policy::Pattern& exception) { return exception.may_match_below(directory); });
  }
};

Compiled compile(const LayerDeny& deny) {
  Compiled out{{}, {}, {deny.rule, deny.reason}};
  if (auto pattern = policy::Pattern::parse(deny.pattern)) out.pattern = std::move(*pattern);
  for (const std::string& text : deny.except)
    if (auto pattern = policy::Pattern::parse(text)) out.except.push_back(std::move(*pattern));
  return out;
}

}  // namespace

Matcher matcher_of(const std::vector<LayerDeny>& denies) {
  std::vector<Compiled> all;
  for (const LayerDeny& deny : denies) all.push_back(compile(deny));
  return [all = std::move(all)](std::string_view path) -> std::optional<Denied> {
    for (const Compiled& deny : all)
      if (deny.denies(path)) return deny.answer;
    return std::nullopt;
  };
}

Apart apart_by(const std::vector<LayerDeny>& denies) {
  std::vector<Compiled> all;
  for (const LayerDeny& deny : denies) all.push_back(compile(deny));
  return [all = std::move(all)](std::string_view a, std::string_view b) -> std::optional<Denied> {
    const auto found = std::ranges::find_if(all, [&](const Compiled& deny) { return deny.sets_apart(a, b); });
    return found == all.end() ? std::nullopt : std::optional(found->answer);
  };
}

Hidden hidden_by(const std::vector<LayerDeny>& denies) {
  std::vector<Compiled> all;
  for (const LayerDeny& deny : denies)
    if (deny.denied.contains('r')) all.push_back(compile(deny));
  if (all.empty()) return {};
  return [all = std::move(all)](std::string_view path, bool directory) {
    return std::ranges::any_of(
        all, [&](const Compiled& deny) { return deny.denies(path) && !(directory && deny.spares_below(path)); });
  };
}

}  // namespace alos::workspace
