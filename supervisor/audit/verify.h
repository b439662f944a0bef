#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "supervisor/audit/keys.h"
#include "supervisor/audit/record.h"

namespace alos::audit {

struct Finding {
  enum class Kind : uint8_t {
    malformed,    // a line that no writer makes
    edited,       // a record whose content does not match its own hash
    broken,       // a record that does not follow from the one before it: replaced, or put in between
    gap,          // records are missing
    misplaced,    // a record a second time, or out of its place
    seal,         // a seal that is wrong, or one that is missing where one must stand
    foreign_key,  // sealed with a key that is not the log's
    segment,      // a file is missing, or does not begin or end as it must
    anchor,       // the log is shorter than the anchor says, or another one
  };
  Kind kind;
  std::string file;
  uint64_t line = 0;  // 0: the file as a whole
  std::string what;

  std::string text() const;  // "000001.log:17: edited: ..."
};
std::string_view name(Finding::Kind kind);

struct Verdict {
  std::vector<Finding> findings;  // the first kMostFindings
  uint64_t more_findings = 0;
  std::vector<std::string> notes;  // no tampering, worth knowing: a torn last write, records after the last seal
  bool torn = false;               // the log ends in the middle of a record (a note, not a finding)
  Head head;                       // of the last whole record: what to keep as an anchor
  uint64_t records = 0, seals = 0;
  size_t files = 0;
  std::string first_time, last_time;

  bool sound() const { return findings.empty(); }
};
inline constexpr size_t kMostFindings = 50;

struct VerifyOptions {
  std::optional<Head> anchor{};  // must be a record of this log
  std::optional<SealKey> key{};  // the log's key, kept elsewhere; otherwise seal.pub beside the log
};

// Reads the whole log once, in bounded memory; writers may go on meanwhile. What it cannot find without an anchor:
// records cut off the end after the last seal that anybody kept; without `key`: a log that was written anew with a new
// seal.pub. Errors (nothing can be said): the log or its seal.pub is not there or cannot be read.
Result<Verdict> verify(const std::string& dir, const VerifyOptions& options = {});

}  // namespace alos::audit
