#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "syscall-broker/view.h"

namespace alos::broker {

// A root of its own for the process that serves an agent. Both before confine(), which takes these calls away; one
// thread. Errors: {call, what it was for}.

// Leaves the host's files: this process gets mounts of its own, whose root is a tmpfs with its own /proc/self/fd and
// empty directories. So the paths of the host name nothing here, under whatever personality: Landlock alone goes by the
// file, not by the path, and lets a masked file be opened by another name of it.
//
// With CAP_SYS_ADMIN in the user namespace it has; otherwise in one of its own, where it stays who it is
// (user_namespaces(7)).
Result<void> enter_private_root();

// Mounts the agent's trees there, and gives everything up that mounting takes: the root is read-only and no capability
// is left afterwards. They are mounted here because a name that something is mounted on, as on every masked file, is
// safe from being renamed, replaced and removed only for who has that mount in his own namespace (rename(2), EBUSY).
// Returns their roots, by O_PATH; none for what is not given.
struct Trees {
  dev_t mask_device = 0;  // View::Roots
  ino_t mask = 0;
  UniqueFd box, brokered;  // detached (open_tree(2))
};
Result<View::Roots> close_private_root(const Trees& trees);

}  // namespace alos::broker
