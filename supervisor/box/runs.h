#pragma once

#include <poll.h>

#include <cstdint>
#include <list>
#include <utility>
#include <vector>

#include "supervisor/box/deep_walk.h"
#include "supervisor/box/disk_watch.h"
#include "supervisor/box/holder.h"
#include "supervisor/box/protocol.h"
#include "supervisor/box/start.h"

namespace alos::box {

// To the supervisor. One that is gone is noticed elsewhere.
void send_report(const LauncherReport& report);
// With descriptors, of which too many may be in flight: what they are for is not there then, and ends.
Launched<void> hand_over(const LauncherReport& report, std::span<const int> fds, Trace& trace);
void send_failure(LauncherReport report, const LaunchError& error);

// The boxes of a run beside its first, for shell.run. None of them ends the run by failing. Opening what a box shows
// and finding its masks takes the launcher's one thread milliseconds, and longer in a large workspace; while a box
// enters what was made, other orders are obeyed.
class Runs {
 public:
  // `between`: the limits of the run, and whether it is still wanted, while a box is made.
  Runs(const Holder& holder, DiskWatch& disk, Fault fault, Between between)
      : holder_(holder), disk_(disk), fault_(fault), between_(std::move(between)) {}

  // Answers with run_started, later, or run_failed.
  void begin(const LauncherOrder& order, std::vector<UniqueFd> fds);
  void end(uint32_t run);
  // What to poll for, and what came of it: as many as were added, in their order.
  void add_to(std::vector<pollfd>& fds) const;
  void look(std::span<const pollfd> fds);
  bool empty() const { return runs_.empty(); }
  // Ends all and waits for it, some seconds at most.
  void end_all();

 private:
  struct Run {
    uint32_t number;
    Starting box;
    bool runs = false;
  };
  Launched<void> start(const LauncherOrder& order, std::vector<UniqueFd> fds);
  // False: it is over, and forgotten.
  bool look_at(Run& run);

  const Holder& holder_;
  DiskWatch& disk_;
  Fault fault_;
  Between between_;
  std::list<Run> runs_;
};

}  // namespace alos::box
