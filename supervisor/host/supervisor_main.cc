// alos-supervisor: the supervisor of a run. Started by the front, which it replaces; holds no capability. Its orders
// are a sealed memfd on descriptor 4; the descriptors that they name were inherited.

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>

#include "base/sys.h"
#include "supervisor/host/supervise.h"

int main() {
  using namespace alos;
  // Its memory holds the audit keys, and what every agent of this user did.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  UniqueFd from(4);
  const auto text = sys::read_file(from.get(), 16 << 20);
  const auto order = text ? decode<host::SupervisorOrder>(*text, "supervisor's order") : std::unexpected(text.error());
  if (!order) {
    std::fprintf(stderr, "alos-supervisor: %s\n      it is started by 'alos run', not by hand\n",
                 order.error().text().c_str());
    return host::kNotRun;
  }
  from.reset();
  return host::supervise(*order);
}
