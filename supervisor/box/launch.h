#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/box/cgroup.h"
#include "supervisor/box/janitor.h"
#include "supervisor/box/launch_times.h"
#include "supervisor/box/layout.h"
#include "supervisor/box/protocol.h"
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

// Where a launch failed, on either side of the clone.
struct LaunchError {
  Step step;
  Error error;
};
template <class T>
using Launched = std::expected<T, LaunchError>;

// What the box's side of a launch handed out.
struct Handed {
  UniqueFd terminal;        // master of the box's pty, if it has one
  UniqueFd root, listener;  // where primitives are served
};

// A box that runs.
struct Box {
  pid_t pid = 0;  // as the launcher sees it
  UniqueFd pidfd;
  UniqueFd control;  // supervisor's end of init's socket
  Handed handed;
  Janitor janitor;
  std::optional<Cgroup> cgroup;   // removed first
  std::vector<UniqueFd> written;  // trees on disk that are the agent's to fill: layer or copy, and a home that lasts
  UniqueFd bounded;               // the layer instead, where an image holds it
  std::vector<std::string> given_up;  // limits and layers that nothing here holds, as degraded
};

// The whole launch, step by step. Leaves nothing behind when it fails: mounts are the holder's or detached, the cgroup
// is removed, the child is dead.
Launched<Box> launch(Order order, Fault fault, LaunchTimes& times);

// The Landlock ABI of this kernel, 0 without Landlock.
int landlock_abi();

}  // namespace alos::box
