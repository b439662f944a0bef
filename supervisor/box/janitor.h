#pragma once

#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/box/cgroup.h"

namespace alos::box {

// The process that start_janitor() forked. It goes with this, so the groups are removed before; what it is for is a
// launcher that ends without its destructors.
class Janitor {
 public:
  Janitor() = default;
  Janitor(UniqueFd pidfd, UniqueFd gate) : pidfd_(std::move(pidfd)), gate_(std::move(gate)) {}
  Janitor(Janitor&&) = default;
  Janitor& operator=(Janitor&&) = default;
  ~Janitor() { dismiss(); }
  // Everything is removed already: it is gone when this returns.
  void dismiss();

 private:
  UniqueFd pidfd_;  // none: nothing was forked
  UniqueFd gate_;
};

// Forks a process that sleeps until this one is gone, however it went, and removes the groups of `plan` then: as root
// nobody else could. It holds nothing but the end of a pipe. Nothing to remove: nothing is forked.
Result<Janitor> start_janitor(const CgroupPlan& plan);

}  // namespace alos::box
