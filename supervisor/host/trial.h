#pragma once

#include <sys/types.h>

#include <functional>
#include <string_view>

#include "base/result.h"

namespace alos::host {

// What a child that tried something reports: errno (0: it worked) and the call that gave it.
struct Outcome {
  int error = 0;
  char call[32] = {};

  bool worked() const { return error == 0; }
};
Outcome failed(std::string_view call);  // with errno
inline Outcome worked() {
  return {};
}

// Forks, lets the child enter namespaces and try, and reaps it: nothing of what it does remains but files. The caller
// has one thread. The child becomes id 0 of its user namespace when `flags` holds CLONE_NEWUSER, which outside is this
// uid, or kNobody where this uid is 0: a box never maps to host root. Errors: the trial itself could not be made (fork,
// pipe).
Result<Outcome> try_in_child(int flags, const std::function<Outcome()>& what);
inline constexpr uid_t kNobody = 65534;

}  // namespace alos::host
