#pragma once

#include <span>
#include <string_view>

#include "supervisor/workspace/hazards.h"

namespace alos::workspace {

// Names that host tools execute, load or obey without being asked to, by who does. The list lags behind the tools
// (SECURITY.md); what git alone obeys depends on where a repository is, and is told in hazards.cc.
//
// Patterns are in lower case. Without a slash they match the last component; "x/" matches any component, with all below
// it; "a/b" matches the last two.
struct Known {
  Hazard hazard;
  const char* reason;
  std::span<const std::string_view> patterns;
  const char* gone = nullptr;  // why taking it away is flagged as well; none: it is not
};

// In the order in which what they find is shown.
std::span<const Known> known_names();
// Of them the trees of dependencies, each "x/" or "a/b/".
std::span<const std::string_view> dependency_trees();

}  // namespace alos::workspace
