#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

// What a machine offers for limiting a whole box: facts only, read and never tried. What follows from them is decided
// in limit_holders.h.
namespace alos::box {

// A cgroup of the v2 hierarchy.
struct Group {
  std::string directory{};
  std::set<std::string> controllers{};  // that it may hand down to its children
  std::set<std::string> handed_down{};  // that it does hand down
  std::vector<pid_t> processes{};       // in itself, not below; not read for the top
  bool writable = false;                // children may be made, processes put in, controllers handed down
  bool delegated = false;               // systemd has given it away (its xattr "delegate", from 251 on)
  bool top = false;  // the hierarchy's root, which alone may hold processes and hand controllers down
};

struct CgroupView {
  // v1: the directory in which this process may make children, for each controller that is mounted so.
  std::optional<std::string> memory{}, pids{}, cpu{}, cpuacct{}, freezer{};
  std::optional<Group> own{}, parent{},
      root{};  // v2: this process's, the one above, and where the hierarchy is mounted
};

struct Machine {
  CgroupView view{};
  uid_t uid = 0;
  pid_t self = 0;
  bool systemd = false;             // it has the say over every group that it has not delegated
  std::set<std::string> manager{};  // controllers that the user's manager can delegate; empty: there is none to ask
  bool process_limit = false;       // RLIMIT_NPROC counts for each user namespace alone (5.14)
};

// Where the facts are read, so that a test can show another machine's.
struct MachineFiles {
  std::string mountinfo = "/proc/self/mountinfo";
  std::string cgroup = "/proc/self/cgroup";
  std::string systemd = "/run/systemd/system";
  std::string busctl = "/usr/bin/busctl";
};
// Errors: mountinfo or cgroup cannot be read. What is missing in the hierarchies is just absent in the answer.
Result<Machine> read_machine(const MachineFiles& files = {});

// Whether controllers are in v1 hierarchies here; much cheaper than read_machine().
Result<bool> has_v1_controllers(const MachineFiles& files = {});

// This process's path in the v2 hierarchy, as /proc/self/cgroup says it.
Result<std::string> unified_path(const MachineFiles& files = {});

}  // namespace alos::box
