#include <unistd.h>

#include <string>

#include "base/digest.h"
#include "supervisor/box/cgroup.h"
#include "supervisor/box/limit_holders.h"
#include "supervisor/host/probe_parts.h"

namespace alos::host::parts {

// What the launch itself goes by, and one group with every limit, made as a launch makes it.
Result<void> cgroups(Facts& facts) {
  facts.machine = TRY(box::read_machine());
  policy::Limits every;
  every.memory = 64 << 20;
  every.processes = 16;
  every.cpus_milli = 1000;
  every.cpu_time_ms = 1000;
  // By whose it is: several may look at one machine at a time.
  const std::string name = "probe-" + std::to_string(::getpid()) + "-" + random_hex(4);
  const auto made = box::Cgroup::create(box::plan_cgroup(box::as_it_is(facts.machine), name, every));
  if (made) return {};
  facts.cgroup_error = made.error().text();
  facts.machine.view = {};  // a launch goes without as well, where that is degraded
  facts.machine.manager.clear();
  return {};
}

}  // namespace alos::host::parts
