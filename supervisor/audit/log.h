#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "supervisor/audit/budget.h"
#include "supervisor/audit/payload.h"
#include "supervisor/audit/record.h"
#include "supervisor/audit/writer.h"

namespace alos::audit {

// What a flush promises. `process`: written, survives the death of any process, this one included. `power`: on the
// disk. The kernel writes the rest back within some 30 seconds (vm.dirty_expire_centisecs): that much a power loss can
// take.
enum class Durability : uint8_t { process, power };

struct Options {
  uint64_t seal_every = 1024;  // records, at most that many; the first writer of a log decides for all
  std::chrono::seconds seal_interval{
      60};  // looked at by flush(): a caller that must seal on time has a timer of its own
  uint64_t rotate_bytes = 64 << 20;
  uint64_t run_budget = 16 << 20;    // bytes that one run may put into the log
  uint64_t run_reserve = 256 << 10;  // on top, for what the supervisor says about the run; and once more for counts
  std::chrono::nanoseconds coalesce{std::chrono::seconds(10)};
  size_t queue_bytes = 1 << 20;  // append() writes by itself when this much waits
};

// The audit log of a state directory: append-only, hash-chained, sealed with Ed25519, shared by all supervisors of one
// user. Records wait in memory until flush() writes them together.
//
// Rule for callers: append the intent, flush(process), then act; a failed append or flush means that the effect must
// not happen. One thread. A forked child must not use it.
class Log {
 public:
  // `dir` and the keys in it are made when missing (0700, 0600).
  // Errors: ENOSPC, EROFS, EACCES (nothing may run unrecorded), EPERM (others could write it or read its keys), EBADMSG
  // (its end does not verify: it was changed, and is not continued).
  static Result<Log> open(const std::string& dir, const Options& options = {});

  Log(Log&&) = default;
  Log& operator=(Log&&) = delete;
  ~Log();  // flushes and seals as far as it can; close() is the one that says whether that worked

  // Queues a record; returns its number within this object, for id(). An identical denial within Options::coalesce is
  // counted instead (the count is written when the window is over, at the latest by close(); a crash loses it, never
  // the first) and has the number of the first. Errors: EDQUOT (the run's budget is used up), EMSGSIZE, EINVAL (no
  // action, or one of the log's own), and those of flush() when the queue is full. Nothing is queued then.
  Result<uint64_t> append(const Record& record);
  std::string id(uint64_t number) const;
  // Takes back what append() queued and a flush did not write. False: it is in the log, or was counted.
  bool withdraw(uint64_t number);

  // Writes what is queued; returns where the log stands then. On an error the queue is kept, and the next flush tries
  // again.
  Result<Head> flush(Durability durability);

  // As flush(), and signs where the log stands unless that has just been done.
  Result<Head> seal(Durability durability = Durability::process);
  // The head at this object's last seal; what a caller copies to another place (store, journal) as an anchor.
  const Head& last_seal() const { return writer_.last_seal(); }

  // As of the last flush of this object; other supervisors may have written since.
  const Head& head() const { return writer_.head(); }

  // What was counted of the run is queued, as far as there is room.
  void write_counts(std::string_view run);
  // Denials that were counted, and whose count there was no room for.
  uint64_t uncounted() const { return uncounted_; }

  // The run is over: its counts are written, its budget is forgotten.
  Result<void> end_run(std::string_view run);

  // For records of what went in and out.
  Payload payload(std::string_view data, Preview preview) const {
    return describe(writer_.keys().payload, data, preview);
  }

  // Everything counted and queued is written and sealed. append() is EBADF afterwards. Not synced unless asked: a sync
  // costs more than a launch may, and what must survive a power loss was flushed so when it happened.
  Result<Head> close(Durability durability = Durability::process);

 private:
  Log(Writer writer, const Options& options);
  Result<void> enqueue(const Record& record, int64_t now_ns);
  void enqueue_repeats(const std::vector<Repeats::Repeat>& repeats, int64_t now_ns);
  bool seal_is_due(int64_t now_ns) const;

  Options options_;
  Writer writer_;
  Batch batch_;
  Repeats repeats_;
  Budget budget_;
  uint64_t number_ = 0, uncounted_ = 0;
  int64_t sealed_ns_;      // CLOCK_BOOTTIME
  bool unsealed_ = false;  // this object has written since its last seal
  bool open_ = true;
};

}  // namespace alos::audit
