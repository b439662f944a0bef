#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "supervisor/workspace/changes.h"
#include "supervisor/workspace/copier.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/tree.h"

// Rewrites an upper directory without changing the merged tree that it makes with the host's: at every moment, a crash
// in between included, the two together show the same. The layer is locked and nothing has it mounted. Mode layer only.
namespace alos::workspace {

// Copies into the upper what a renamed directory shows of the host, so that it stands for itself: as the kernel copies
// up, the host owner of the workspace becomes the layer's owner and other owners stay. What `denied` names is never
// copied. Returns the old places of the directories that could not be (no space, a denied path inside): while they
// stay, nothing at those places may be changed on the host.
Result<std::vector<Moved>> materialise(const Layer& layer, Tree& host, const Scan& scan, const Matcher& denied,
                                       const Step& step);

// Turns an opaque directory that the host has too into one with a whiteout for each name that it hides.
Result<void> unopaque(const Layer& layer, Tree& upper, Tree& host, const std::string& path, const Step& step);

// Removes from the upper what makes no difference to the host: files that equal, whiteouts of nothing, empty
// directories. Of a path in `applied`, setuid and setgid do not count: they were left behind on purpose. The old places
// of `kept` are left as they are: two directories that show the same lower one are more than the kernel can look up
// (ESTALE).
Result<void> settle(const Layer& layer, Tree& host, const std::set<std::string>& applied,
                    const std::vector<Moved>& kept, const Step& step);

// Makes the merged tree at `path` the host's again, and nothing else. Errors: ENOTDIR where the layer has something
// else than a directory above `path`.
Result<void> drop(const Layer& layer, Tree& host, const std::string& path, const Step& step);

}  // namespace alos::workspace
