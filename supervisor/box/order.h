#pragma once

#include <cstdint>
#include <vector>

#include "base/unique_fd.h"
#include "supervisor/box/spec.h"
#include "supervisor/box/workspace_mount.h"

namespace alos::box {

// Everything the front handed over.
struct Order {
  Compiled policy;
  RunRequest run;
  Privilege privilege = Privilege::rootless;
  UniqueFd stdio[3];
  UniqueFd workspace, layer, image, home;  // as the front checked them
  UniqueFd ring;                           // the file ring; none: primitives were given up
  uint64_t caller_open_files = 0;          // the caller's RLIMIT_NOFILE as it was
  // Of layer, id and home, which nobody else may have as long as the box is there, also when its supervisor is not.
  std::vector<UniqueFd> locks;
};

}  // namespace alos::box
