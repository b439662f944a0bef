#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Paths that the policy keeps in the layer: what matches cannot leave it, named or not.
namespace alos::workspace {

struct Denied {
  std::string rule;
  std::string reason;  // the policy's own words, may be empty
};

// Asked with an absolute host path; empty: nothing denies it. Injected, so that the policy's own evaluator can stand
// here.
using Matcher = std::function<std::optional<Denied>(std::string_view path)>;

// One rule as layer.json keeps it, in the policy's pattern language.
struct LayerDeny {
  std::string pattern;
  std::vector<std::string> except;
  std::string denied;  // the rights taken away, "rwx"; any of them keeps the path in the layer
  std::string rule;
  std::string reason;
};

// By the policy's own patterns (policy/pattern.h). One that does not parse, in a layer.json of another version, denies
// everything.
Matcher matcher_of(const std::vector<LayerDeny>& denies);

// Whether reading a path is denied, as the box's masks judge it: a directory that matches is hidden with all that is in
// it, unless an exception may lie there. Empty when no rule takes `r`.
using Hidden = std::function<bool(std::string_view path, bool directory)>;
Hidden hidden_by(const std::vector<LayerDeny>& denies);

// A rule that means other things at or below `a` than at or below `b`, both absolute and canonical: by a link from one
// to the other it would be got around. Empty: none does, for any name below. "**/.env*" is the same everywhere below
// its "**".
using Apart = std::function<std::optional<Denied>(std::string_view a, std::string_view b)>;
Apart apart_by(const std::vector<LayerDeny>& denies);

}  // namespace alos::workspace
