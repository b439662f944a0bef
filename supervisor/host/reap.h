#pragma once

#include <sys/types.h>

#include <cstdint>

namespace alos::host {

// Children of a supervisor at the end of its run.

// Whether it has ended by then: it is there to be waited for.
bool ended_within(int pidfd, int64_t ms);

// The launcher ends by itself once its socket is closed; waited for ten seconds, and not at all where it is `stuck`.
void reap_launcher(pid_t launcher, bool stuck);

// A box that nobody told of: its launcher was ended while it was made. It is this process's child (CLONE_PARENT), and
// one without an exit signal, which launcher and carriers have. It ends at its next word to the launcher, or as init,
// whose socket is closed; nothing tells when, so it is looked for, for as long as a launcher that does not answer.
void reap_unfinished_box();

}  // namespace alos::host
