#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

#include "base/unique_fd.h"

namespace alos::host {

// The stream of --events: JSON lines, one object a line, first member "v": 1, then "event" and "time". Kinds: started,
// stopped, continued, limit, end. The last line is always the end; where it says "executed": false the program never ran.
// A reader that is gone or slow does not hold up a run: a line that cannot be written at once is dropped, and the next
// one says how many were ("dropped").
class Events {
 public:
  Events() = default;
  explicit Events(UniqueFd fd);
  void write(std::string_view event, nlohmann::ordered_json fields);

 private:
  UniqueFd fd_;
  uint64_t dropped_ = 0;
};

}  // namespace alos::host
