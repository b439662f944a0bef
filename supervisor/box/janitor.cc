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
  return Janitor(pid, std::move(gate.b));  // close-on-exec, so that no box holds it
}

void Janitor::dismiss() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  gate_.reset();
}

}  // namespace alos::box
