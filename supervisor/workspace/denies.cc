#include "supervisor/workspace/denies.h"

#include <algorithm>

#include "policy/pattern.h"

namespace alos::workspace {
namespace {

struct Compiled {
  std::optional<policy::Pattern> pattern;  // none: it does not parse, and matches everything
  std::vector<policy::Pattern> except;     // those that do not parse spare nothing
  Denied answer;

  bool denies(std::string_view path) const {
    if (!pattern) return true;
    const auto matches = [&](const policy::Pattern& exception) { return exception.matches(path); };
    return pattern->matches(path) && std::none_of(except.begin(), except.end(), matches);
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
