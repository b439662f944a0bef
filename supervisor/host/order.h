#pragma once

#include <linux/io_uring.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/archive.h"
#include "supervisor/host/missing.h"
#include "supervisor/host/run_clock.h"

namespace alos::host {

// What the front tells the supervisor of a run that it has set going; handed over across exec as a sealed memfd.
struct SupervisorOrder {
  std::string run;   // "run_" + 16 hex
  std::string name;  // what ps shows and kill takes
  std::vector<std::string> argv;
  std::string policy, policy_hash, about;
  std::string workspace, workspace_mode, layer;
  std::vector<std::string> notices;  // what was given up and said at start
  std::vector<std::string> degraded;
  std::string continued_since;                // first run whose changes are pending in the layer
  std::map<std::string, std::string> limits;  // as shown to people
  std::optional<uint64_t> wall_ms;

  std::string audit_directory, run_directory, marks_directory;
  uid_t caller_uid = 0;
  Outside outside;        // what the program is for the caller, should the box not have it
  int32_t launcher = -1;  // descriptors that were inherited
  // The file ring and its io_uring_params, to map it by (base/file_ring.h); -1: primitives are not served.
  int32_t ring = -1;
  std::string rules;             // the policy, encoded (policy/archive.h), for the broker
  std::vector<std::string> env;  // of the box
  std::array<uint8_t, sizeof(io_uring_params)> ring_params{};
  int32_t events = -1;
  int32_t run_lock = -1;
  int32_t layer_lock = -1, id_lock = -1, home_lock = -1;  // held by being open
  int32_t launcher_pid = 0;
  // Told kRan and, where there is a layer, the workspace at the end of a run whose program was executed, whatever its
  // code.
  int32_t verdict = -1;
  int32_t times = -1;  // where marks of LaunchTimes go, if anywhere
  uint8_t terminal_mask = 0;
  bool fail_on_deny = false;
  ClockKind clock = ClockKind::real;
  int32_t clock_orders = -1;             // where a given clock is moved from
  uint32_t script_lines = 0;             // answers of a script instead of the real ones
  std::string script;                    // these, encoded (syscall-broker/script.h), for the broker
  std::vector<int32_t> output_carriers;  // processes that carry what the box writes
};

template <class A>
void fields(A& a, SupervisorOrder& o) {
  a(o.run, o.name, o.argv, o.policy, o.policy_hash, o.about, o.workspace, o.workspace_mode, o.layer, o.notices,
    o.degraded, o.continued_since, o.limits, o.wall_ms, o.audit_directory, o.run_directory, o.marks_directory,
    o.caller_uid, o.outside, o.launcher, o.ring, o.ring_params, o.rules, o.env, o.events, o.run_lock, o.layer_lock,
    o.id_lock, o.home_lock, o.launcher_pid, o.verdict, o.times, o.terminal_mask, o.fail_on_deny, o.clock,
    o.clock_orders, o.script_lines, o.script, o.output_carriers);
}

inline constexpr char kRan = 'r';

// Exit codes of `alos run` beside the program's own.
inline constexpr int kDenied = 1;  // with --fail-on deny
inline constexpr int kLimitReached = 124;
inline constexpr int kNotRun = 125;
inline constexpr int kNotExecutable = 126;
inline constexpr int kNotFound = 127;

}  // namespace alos::host
