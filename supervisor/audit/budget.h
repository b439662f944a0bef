#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "supervisor/audit/record.h"

// What keeps an agent from drowning the log: identical denials are counted instead of repeated, and each run has a
// number of bytes. Both live in the writing process and begin anew with it.
namespace alos::audit {

// Identical denials of one run within a window: the first is written, the others are counted, one record says how many.
class Repeats {
 public:
  explicit Repeats(std::chrono::nanoseconds window) : window_(window.count()) {}

  struct Repeat {
    std::string run, process, action, target, rule, source, outcome;
    uint64_t number = 0;  // of the record that was written
    uint64_t count = 0;   // of those that were not
    int64_t first_ns = 0, last_ns = 0;
  };

  // The number of an identical denial in the window, which has been counted with it; or nothing: write the record,
  // whose number is `number`.
  std::optional<uint64_t> absorb(const Record& record, uint64_t number, int64_t now_ns);
  void drop(const Record& record);  // it could not be written after all
  // Windows that are over at `now_ns` (all, with INT64_MAX), those of `run` only unless empty; forgets them. Only what
  // was repeated is returned.
  std::vector<Repeat> take(int64_t now_ns, std::string_view run = {});
  bool full() const { return seen_.size() >= kMost; }

 private:
  static constexpr size_t kMost = 1024;
  int64_t window_;
  int64_t oldest_ns_ = INT64_MAX;  // nothing is over before oldest + window: most calls look no further
  std::unordered_map<std::string, Repeat> seen_;
};

class Budget {
 public:
  Budget(uint64_t run_bytes, uint64_t reserve_bytes) : run_bytes_(run_bytes), reserve_bytes_(reserve_bytes) {}

  // Errors: EDQUOT, operation "audit budget", object the run: the caller ends or stops that run, for nothing may happen
  // that cannot be recorded. Records charged to the supervisor may use the reserve on top, and counts a second one of
  // the same size. A record of no run is free.
  Result<void> charge(const Record& record, uint64_t bytes);
  void forget(std::string_view run) { used_.erase(std::string(run)); }

 private:
  struct Used {
    uint64_t all = 0, counts = 0;  // the latter beyond the run's bytes, and not among the former
  };
  uint64_t run_bytes_, reserve_bytes_;
  std::unordered_map<std::string, Used> used_;
};

}  // namespace alos::audit
