// alos-broker: serves the primitives of one run's agent. Started by the run's supervisor when the first program of the
// box connects; descriptor 3 is its socket to the supervisor, 4 the file ring. It reads what agents send, so it holds
// nothing else: no capability, no file of the host, no key, no way to start a program.

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/archive.h"
#include "base/print.h"
#include "policy/archive.h"
#include "syscall-broker/confine.h"
#include "syscall-broker/link_end.h"
#include "syscall-broker/private_root.h"

namespace alos::broker {
namespace {

struct Served {
  LinkEnd link{UniqueFd(kLink)};
  std::unique_ptr<Broker> broker;
};

Result<void> prepare(Served& out) {
  UniqueFd ring(kInheritedRing);
  TRY(enter_private_root());
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // after the last file of /proc that is written
  LinkEnd::Start start = TRY(out.link.receive_start());
  io_uring_params params{};
  if (start.begin.ring.size() != sizeof params) return fail("start", "ring", EBADMSG);
  std::memcpy(&params, start.begin.ring.data(), sizeof params);
  policy::CompiledPolicy policy = policy::compile(TRY(decode<policy::Policy>(start.rules, "policy")));
  Agent::Facts facts{.run = start.begin.run, .workspace = start.begin.workspace, .env = start.begin.env};
  std::optional<Broker::VirtualTime> time;
  if (start.begin.virtual_time) time = {.now_ns = start.begin.now_ns, .wall_ns = start.begin.wall_ns};
  out.broker = TRY(Broker::create(TRY(FileRing::map(std::move(ring), params)), std::move(facts), std::move(policy),
                                  out.link, out.link, time));
  out.link.serve(*out.broker);
  TRY(confine(Landlock::needed));
  out.broker->listen(std::move(start.listener));
  return {};
}

int run() {
  ::umask(0);  // modes are explicit; what is made on the ring is made with this one
  Served served;
  if (auto ready = prepare(served); !ready) {
    alos::print_error("alos-broker: {}\n", ready.error().text());
    return 1;
  }
  for (;;) served.broker->wait({}, std::nullopt);
}

}  // namespace
}  // namespace alos::broker

int main() {
  return alos::broker::run();
}
