#pragma once

#include <string>
#include <vector>

#include "supervisor/workspace/copier.h"
#include "supervisor/workspace/layer.h"

namespace alos::workspace {

// Drops what the agent changed: everything, or what is at and below `paths` (relative). The host is not touched. The
// layer is held with Access::change. A crash leaves each path dropped or not. Errors: ENOTDIR when the agent replaced a
// directory above a path by something else; EACCES when a path lies in a directory that was renamed and cannot be taken
// apart.
Result<void> undo(Layer& layer, const std::vector<std::string>& paths, const Matcher& denied, const Step& step);

}  // namespace alos::workspace
