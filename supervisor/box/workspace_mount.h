#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/box_plan.h"
#include "supervisor/box/identity.h"

namespace alos::box {

// Whether this launcher is the host's root or holds capabilities only in a user namespace of its own.
enum class Privilege { root, rootless };

// Leaves the host's mount namespace (and, rootless, its user namespace, in which the caller's ids map to themselves).
// Mounts made from here on are seen by the boxes and by nobody else, and end with the launcher and its boxes.
Result<void> enter_holder(Privilege privilege, uid_t uid, gid_t gid);

// A tmpfs of the holder's, put over the host's terminals, which no box is shown; without these over a directory whose
// contents the first box no longer needs, and a further one goes without. root/ for a box to build its root on, box/,
// view/, mask/{file,directory} of mode 000 on a read-only mount, lower/, image/ and merged/ for the workspace,
// private/. Returns its path.
Result<std::string> make_staging();

// What a request says of the workspace. Paths are opened again in the holder, since mounts of the host's namespace
// cannot be cloned from there, and compared with the descriptors that the front checked.
struct WorkspaceSource {
  policy::WorkspaceMode mode = policy::WorkspaceMode::none;
  std::string directory;  // canonical
  std::string layer;      // canonical: upper/ and work/, or copy/
  UniqueFd checked_directory, checked_layer;
};

// Opened before make_staging(), which may hide them.
struct OpenedWorkspace {
  UniqueFd directory, layer;
};
Result<OpenedWorkspace> open_workspace(const WorkspaceSource& source);

// Puts the file system that holds a layer, detached until now, into the holder. Returns its root.
Result<UniqueFd> attach_image(const UniqueFd& mount, const std::string& staging);

// Mounts the workspace once, at <staging>/merged, and returns a descriptor of its root: layer as overlayfs (host tree
// below, read-only; without redirects; rootless with userxattr), copy and direct as they are. As root the host's
// owner is mapped to the box's id, so that the box's files belong to strangers of the host. Errors name what cannot be
// mapped or mounted and what to use instead.
Result<UniqueFd> mount_workspace(const WorkspaceSource& source, const OpenedWorkspace& opened, Privilege privilege,
                                 const Identity& identity, const std::string& staging);

}  // namespace alos::box
