#pragma once

#include "base/result.h"

namespace alos::broker {

// Leaves the host's files: this process gets mounts of its own, whose root is an empty, read-only tmpfs with its own
// /proc/self/fd and nothing else, and has no capability over anything outside of it afterwards. So the paths of the
// host name nothing here, under whatever personality: Landlock alone goes by the file, not by the path, and lets a
// masked file be opened by another name of it.
//
// With CAP_SYS_ADMIN in the user namespace it has; otherwise in one of its own, where it stays who it is
// (user_namespaces(7)). Errors: {call, what it was for}. Before confine(), which takes these calls away; one thread.
Result<void> enter_private_root();

}  // namespace alos::broker
