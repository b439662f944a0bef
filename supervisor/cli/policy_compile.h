#pragma once

#include "policy/decide.h"
#include "policy/load.h"

namespace alos::cli {

// `alos-policy compile`: what the front runs when its cache has nothing for a choice. Writes the compiled form (box/spec.h)
// to `output`, whole or not at all, and prints the problems of the policy on stderr. Exit code 0 or 1.
int write_compiled(const policy::Loaded& loaded, const std::string& output);

}  // namespace alos::cli
