#include "supervisor/box/janitor.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.h"

namespace alos::box {

Result<Janitor> start_janitor(const CgroupPlan& plan) {
  if (plan.groups().empty()) return Janitor();
  sys::Pair gate = TRY(sys::pipe());
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", "janitor");
  if (pid == 0) {
    ::setsid();
    if (::dup2(gate.a.get(), 0) != 0) ::_exit(1);
    // With its own end of the pipe open it would wait for ever; with the caller's output open, the caller would.
    if (::syscall(SYS_close_range, 1, ~0U, 0) != 0) ::_exit(1);
    char byte;
    while (::read(0, &byte, 1) < 0 && errno == EINTR) {
    }
    Cgroup::remove(plan);
    ::_exit(0);
  }
  UniqueFd pidfd = TRY(sys::pidfd_open(pid));           // should this fail, the gate closes, and it ends by itself
  return Janitor(std::move(pidfd), std::move(gate.b));  // close-on-exec, so that no box holds it
}

void Janitor::dismiss() {
  if (!pidfd_) return;
  (void)sys::pidfd_signal(pidfd_.get(), SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0 && errno == EINTR) {
  }
  pidfd_.reset();
  gate_.reset();
}

}  // namespace alos::box
