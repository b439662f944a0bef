// Threat 24: a user namespace of one's own, and with it every capability inside.

#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

Outcome by_clone(unsigned long high_bits) {
  const long child = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD | high_bits, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) ::_exit(0);
  if (child < 0) return stopped_by_errno("clone");
  ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  return escaped("a user namespace of its own");
}

Outcome by_clone3() {
  clone_args args{};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = SIGCHLD;
  const long child = ::syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) ::_exit(0);
  if (child < 0) return stopped_by_errno("clone3");
  ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  return escaped("a user namespace of its own");
}

Outcome capable() {
  return judge_call(::syscall(SYS_sethostname, "escaped", 7), "sethostname", "a capability, and used it");
}

constexpr Attempt kAttempts[] = {
    {"24.a", "a user namespace by unshare",
     [] { return judge_call(::unshare(CLONE_NEWUSER), "unshare", "a user namespace of its own"); }},
    {"24.b", "a user namespace by clone", [] { return by_clone(0); }},
    {"24.c", "a user namespace by clone with a high bit set", [] { return by_clone(1ul << 32); }},
    {"24.d", "a user namespace by clone3", by_clone3},
    {"24.e", "capabilities over a new UTS namespace", [] { return in_nested_namespace(CLONE_NEWUTS, capable); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
