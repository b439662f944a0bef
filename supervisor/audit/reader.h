#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/audit/lines.h"
#include "supervisor/audit/segment.h"

namespace alos::audit {

// One record as read back; texts as they were given to append(), so they go through printable() before a person sees
// them.
struct Entry {
  uint64_t seq = 0;
  int64_t ns = 0;
  std::string id, run, process, action, target, decision, rule, source, outcome, parent;
  std::string detail;    // JSON, empty when there is none
  std::string raw;       // the line itself
  bool damaged = false;  // no record can be read there; `raw` says file and line
};

// Empty fields let everything through. `action` takes "fs.read", or "fs" for all of that kind.
struct Filter {
  std::string run{}, action{}, decision{}, rule{};
  std::optional<int64_t> since_ns{}, until_ns{};

  bool passes(const Entry& entry) const;
  bool in_time(int64_t ns) const { return ns >= since_ns.value_or(INT64_MIN) && ns <= until_ns.value_or(INT64_MAX); }
};

// A log can grow faster than it is read.
enum class Extent : uint8_t {
  as_opened,  // what was written when the reader was opened
  growing,    // what is written by the time it is read
};

// Reads a log from its beginning in bounded memory, as far as it is written; a torn end is left alone, a damaged line
// is an entry that says so. Does not check hashes: that is verify().
class Reader {
 public:
  // Errors: ENOENT when there is no log.
  static Result<Reader> open(const std::string& dir, Filter filter, Extent extent);

  // The next record that passes, or nothing at the end: called again later, a growing one goes on with what was added.
  Result<std::optional<Entry>> next();

 private:
  Reader(UniqueFd dir, std::string path, Filter filter)
      : dir_(std::move(dir)), path_(std::move(path)), filter_(std::move(filter)) {}
  Result<void> open_segment(unsigned number);
  Result<bool> advance();
  Result<Snapshot> present() const;
  std::optional<Entry> parse(std::string_view text) const;
  Entry damaged() const;

  UniqueFd dir_;
  std::string path_;
  Filter filter_;
  std::optional<Snapshot> opened_;  // where it ends
  unsigned number_ = 0;
  uint64_t size_ = 0;
  std::optional<Lines> lines_;
};

}  // namespace alos::audit
