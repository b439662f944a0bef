#pragma once

#include <string>
#include <vector>

#include "supervisor/workspace/hazard_names.h"
#include "supervisor/workspace/tree.h"

// Finds the known names that a path has.
namespace alos::workspace {

using Parts = std::vector<std::string>;  // of a path, in lower case

// Without dots and blanks at the end of a component, which vfat and its like leave out of a name.
Parts split_lower(std::string_view path);

// In the order of the tables. `own`: parts that lead to the workspace. For a link also what is known below its name.
// Costs a few look-ups for each part: an agent may leave 10^5 paths, or very deep ones.
std::vector<const Known*> known_for(const Parts& parts, size_t own, Type type);

}  // namespace alos::workspace
