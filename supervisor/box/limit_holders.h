#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/box_plan.h"
#include "supervisor/box/cgroup_view.h"

// Who holds a limit of a policy on a machine: decided here once, for the launch that refuses by it and for the doctor
// that prints it. Pure.
namespace alos::box {

enum class Limit : uint8_t { memory, processes, cpus, cpu_time, disk, open_files, wall };
inline constexpr std::array<Limit, 7> kLimits{Limit::memory, Limit::processes,  Limit::cpus, Limit::cpu_time,
                                              Limit::disk,   Limit::open_files, Limit::wall};
// As policies and --degrade spell it: "cpu-time".
std::string_view name(Limit limit);
// Those that a policy sets.
std::vector<Limit> set_in(const policy::Limits& limits);

enum class By : uint8_t {
  cgroup_v1,  // the kernel, for the box as a whole; cpu-time: counted by the kernel, and the box is ended at it
  cgroup_v2,  // the same
  rlimit,     // the kernel: RLIMIT_NPROC for the box's user namespace, RLIMIT_NOFILE for each process
  timer,      // the supervisor ends the box
  watched,    // the supervisor measures and ends the box: what is used between two looks is not bounded
  nothing,
};
std::string_view name(By by);

using Holders = std::array<By, kLimits.size()>;  // in the order of kLimits
Holders who_holds(const Machine& machine);
// Those of `limits` that nothing holds: a run is refused by them unless they are degraded.
std::vector<Limit> unheld(const Holders& holders, const std::vector<Limit>& limits);

// Where the v2 groups of boxes can be made. A group hands controllers down only while it holds no processes itself
// (cgroups(7), "no internal processes"), the hierarchy's root excepted; and below systemd only what it has delegated is
// free: elsewhere it takes controllers back that it does not need, and limits with them.
struct Foothold {
  enum class Kind : uint8_t {
    none,    // `reason` says why; `directory` may still name a group for what needs no controller (kill, freeze,
             // cpu.stat)
    ready,   // `directory` is it
    settle,  // `directory` is it once this process, the only one in it, has moved into kLeaf below it
    ask,     // the user's manager has to be asked for a scope
  };
  Kind kind = Kind::none;
  std::string directory{};
  std::set<std::string> controllers{};  // what boxes there can be limited by, now or after the step that `kind` names
  std::string reason{};
};
inline constexpr std::string_view kLeaf = "alos-host";
Foothold find_foothold(const Machine& machine);

// The machine as the launcher has to take it: nobody will be asked or moved any more.
Machine as_it_is(Machine machine);

}  // namespace alos::box
