#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/rules.h"

namespace alos::broker {

// Where the broker records what it decides and does. Implemented over the audit log by who holds that.
//
// Rule: what has an effect is written, and flushed, before it happens; a failure means that it must not happen. One
// thread.
class Journal {
 public:
  struct Entry {
    std::string_view action{};  // "fs.write"
    std::string_view target{};
    policy::Effect decision = policy::Effect::allow;
    std::string_view rule{}, source{}, reason{}, layer{};
    std::string_view outcome{};  // "ok", "failed EIO"; empty in an intent
    std::vector<std::pair<std::string_view, std::string>> details{};
    std::string_view content{};  // described by size and keyed hash, never by itself
    bool has_content = false;
    std::string_view parent{};  // the intent that this is the end of
  };
  virtual ~Journal() = default;
  // Queues; answers its id, for `parent`. Errors: EDQUOT, the agent's audit budget is used up; the log's own.
  virtual Result<std::string> write(const Entry& entry) = 0;
  // What is queued survives the death of any process then.
  virtual Result<void> flush() = 0;
};

}  // namespace alos::broker
