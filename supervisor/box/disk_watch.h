#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "supervisor/workspace/meter.h"

namespace alos::box {

// What a box writes to disk, looked at while it runs: its layer, its home where that lasts, and files of these that it
// deleted and holds open. For the launcher's one thread; no look costs it more than a twentieth of its time.
class DiskWatch {
 public:
  enum class Found : uint8_t { nothing, over, full };

  // `trees`: open for reading. `bounded`: another, which a file system of its own bounds: only whether it is full.
  // `limit` in bytes; empty: only whether the disk below them is full. `init`: of the box.
  DiskWatch(std::vector<UniqueFd> trees, UniqueFd bounded, std::optional<uint64_t> limit, pid_t init);

  // Until the next look, in milliseconds; -1 when there is nothing to look at.
  int wait_ms() const;
  // Looks, when it is time to. `full` is found once.
  Found look();
  // The same at once, without measuring: a program that met a full disk may have ended by it.
  bool is_full();
  bool said_full() const { return full_said_; }

 private:
  uint64_t held_open() const;
  void look_into(pid_t process, std::set<std::pair<uint64_t, uint64_t>>& seen, uint64_t& bytes) const;

  std::vector<UniqueFd> trees_;
  UniqueFd bounded_;
  std::set<uint64_t> devices_;  // of the trees
  std::deque<workspace::Meter> meters_;
  std::optional<uint64_t> limit_;
  pid_t init_;
  int64_t next_ns_ = 0;
  bool full_said_ = false;
};

// Every process of the pid namespace that `init` is the first process of. (/proc/PID/task/TID/children would be
// shorter; not every kernel has it.)
std::vector<pid_t> processes_of(pid_t init);

}  // namespace alos::box
