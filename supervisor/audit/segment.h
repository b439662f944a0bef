#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/audit/record.h"

// The files of a log: 000001.log, 000002.log, ... beside `lock` and the keys. All but the last end with an audit.rotate
// record; each begins with an audit.segment record that repeats count and hash, so that one file can be read alone.
namespace alos::audit {

std::string segment_name(unsigned number);

// Numbers of the segments in `dir`, ascending; other names are passed over.
Result<std::vector<unsigned>> list_segments(int dir);

// The lock that every writer holds from looking at the end of the log to having written. Released when destroyed, by
// the kernel when its process dies. A child that was forked meanwhile and did not exec shares it: fork before, or exec.
// Errors: EBADMSG when the lock file was removed, for then two writers could hold two locks.
class LogLock {
 public:
  enum class Mode : uint8_t { write, read };
  static Result<LogLock> take(int lock_file, Mode mode);
  LogLock(LogLock&& other) noexcept;
  LogLock& operator=(LogLock&&) = delete;
  ~LogLock();

 private:
  explicit LogLock(int fd) : fd_(fd) {}
  int fd_;
};
inline constexpr const char* kLockFile = "lock";

// A rotation needs two records in a row that are no seals.
inline constexpr uint64_t kLeastSealEvery = 4;
// And the most: who has no key can put as many records at the end of a log as may stand there without a seal.
inline constexpr uint64_t kMostSealEvery = 1024;

// The end of a segment.
struct Tail {
  uint64_t whole = 0;    // bytes up to the last newline
  uint64_t torn = 0;     // bytes after it: a write that was cut short and never acknowledged
  Head head;             // of the last whole record; count 0 when there is none
  bool sealed = false;   // it is a seal
  bool rotated = false;  // it is audit.rotate: the log goes on in the next segment
};
// Errors: EBADMSG when the last whole line is no valid record: nothing may be added to a log that was changed.
Result<Tail> read_tail(int fd, const std::string& name, uint64_t size);

// The files of a log and how much of the last there is, taken under the lock, so that no write is half done. Without a
// lock file (a copy of a log) taken as found. Errors: ENOENT when there is no segment.
struct Snapshot {
  std::vector<unsigned> segments;
  uint64_t last_size = 0;
  bool operator==(const Snapshot&) const = default;
};
Result<Snapshot> take_snapshot(int dir, const std::string& path);

// From the first record of a segment. Errors: EBADMSG.
Result<uint64_t> read_seal_every(int fd, const std::string& name);

}  // namespace alos::audit
