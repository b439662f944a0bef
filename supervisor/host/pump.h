#pragma once

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::host {

// Tells a carrier of output that the box is gone: it carries what is in the pipe at that moment, and ends. Whoever
// holds the pipe yet got it from the box, and is no part of the run.
inline constexpr int kBoxIsGone = SIGUSR1;

// Between the caller's files and pipes and the box. A descriptor gives more than its stream: its file's mode and
// attributes can be changed through it, its position moved, a pipe opened again from its other side. So a box gets ends
// of pipes made for it, and a small process each, which holds the caller's descriptor and one end, carries the bytes.
// Character devices (/dev/null) are given as they are; terminals have the relay.
class Pumps {
 public:
  // Makes the pipes; one for stdout and stderr when both are the same file, so that their order is kept.
  Result<void> prepare(uint8_t terminal_mask);
  // What the box gets for stdin, stdout and stderr.
  std::array<int, 3> box_ends() const;
  // Forks the carriers: under the supervisor's id, so that they end with it. Closes the ends.
  Result<void> start();
  // Those that carry output: a run is over when what it wrote has arrived.
  const std::vector<pid_t>& output() const { return output_; }

 private:
  struct Stream {
    UniqueFd box, carrier;
  };
  std::array<Stream, 3> streams_;
  std::array<int, 3> shown_{0, 1, 2};
  std::vector<pid_t> output_;
};

// Of a run whose box is gone: the carriers of its output, as Pumps::output() names them.
class Carriers {
 public:
  // `pids` are children of this process; `signals` is its signalfd, by which somebody may end the wait.
  Carriers(const std::vector<int32_t>& pids, int signals) : pids_(pids), signals_(signals) {}

  // Also where somebody whom the box handed it to holds its output yet.
  void box_is_gone() const;

  enum class Patience : uint8_t {
    unbounded,  // until everything has arrived, however slowly it is read, or somebody ends the wait
    short_one,  // two seconds, also where nobody reads
  };
  // Returns when all have ended; those for which there was no patience left are killed. Each of `ending_signals`
  // ends the wait.
  void wait(Patience patience, const std::vector<int>& ending_signals) const;

 private:
  bool has_ended(int pidfd, int most_ms, const std::vector<int>& ending_signals) const;
  bool wait_is_ended(const std::vector<int>& ending_signals) const;

  const std::vector<int32_t>& pids_;
  int signals_;
};

}  // namespace alos::host
