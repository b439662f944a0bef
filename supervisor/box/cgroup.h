#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/box_plan.h"

namespace alos::box {

// What a machine offers for limiting a whole box, read from /proc/self/{mountinfo,cgroup} at the given place, so that a
// test can show it another machine's.
struct Hierarchy {
  std::string directory;  // where this process is in it: children may be made here
  bool v2 = false;
};
struct CgroupView {
  std::optional<Hierarchy> memory, pids, cpu, cpuacct, freezer;  // v1 hierarchies, or the v2 one with that controller
  std::optional<Hierarchy> unified;                              // v2, with whatever controllers
};
Result<CgroupView> view_cgroups(const std::string& mountinfo = "/proc/self/mountinfo",
                                const std::string& cgroup = "/proc/self/cgroup");

// What ended in a box by a limit of its cgroup.
struct CgroupUsage {
  std::optional<uint64_t> cpu_ms;
  std::optional<uint64_t> memory_peak;
  uint64_t memory_kills = 0;    // processes ended because `memory` was reached
  uint64_t fork_refusals = 0;   // forks refused because `processes` was reached
};

// One box's cgroup in every hierarchy that a limit needs; removed on destruction, which waits for it to be empty.
class Cgroup {
 public:
  // Makes it and writes the limits. A limit that no hierarchy here can carry is listed in `unenforced()`, by the policy's
  // name for it; the caller refuses unless that was degraded. Errors name the file that did not take its value.
  static Result<Cgroup> create(const CgroupView& view, const std::string& name, const policy::Limits& limits);
  Cgroup(Cgroup&&) = default;
  Cgroup& operator=(Cgroup&&) = default;
  ~Cgroup();

  const std::vector<std::string>& unenforced() const { return unenforced_; }
  // v1: files that the box's first process writes itself into.
  Result<std::vector<UniqueFd>> open_tasks() const;
  // v2: for CLONE_INTO_CGROUP.
  Result<UniqueFd> open_unified() const;
  bool has_unified() const { return !unified_.empty(); }

  Result<void> kill() const;    // every process at once: cgroup.kill, or freeze and SIGKILL each by pidfd
  Result<void> freeze(bool frozen) const;
  CgroupUsage usage() const;    // what cannot be read is absent
  std::vector<std::string> directories() const;
  // Every directory that create() may make, before any is.
  static std::vector<std::string> possible(const CgroupView& view, const std::string& name);
  // Ends whatever is in them, where the kernel can (cgroup.kill), and removes them, waiting until they are empty.
  static void remove(const std::vector<std::string>& directories);

 private:
  Cgroup() = default;
  std::string memory_, pids_, cpu_, cpuacct_, freezer_, unified_;
  bool v2_memory_ = false, v2_cpu_ = false, v2_pids_ = false;
  std::vector<std::string> unenforced_;
};

}  // namespace alos::box
