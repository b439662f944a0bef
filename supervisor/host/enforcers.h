#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/host/facts.h"

// Who holds a limit of a policy on a machine: the one answer that `alos doctor` prints and that a launch refuses by.
namespace alos::host {

enum class Limit : uint8_t { memory, processes, cpus, cpu_time, disk, open_files, wall };
inline constexpr std::array<Limit, 7> kLimits{Limit::memory, Limit::processes,  Limit::cpus, Limit::cpu_time,
                                              Limit::disk,   Limit::open_files, Limit::wall};
// As policies and --degrade spell it: "cpu-time".
std::string_view name(Limit limit);

enum class By : uint8_t {
  cgroup_v1,  // the kernel, for the box as a whole
  cgroup_v2,  // the same
  rlimit,     // the kernel: RLIMIT_NPROC for the box's user namespace, RLIMIT_NOFILE for each process
  timer,      // the supervisor ends the box
  watched,    // the supervisor measures and ends the box: what is used between two looks is not bounded
  nothing,
};
std::string_view name(By by);

struct Enforcer {
  Limit limit = Limit::memory;
  By by = By::nothing;
  std::string how;     // where, or why not
  std::string remedy;  // with By::nothing: how to get one

  // A run whose policy sets this limit is refused unless the limit is degraded.
  bool needs_degrade() const { return by == By::nothing; }
};
using Enforcers = std::array<Enforcer, kLimits.size()>;  // in the order of kLimits

// For boxes that `uid` starts on the machine of `facts`. Pure.
Enforcers enforcers(const Facts& facts, uid_t uid);

// Those of `limits` that nothing holds: what --degrade must name.
std::vector<Limit> must_degrade(const Enforcers& table, const std::vector<Limit>& limits);

}  // namespace alos::host
