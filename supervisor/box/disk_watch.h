#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "supervisor/workspace/meter.h"

namespace alos::box {

// What a box writes to disk, looked at while it runs: its layer, its home where that lasts, and files of these that it
// deleted and holds open. For the launcher's one thread: no look takes it longer than some 20 ms, half a second where a
// box holds very many files open.
//
// Measuring takes time, and the agent decides how much. So the free space of the file system is asked for five times a
// second: when it fell by more than was left of the limit, the trees are measured anew with half of the thread's time;
// when it fell by the whole limit more before that is done, when that takes more than 5 s of work, or the trees cannot
// be measured, the limit counts as reached. What is written before the end is thus at most twice the limit and what can
// be written in a second, more where a busy host keeps the thread from running, beside what lay there when the run
// began. Others who fill the file system cost measuring; others who free space meanwhile hide what is written, which is
// then found by the measuring that always goes on with a twentieth of the thread's time.
class DiskWatch {
 public:
  enum class Found : uint8_t { nothing, over, full };

  // In nanoseconds. When there is something to do goes by the clock. What it may cost is work, the thread's own
  // processor time, of which a tree takes as much on a busy host as on an idle one: others' load ends no box.
  struct Patience {
    int64_t between = 200'000'000;    // by the clock: two looks
    int64_t slice = 20'000'000;       // by the clock: of measuring, between two looks at whatever else the thread does
    int64_t few_slices = 10 * slice;  // of work: a busy host's writes end no box that is measured as quickly
    int64_t hurried = 5'000'000'000;  // of work: measuring in a hurried round
    int64_t held = 500'000'000;       // of work: going through what is held open
    // Descriptors that are always gone through. A machine that is itself emulated, or not told what its host takes from
    // it, counts that as the work of whoever ran: by time alone a box that holds three files open could be ended.
    uint64_t few_descriptors = 5'000;
  };
  struct Clocks {
    int64_t (*now)() = boot_ns;
    int64_t (*work)() = thread_ns;
  };

  // `trees`: open for reading. `bounded`: another, which a file system of its own bounds: only whether it is full.
  // `limit` in bytes; empty: only whether the disk below them is full. `init`: of the box.
  DiskWatch(std::vector<UniqueFd> trees, UniqueFd bounded, std::optional<uint64_t> limit, pid_t init, Patience patience,
            Clocks clocks);
  DiskWatch(std::vector<UniqueFd> trees, UniqueFd bounded, std::optional<uint64_t> limit, pid_t init)
      : DiskWatch(std::move(trees), std::move(bounded), limit, init, Patience(), Clocks()) {}

  // A further box that writes to the same trees, by its init; and one that ended.
  void add(pid_t init) { inits_.push_back(init); }
  void remove(pid_t init) { std::erase(inits_, init); }

  // Until the next look, in milliseconds; -1 when there is nothing to look at.
  int wait_ms() const;
  // Looks, when it is time to. `full` is found once.
  Found look();
  // The same at once, without measuring: a program that met a full disk may have ended by it.
  bool is_full();
  bool said_full() const { return full_said_; }
  // With `over`: why it counts as that, where nothing was measured that is; empty: the limit was measured as reached.
  const std::string& reason() const { return reason_; }
  // Directory entries read until now.
  uint64_t entries() const;

 private:
  struct Free {
    uint64_t bytes = 0, names = 0;
  };
  enum class Pace : uint8_t { calm, hurried };

  std::vector<Free> free_now() const;
  // What all that write to these file systems have taken since `free_`, as the meters charge it.
  uint64_t fallen() const;
  bool is_over();
  bool measure();
  void begin_round();
  bool cannot_tell(std::string why);
  uint64_t charged() const;
  uint64_t held_open();
  void look_into(pid_t process, std::set<std::pair<uint64_t, uint64_t>>& seen, uint64_t& bytes);

  std::vector<UniqueFd> trees_;
  UniqueFd bounded_;
  std::set<uint64_t> devices_;     // of the trees
  std::vector<int> file_systems_;  // one of the trees for each
  std::deque<workspace::Meter> meters_;
  size_t meter_ = 0;         // that is being read in this round
  std::vector<Free> free_;   // when the last full round began
  std::vector<Free> begun_;  // when this one did
  uint64_t used_ = 0;        // what the last full round charged
  Pace pace_ = Pace::calm;
  int64_t spent_ns_ = 0;  // of work, on this hurried round
  int64_t next_measure_ns_ = 0;
  int64_t held_until_ns_ = 0;  // of work
  uint64_t few_left_ = 0;      // descriptors to look at before that counts
  std::string reason_;
  std::optional<uint64_t> limit_;
  std::vector<pid_t> inits_;
  Patience patience_;
  Clocks clocks_;
  int64_t next_ns_ = 0;
  bool full_said_ = false;
};

// Every process of the pid namespaces that `inits` are the first processes of. (/proc/PID/task/TID/children would be
// shorter; not every kernel has it.)
std::vector<pid_t> processes_of(const std::vector<pid_t>& inits);

}  // namespace alos::box
