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

// Of the whole process, before it has a second thread: what is freed is joined with what is free beside it at once.
// glibc keeps small pieces apart and joins them all when something large is asked for or freed (malloc_consolidate()):
// of 100,000 sleeps that had ended, that kept all others for 100 ms.
void join_freed_at_once();

}  // namespace alos::broker
