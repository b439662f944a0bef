#include "syscall-broker/serve.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/print.h"
#include "syscall-broker/confine.h"
#include "syscall-broker/link_end.h"
#include "syscall-broker/private_root.h"

namespace alos::broker {
namespace {

struct Served {
  LinkEnd link{UniqueFd(kLink)};
  std::unique_ptr<Broker> broker;
};

Result<void> prepare(const ReadPolicy& read, Served& out) {
  UniqueFd ring(kInheritedRing);
  TRY(enter_private_root());
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // after the last file of /proc that is written
  LinkEnd::Start start = TRY(out.link.receive_start());
  View::Roots roots = TRY(close_private_root(start.trees));
  io_uring_params params{};
  if (start.begin.ring.size() != sizeof params) return fail("start", "ring", EBADMSG);
  std::memcpy(&params, start.begin.ring.data(), sizeof params);
  policy::CompiledPolicy policy = policy::compile(TRY(read(start.rules)));
  Agent::Facts facts{.run = start.begin.run,
                     .workspace = start.begin.workspace,
                     .env = start.begin.env,
                     .begun_ns = start.begin.begun_ns,
                     .slept_ms = start.begin.slept_ms};
  std::optional<Broker::VirtualTime> time;
  if (start.begin.virtual_time) time = {.now_ns = start.begin.now_ns, .wall_ns = start.begin.wall_ns};
  std::vector<ScriptLine> script;
  if (start.begin.scripted) script = TRY(decode<std::vector<ScriptLine>>(start.script, "script"));
  out.broker = TRY(Broker::create(TRY(FileRing::map(std::move(ring), params)), std::move(facts), std::move(policy),
                                  out.link, out.link, time, Script(std::move(script))));
  if (start.identity)
    out.broker->identity(std::pair(std::move(roots), *start.identity));
  else
    out.broker->identity(std::unexpected(start.identity.error()));
  out.link.serve(*out.broker);
  TRY(confine(Landlock::needed));
  out.broker->listen(std::move(start.listener));
  return {};
}

}  // namespace

void join_freed_at_once() {
  ::mallopt(M_MXFAST, 0);  // it can only fail for values that there are not
}

int serve(const ReadPolicy& read) {
  join_freed_at_once();
  ::umask(0);  // modes are explicit; what is made on the ring is made with this one
  Served served;
  if (auto ready = prepare(read, served); !ready) {
    alos::print_error("alos-broker: {}\n", ready.error().text());
    return 1;
  }
  for (;;) served.broker->wait({}, std::nullopt);
}

}  // namespace alos::broker
