#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "supervisor/box/launch_times.h"
#include "supervisor/host/run_clock.h"

namespace alos::host {

enum class Apply : uint8_t { none, safe, ask };

// `alos run`, parsed.
struct RunOptions {
  std::string policy = "strict";
  std::string workspace;  // empty: the current directory
  std::map<std::string, std::string> variables;
  std::string name;
  std::string events;  // a file, or a number
  std::vector<std::string> degrade;
  bool fresh = false;
  bool fail_on_deny = false;
  ClockKind clock = ClockKind::real;
  std::string script;        // a file (script_file.h); empty: none
  std::string clock_orders;  // number of the descriptor that a given clock is moved from; empty: none
  Apply apply = Apply::none;
  std::vector<std::string> command;
  // Descriptor that is told kRan (order.h) when the run is over and the program was executed, and after it in the same
  // write the workspace that its layer belongs to.
  int verdict = -1;
  box::LaunchTimes times;
};

// Prepares everything that needs the caller's rights, starts the launcher and becomes the supervisor (exec), so that
// the caller's child is the one that ends with the program's code. Returns only when it failed: 125, said on stderr.
int run(RunOptions options);

}  // namespace alos::host
