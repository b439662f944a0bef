#pragma once

#include <vector>

#include "supervisor/workspace/changes.h"

namespace alos::workspace {

// Flags what a rename of a directory left that was ended in its middle (shim/init/rename.h): what it had gathered under
// a name of init's own, and what it took away for that elsewhere, which would be lost on the host if it went by itself.
// Where it was taken from is not kept: every deletion counts that ends in a path that such a directory holds, the
// agent's own as well. In the order of a scan. Pure.
void flag_interrupted(std::vector<Change>& changes);

}  // namespace alos::workspace
