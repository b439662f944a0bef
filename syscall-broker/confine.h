#pragma once

#include "base/result.h"

namespace alos::broker {

// Takes everything from this process that it does not need to serve: every right on files (a Landlock domain without a
// rule; what it opens, it opens on the file ring under an agent's personality), and every system call but those on
// descriptors, memory and threads (seccomp, an allow list; all else is EPERM, on every thread to come). Before the
// first frame of an agent is read; not to be undone. One thread.
//
// Errors: {"landlock_restrict_self", ...}, {"seccomp", ...}: nothing may be served then. Without Landlock in the
// kernel: ENOSYS, unless `landlock_given_up`.
enum class Landlock : uint8_t { needed, given_up };
Result<void> confine(Landlock landlock);

}  // namespace alos::broker
