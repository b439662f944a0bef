// alos-broker: serves the primitives of one run's agent. Started by the run's supervisor when the first program of the
// box connects. It reads what agents send, so it holds nothing else: no capability, no file of the host, no key, no way
// to start a program.

#include "base/archive.h"
#include "policy/archive.h"
#include "syscall-broker/serve.h"

int main() {
  return alos::broker::serve(
      [](std::string_view rules) { return alos::decode<alos::policy::Policy>(rules, "policy"); });
}
