#pragma once

#include "supervisor/host/order.h"

namespace alos::host {

// A foreground run, from the launcher's answer to the last line of --events. Returns the exit code of `alos run`.
//
// Order of things: the intent is in the audit log before init is told to start the program; the outcome, the events'
// end and the message to the person come after nothing of the box is left. One thread; the only one that writes the
// audit log of this run.
int supervise(SupervisorOrder order);

}  // namespace alos::host
