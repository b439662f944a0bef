#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/box_plan.h"
#include "supervisor/box/cgroup_view.h"

namespace alos::box {

// What is done to the machine's cgroups for one box, in this order. Data, so that what is written where can be read
// off.
struct CgroupStep {
  enum class Kind : uint8_t {
    make,            // a directory; being there already is fine
    write,           // value into path
    write_if_there,  // the same, where this kernel has the file
  };
  Kind kind = Kind::make;
  std::string path{};
  std::string value{};
  bool operator==(const CgroupStep&) const = default;
};

struct CgroupPlan {
  std::vector<CgroupStep> steps{};
  std::string unified{}, memory{}, pids{}, cpu{}, cpuacct{},
      freezer{};                            // the box's group in each hierarchy, empty: none
  bool v2_memory = false, v2_pids = false;  // limited in `unified`
  std::string above{};  // group of alos's own that holds the boxes' v2 groups; removed when the last of them is

  // The box's groups, each once.
  std::vector<std::string> groups() const;
};

// One box's groups in every hierarchy that a limit needs. Only limits that who_holds(machine) gives to a cgroup are
// written; the caller has refused the others. `machine` as as_it_is() shows it. Pure.
CgroupPlan plan_cgroup(const Machine& machine, const std::string& name, const policy::Limits& limits);

// What a box used and what ended in it by a limit of its cgroup.
struct CgroupUsage {
  std::optional<uint64_t> cpu_ms{};
  std::optional<uint64_t> memory_peak{};     // bytes; v2 from 5.19 on
  std::optional<uint64_t> processes_peak{};  // 6.1
  uint64_t memory_kills = 0;                 // processes ended because `memory` was reached
  uint64_t fork_refusals = 0;                // forks refused because `processes` was reached
};

// The groups, made; removed on destruction, which waits for them to be empty.
class Cgroup {
 public:
  // Errors name the file that did not take its value; what was made is removed then.
  static Result<Cgroup> create(CgroupPlan plan);
  Cgroup(Cgroup&&) = default;
  Cgroup& operator=(Cgroup&&) = delete;
  ~Cgroup();

  // v1: files that the box's first process writes itself into.
  Result<std::vector<UniqueFd>> open_tasks() const;
  // v2: for CLONE_INTO_CGROUP.
  Result<UniqueFd> open_unified() const;
  bool has_unified() const { return !plan_.unified.empty(); }

  Result<void> kill()
      const;  // every process at once (cgroup.kill, 5.14); without v2 nothing: the pid namespace's end does it
  bool can_freeze() const { return !plan_.unified.empty() || !plan_.freezer.empty(); }
  Result<void> freeze(bool frozen) const;
  CgroupUsage usage() const;  // what cannot be read is absent
  // Ends whatever is in them, where the kernel can (cgroup.kill), and removes them, waiting until they are empty.
  static void remove(const CgroupPlan& plan);

 private:
  explicit Cgroup(CgroupPlan plan) : plan_(std::move(plan)) {}
  CgroupPlan plan_;
};

}  // namespace alos::box
