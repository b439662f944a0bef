#pragma once

#include <deque>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/box_plan.h"
#include "policy/pattern_at.h"

namespace alos::box {

// What a mask of a plan means for a path. The mask outlives it.
struct Matcher {
  const policy::BoxMask* mask;
  policy::PatternAt pattern;
  std::vector<policy::PatternAt> except;
  bool pin;

  bool matches(std::string_view path) const;
  // Something below a directory that matches is to stay visible: what matches in it is covered piece by piece.
  bool spares_below(std::string_view directory) const;
};

// Of each mask of the plan, in its order. Errors: those of a pattern that cannot be parsed.
Result<std::deque<Matcher>> matchers(const policy::BoxPlan& plan);

}  // namespace alos::box
