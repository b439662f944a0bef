#pragma once

#include <optional>
#include <string>
#include <vector>

#include "supervisor/box/cgroup.h"
#include "supervisor/box/janitor.h"
#include "supervisor/box/launch_error.h"
#include "supervisor/box/layout.h"
#include "supervisor/box/order.h"
#include "supervisor/box/private_space.h"

namespace alos::box {

// What the launcher holds for a run in a mount namespace of its own: all that the run's boxes are made of, which the
// first and every further one share. Mounts of it end with the launcher and its boxes.
struct Holder {
  Compiled policy;
  RunRequest run;
  Privilege privilege = Privilege::rootless;
  uint64_t caller_open_files = 0;
  UniqueFd ring;  // the file ring; none: primitives were given up

  UniqueFd init;         // alos-init, open for execution
  int landlock_abi = 0;  // 0: the policy degrades it
  bool memory_deny_write_execute = false;
  Janitor janitor;
  std::optional<Cgroup> cgroup;        // removed first
  std::vector<UniqueFd> cgroup_tasks;  // v1: of every box of the run
  std::vector<std::string> given_up;   // limits and layers that nothing here holds, as degraded

  std::string staging;  // make_staging()
  UniqueFd workspace;   // mounted once; none with mode none
  UniqueFd host;        // the directory that a layer or a copy was made of, none otherwise
  UniqueFd home;        // of a home that lasts, as the front checked it
  bool shown_twice = false;
  PrivateSpace space;
  std::vector<UniqueFd> written;  // trees on disk that are the agent's to fill: layer or copy, and a home that lasts
  UniqueFd bounded;               // the layer instead, where an image holds it

  const policy::BoxPlan& plan() const { return policy.plan; }
};

// What a box shows of the host besides the workspace, opened for that box.
struct Sources {
  std::vector<Place> places;
  UniqueFd home;                     // one that lasts: a detached mount
  std::vector<std::string> sockets;  // the host's, by their paths
};
Result<Sources> open_all_sources(const Holder& holder);

// Whether what is placed, for a command of the plan as well, has names twice among the host's mounts that a deny could
// be got round by (host_mounts.h).
Result<bool> shown_twice_in(const policy::BoxPlan& plan, const std::vector<Place>& places);

struct Held {
  Holder holder;
  Sources sources;  // of the first box
};
// Makes it, cgroup first, and with it what it needs. Leaves nothing behind when it fails.
Launched<Held> hold(Order order, Trace& trace);

}  // namespace alos::box
