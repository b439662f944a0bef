#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "policy/policy.h"

namespace alos::broker {

// What the program alos-broker is: descriptor 3 is its socket to the supervisor, 4 the file ring (link.h). Gives up the
// host's files before it reads a word, and everything else that serving does not take before an agent's first frame;
// then serves until the supervisor is gone. `read`: what it decides by, from what the supervisor sends. Its code where
// it cannot serve, after a line on standard error.
using ReadPolicy = std::function<Result<policy::Policy>(std::string_view rules)>;
int serve(const ReadPolicy& read);

}  // namespace alos::broker
