#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <vector>

#include "base/unique_fd.h"

namespace alos {

// As many descriptors as one message can bring (net/core/scm.c, SCM_MAX_FD).
inline constexpr size_t kMostPassedFds = 253;

// Those that a received message brought, owned now; of each message once.
std::vector<UniqueFd> take_passed_fds(msghdr& message);

}  // namespace alos
