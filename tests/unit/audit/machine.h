#pragma once

#include "supervisor/host/facts.h"

namespace alos::host {

// Machines that this one is not.
inline Facts ordinary_user() {
  Facts facts;
  facts.kernel = "6.1.0";
  facts.uid = 1000;
  for (Fact Facts::* fact : {&Facts::user_namespace,
                             &Facts::mount_namespace,
                             &Facts::pid_namespace,
                             &Facts::net_namespace,
                             &Facts::ipc_namespace,
                             &Facts::uts_namespace,
                             &Facts::cgroup_namespace,
                             &Facts::procfs,
                             &Facts::process_limit,
                             &Facts::fsopen,
                             &Facts::open_tree,
                             &Facts::move_mount,
                             &Facts::mount_setattr,
                             &Facts::overlay,
                             &Facts::landlock,
                             &Facts::seccomp_filter,
                             &Facts::seccomp_notify,
                             &Facts::clone3,
                             &Facts::pidfd,
                             &Facts::close_range,
                             &Facts::openat2,
                             &Facts::execveat,
                             &Facts::mdwe})
    (facts.*fact).state = State::yes;
  for (Controller* controller : {&facts.cgroups.memory, &facts.cgroups.pids, &facts.cgroups.cpu, &facts.cgroups.usage})
    controller->reason = "none here";
  return facts;
}

inline Facts root_with(Controller::Form form) {
  Facts facts = ordinary_user();
  facts.uid = 0;
  facts.idmapped_mount.state = State::yes;
  for (Controller* controller : {&facts.cgroups.memory, &facts.cgroups.pids, &facts.cgroups.cpu, &facts.cgroups.usage})
    *controller = {.form = form, .directory = "/sys/fs/cgroup/here", .reason = {}};
  return facts;
}

}  // namespace alos::host
