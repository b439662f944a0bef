#pragma once

#include <vector>

#include "supervisor/box/identify.h"
#include "supervisor/box/launch_times.h"
#include "supervisor/box/start.h"

namespace alos::box {

// Stays with a run from its first box's start until nothing of it is left: obeys the supervisor, holds the limits that
// only looking holds, ends what is to end. `later`: what tests have fail in what is ordered later.
void keep(Holder& holder, Starting box, std::vector<Granted> granted, LaunchTimes& times, Fault later);

}  // namespace alos::box
