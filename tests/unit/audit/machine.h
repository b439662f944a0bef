#pragma once

#include "supervisor/host/facts.h"

namespace alos::host {

// Machines that this one is not.
inline Facts ordinary_user() {
  Facts facts;
  facts.kernel = "6.1.0";
  facts.uid = 1000;
  for (Fact Facts::* fact : {&Facts::user_namespace,   &Facts::mount_namespace,
                             &Facts::pid_namespace,    &Facts::net_namespace,
                             &Facts::ipc_namespace,    &Facts::uts_namespace,
                             &Facts::cgroup_namespace, &Facts::procfs,
                             &Facts::fsopen,           &Facts::open_tree,
                             &Facts::move_mount,       &Facts::mount_setattr,
                             &Facts::overlay,          &Facts::landlock,
                             &Facts::seccomp_filter,   &Facts::seccomp_notify,
                             &Facts::clone3,           &Facts::pidfd,
                             &Facts::close_range,      &Facts::openat2,
                             &Facts::execveat,         &Facts::mdwe,
                             &Facts::io_uring,         &Facts::broker_root})
    (facts.*fact).state = State::yes;
  facts.machine.uid = 1000;
  facts.machine.self = 4711;
  facts.machine.process_limit = true;
  return facts;
}

inline box::Group group(std::string directory, std::set<std::string> controllers) {
  return {.directory = std::move(directory), .controllers = std::move(controllers), .writable = true};
}
inline const std::set<std::string> kControllers{"cpu", "memory", "pids"};

// v1: every controller mounted on its own. v2: a machine that systemd runs.
enum class Form : uint8_t { v1, v2 };
inline Facts root_with(Form form) {
  Facts facts = ordinary_user();
  facts.uid = facts.machine.uid = 0;
  facts.idmapped_mount.state = State::yes;
  box::CgroupView& view = facts.machine.view;
  if (form == Form::v1) {
    for (auto* where : {&view.memory, &view.pids, &view.cpu, &view.cpuacct, &view.freezer})
      *where = "/sys/fs/cgroup/here";
    return facts;
  }
  facts.machine.systemd = true;
  view.root = group("/sys/fs/cgroup", kControllers);
  view.root->top = true;
  view.parent = group("/sys/fs/cgroup/user.slice/user-0.slice", kControllers);
  view.own = group("/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope", kControllers);
  view.own->processes = {1, 2, 4711};
  return facts;
}

}  // namespace alos::host
