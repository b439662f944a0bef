#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "supervisor/audit/log.h"
#include "supervisor/box/protocol.h"
#include "supervisor/host/crashes.h"
#include "supervisor/host/order.h"
#include "supervisor/host/registry.h"

namespace alos::host {

// Why a run ended; the first cause wins.
struct Ending {
  std::string reason;  // "exit", "signal", "limit", "killed", "lost", "not-started", "failed"
  std::string what;    // the limit, the signal
  int code = kNotRun;
  bool executed = false;
};

// What the audit log has of one run: the intent before its program starts, the end after nothing of it is left, and in
// between the mark by which a crash is told (crashes.h). One thread.
class RunRecord {
 public:
  // On disk as far as a crash of any process goes. Errors: the log cannot be written; nothing may run then.
  Result<void> intent(const SupervisorOrder& order);

  // Errors: should this run crash, nobody will be told.
  Result<void> mark(const std::string& marks_directory, const RunInfo& info);
  void beat() { mark_.beat(); }

  // Before totals are asked for: what was counted instead of written.
  void write_counts(const SupervisorOrder& order);

  struct Totals {
    uint64_t wall_ms = 0;
    const box::LauncherReport& usage;
    const std::string& not_held;
    uint64_t records_refused = 0;  // CallRecord::refused()
    bool lost_records = false;     // Serving::lost_records()
  };
  // Nothing where there was no intent. Errors: the mark stays, and the next run or ps records the end.
  Result<void> end(const SupervisorOrder& order, const Ending& ending, const Totals& totals);

  // After intent(): for what else happens in the run.
  audit::Log& log() { return *log_; }

  // The log's anchor after the end, COUNT:HASH; empty before, or when the end could not be recorded.
  const std::string& head() const { return head_; }

 private:
  std::optional<audit::Log> log_;
  std::string intent_, head_;
  RunMark mark_;
};

}  // namespace alos::host
