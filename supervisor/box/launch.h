#pragma once

#include "supervisor/box/compose.h"
#include "supervisor/box/identify.h"
#include "supervisor/box/start.h"

namespace alos::box {

// The first box of a run, step by step, until its init runs. Leaves no process behind when it fails. `granted` becomes
// what its user's identity holds.
Launched<Starting> launch(const Holder& holder, Sources sources, BoxRequest request, Trace& trace,
                          std::vector<Granted>& granted);

// Of one that nobody was told of: its processes are gone then, or will be.
void end(const Starting& box);

}  // namespace alos::box
