#pragma once

#include <string>
#include <vector>

#include "supervisor/box/deep_walk.h"
#include "supervisor/box/holder.h"

namespace alos::box {

// What one box of a run is for.
struct BoxRequest {
  std::string program;  // what is executed; empty: argv[0], searched for as execvp(3) does
  std::vector<std::string> argv, env;
  std::string cwd;
  UniqueFd stdio[3];
  bool terminal = false;
  uint8_t terminal_mask = 0;
  uint16_t rows = 24, columns = 80;
  // A command that gets more than the agent: its mounts lie over the agent's, its program is what is executed, and
  // nothing that the agent could have written is there to be written, executed, or started in. None: a box of the
  // agent's own.
  const policy::BoxCommand* command = nullptr;
};

// A box of the run, ready to be entered. `between`: while it is looked for what is to be covered in it.
Launched<Layout> compose(const Holder& holder, Sources sources, BoxRequest request, Trace& trace,
                         const Between& between = {});

}  // namespace alos::box
