#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/host/registry.h"

// Runs whose supervisor did not live to record their end. Each run has a mark, <state>/open/<id>, from before its
// program starts until its end is in the audit log; its supervisor holds a lock on it. A mark that nobody holds is a
// crash, or a restart of the machine, and is told once: by the next `alos run` or `alos ps`, and by a record in the
// audit log.
namespace alos::host {

class RunMark {
 public:
  RunMark() = default;
  // `intent`: id of the record that announced the run. Errors: those of writing.
  static Result<RunMark> put(const std::string& directory, const RunInfo& run, const std::string& intent);

  void beat() const;        // still here: so that a crash can be dated to kBeatNs
  void unrecorded() const;  // the run ended in order, but the log did not take it; works on a full disk
  void remove();            // the end is recorded
  static constexpr int64_t kBeatNs = 60'000'000'000;

 private:
  std::string path_;
  UniqueFd file_;
};

struct Crash {
  enum class How : uint8_t {
    crash,       // the supervisor was killed, or failed
    restart,     // the machine went down or was restarted
    unrecorded,  // it ended in order, and its end could not be written into the audit log
  };
  RunInfo run;
  How how = How::crash;
  int64_t seen_ns = 0;   // last sign of life, CLOCK_REALTIME
  bool pending = false;  // what it changed is kept in its workspace's layer
};
std::string_view name(Crash::How how);

// What is to be told, each once whoever asks. It is in the audit log when this returns; what could not be recorded is
// left out with a line on stderr, and is told the next time. Errors: the directory cannot be read.
Result<std::vector<Crash>> take_crashes(const Directories& directories);
// For a person.
std::string text_of(const Crash& crash);

std::string marks_directory(const std::string& state);

}  // namespace alos::host
