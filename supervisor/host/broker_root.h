#pragma once

#include "base/file_ring.h"
#include "base/result.h"

namespace alos::host {

// The file ring, where a broker can be started for it. In a run that root starts the broker is an account without
// privilege, and needs a user namespace for its empty root (syscall-broker/private_root.h), which a machine can forbid:
// looked at by the settings that forbid it to all; what forbids it otherwise is said when the broker starts. Errors:
// those of create_file_ring(); {"user namespace", "the broker's root", EPERM, what to do}.
Result<NewFileRing> ring_for_broker(bool as_root);

}  // namespace alos::host
