#pragma once

#include <vector>

#include "base/result.h"
#include "policy/box_plan.h"
#include "supervisor/box/deep_walk.h"
#include "supervisor/box/layout.h"

namespace alos::box {

// What the policy's denies match at launch below what is mounted. `merged` is the workspace as the box will see it (its
// pending layer included), so that a secret which an earlier run renamed is found under its new name.
//
// Reading denied: hidden by a mode-000 node, together with every other name (hard link) that the same file has in the
// box. Where `shown_twice` (host_mounts.h), other names are those that another mount gives as well, of files and of
// directories. Only writing or executing denied: its own mount without that, and other names where writing to them
// writes to it; a pipe that the host shares is hidden, since a read-only mount does not keep it from being written.
// What lies in a hidden directory is covered with it, and looked at for its other names alone.
//
// A link that matches, or that a pattern goes through, is followed as it leads in the box, and the deny holds there as
// well: of a link that only lies in a denied directory, for a file of the same tree. What a link leads to and lies in
// itself (`.env -> .`), and what a rule's exceptions match by its own name, is left. Links on the way are held in their
// place, so that the next run is led the same way. `host` is the directory that a layer or a copy was made of, none
// otherwise: a link that the host does not have there was made by an agent, who could open by another name all that it
// leads to; it is hidden, and not followed.
//
// A directory in which something may match, or that a link leads through, and that the launcher may not read (EACCES)
// is hidden whole. Errors: more than 10,000 matches, 16 MiB of their names, a million names of files that have
// several, or 16 MiB of patterns by way of links (E2BIG); those of walk_below(); and a link that cannot be followed
// for another reason than what it leads to, by link and rule.
//
// Tried again where a tree changes under the search (ENOENT, ESTALE). However long that takes, `between` is called
// before each name.
//
// Hidden as well are the nodes of `sockets`, paths that the host's sockets are bound to (named_sockets()), where they
// lie in a tree of the host that is mounted as it is. A socket that is a place of its own is what its rule names, and
// stays.
Result<std::vector<Cover>> find_covers(const policy::BoxPlan& plan, const UniqueFd& merged, const UniqueFd& host,
                                       const std::vector<Place>& places, const std::vector<std::string>& sockets,
                                       bool shown_twice, const Between& between = {});

// Takes their rights from places that lie in a directory which is hidden: the box shows nothing of them, and Landlock
// cannot name them. Errors: EACCES for the workspace.
Result<void> close_hidden(std::vector<Place>& places, const std::vector<Cover>& covers, const std::string& workspace);

}  // namespace alos::box
