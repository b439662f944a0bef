#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace alos::broker {

// What a broker needs of whoever runs boxes. Called on the broker's thread; answers come by the methods of Broker.
class Host {
 public:
  // A box of its own for a command, from the same holder as the agent's.
  struct Run {
    uint32_t number = 0;
    int32_t command = -1;  // index of the rule of `commands` that gives it more than the agent has; -1: none
    std::string program;   // the file that is executed, of whatever name argv[0] is
    std::vector<std::string> argv, env;
    std::string cwd;
    std::array<UniqueFd, 3> stdio;
  };

  virtual ~Host() = default;
  // Answered by Broker::run_started() and, where it did start, run_ended().
  virtual void want_run(Run run) = 0;
  // It and all that it started is to end; run_ended() says when.
  virtual void end_run(uint32_t number) = 0;

  // With a virtual clock: every call under way waits, for a time or for a command that has one.
  struct Rest {
    uint64_t state = 0;            // for Broker::advance(), which does nothing once anything has happened
    int64_t next_ns = 0;           // when the earliest is due
    std::vector<int32_t> clients;  // processes that have such a call under way
  };
  virtual void rests(Rest rest) = 0;

  // What sleeps have taken of the policy's total, before any of them is answered: for the broker after this one.
  virtual void slept(uint64_t total_ms) = 0;
};

}  // namespace alos::broker
