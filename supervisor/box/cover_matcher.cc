#include "supervisor/box/cover_matcher.h"

#include <algorithm>

#include "policy/pattern.h"

namespace alos::box {

using policy::Pattern;
using policy::PatternAt;

bool Matcher::matches(std::string_view path) const {
  return pattern.matches(path) &&
         std::ranges::none_of(except, [&](const PatternAt& exception) { return exception.matches(path); });
}

bool Matcher::spares_below(std::string_view directory) const {
  return std::ranges::any_of(except, [&](const PatternAt& exception) { return exception.may_match_below(directory); });
}

Result<std::deque<Matcher>> matchers(const policy::BoxPlan& plan) {
  std::deque<Matcher> out;
  for (const policy::BoxMask& mask : plan.masks) {
    Matcher matcher{&mask, PatternAt(TRY(Pattern::parse(mask.pattern))), {}, mask.pin_parents};
    for (const std::string& text : mask.except) matcher.except.emplace_back(TRY(Pattern::parse(text)));
    out.push_back(std::move(matcher));
  }
  return out;
}

}  // namespace alos::box
