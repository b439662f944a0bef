#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/rules.h"

namespace alos::broker {

// Where the broker has recorded what it decides and does. Kept by another process, so that who reads what agents send
// has neither the log nor its keys.
//
// Rule: what has an effect is recorded before it happens; a failure means that it must not happen. One thread.
class Journal {
 public:
  struct Entry {
    std::string_view action{};  // "fs.write"
    std::string_view target{};
    policy::Effect decision = policy::Effect::allow;
    std::string_view rule{}, source{}, reason{}, layer{};
    std::string_view outcome{};  // "ok", "failed EIO"; empty in an intent
    std::vector<std::pair<std::string, std::string>> details{};
    uint64_t parent = 0;  // number of the intent that this is the end of
  };
  virtual ~Journal() = default;
  // Queues; answers its number, for `parent`; never 0.
  virtual uint64_t write(const Entry& entry) = 0;
  // Calls back once the entry is where the death of any process leaves it. Errors: EDQUOT, the agent's audit budget is
  // used up; the log's own. Perhaps before this returns.
  virtual void when_written(uint64_t number, std::function<void(Result<void>)> then) = 0;
};

}  // namespace alos::broker
