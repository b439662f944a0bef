#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/unique_fd.h"

namespace alos::host {

// The stream of --events: JSON lines, one object a line, first member "v": 1, then "event" and "time". Kinds: launching
// (only where that takes long), started, stopped, continued, limit, clock (a virtual one was moved), broker (it ended,
// or is not served any more), denied (a primitive), end. The last line is always the end; where it says "executed":
// false the program never ran. A reader that is gone or slow does not hold up a run: a line that cannot be written at
// once is dropped, and the next one says how many were ("dropped"). One of more than PIPE_BUF bytes may be cut short
// then; the next begins anew.
//
// What a program can cause as often as it likes (stopped, continued) is counted: the first kRepeats are written, after
// that each whose number is a power of two, with the number ("count"); the end has the totals.
class Events {
 public:
  Events() = default;
  explicit Events(UniqueFd fd);
  void write(std::string_view event, const nlohmann::ordered_json& fields);
  // The same for what can repeat without end; `count` is how often it has happened, this time included.
  void write_repeated(std::string_view event, nlohmann::ordered_json fields, uint64_t count);
  static constexpr uint64_t kRepeats = 16;

 private:
  bool put(std::string_view text);

  UniqueFd fd_;
  uint64_t dropped_ = 0;
  bool torn_ = false;  // the last line stands there without its end
};

}  // namespace alos::host
