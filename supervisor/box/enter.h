#pragma once

#include "supervisor/box/layout.h"

namespace alos::box {

// Runs in the child, between clone and exec: system calls only, no allocation, no lock, no logging. `report` is the
// child's end of a SEQPACKET socket to the launcher, close-on-exec: end of file there means that init runs.
//
// The launcher has written the identity maps before it sends one byte on `report`; the child does nothing before.
// `launcher_end` is the child's copy of the other end, closed first: else the child would wait for a launcher that
// died.
[[noreturn]] void enter_box(const Layout& box, int report, int launcher_end);

}  // namespace alos::box
