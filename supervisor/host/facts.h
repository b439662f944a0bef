#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/box/cgroup_view.h"

namespace alos::host {

enum class State : uint8_t { no, yes, unknown };

// One thing of the machine that was tried. `detail`: where or which version when it is there, the reason when it is
// not; `remedy`: what a person can do about that.
struct Fact {
  State state = State::unknown;
  std::string detail{};
  std::string remedy{};

  bool there() const { return state == State::yes; }
};

// `detail` of what was not tried, because it needs the user namespaces that are not there.
inline constexpr const char* kUntried = "not tried: needs user namespaces";

// What probe() found, as the uid that asked. Pure data: a test can describe another machine.
struct Facts {
  std::string kernel;
  uid_t uid = 0;
  std::string directory;  // file system facts are of this one

  Fact user_namespace;
  Fact broker_root;  // one of the supervisor's account, with mounts in it
  Fact mount_namespace, pid_namespace, net_namespace, ipc_namespace, uts_namespace, cgroup_namespace;
  Fact procfs;  // can be mounted in a box
  Fact fsopen, open_tree, move_mount, mount_setattr;
  Fact idmapped_mount;  // of `directory`'s file system
  Fact overlay;         // in a user namespace, its upper in `directory`
  Fact landlock;
  int landlock_abi = 0;
  Fact seccomp_filter, seccomp_notify, seccomp_killable;
  Fact clone3, pidfd, close_range, openat2, execveat;
  Fact mdwe, io_uring, ptrace_scope, tiocsti, systemd, delegation;
  box::Machine machine;      // cgroups and who has the say over them
  std::string cgroup_error;  // a trial group did not take its limits: why
};

}  // namespace alos::host
