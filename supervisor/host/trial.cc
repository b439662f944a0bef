#include "supervisor/host/trial.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/child.h"
#include "base/sys.h"
#include "base/unique_fd.h"

namespace alos::host {
namespace {

constexpr char kGo = 'g';

// setresuid of glibc is for whole processes; this one has one thread, but raw calls cost nothing and cannot surprise.
Outcome become_root_inside() {
  if (::syscall(SYS_setresgid, 0, 0, 0) != 0) return failed("setresgid");
  if (::syscall(SYS_setresuid, 0, 0, 0) != 0) return failed("setresuid");
  return worked();
}

Outcome enter(int flags, int ready, int go) {
  if (flags == 0) return worked();
  const bool user = flags & CLONE_NEWUSER;
  if (user) {
    if (::unshare(CLONE_NEWUSER) != 0) return failed("unshare");
    char token = kGo;
    if (::write(ready, &token, 1) != 1 || ::read(go, &token, 1) != 1 || token != kGo) return failed("uid_map");
    if (const Outcome inside = become_root_inside(); !inside.worked()) return inside;
  }
  if (const int rest = flags & ~CLONE_NEWUSER; rest != 0 && ::unshare(rest) != 0) return failed("unshare");
  return worked();
}

Result<void> write_file(const std::string& path, std::string_view text) {
  const UniqueFd fd = TRY(sys::open(path, O_WRONLY));
  return sys::write_all(fd.get(), text);
}

Result<void> map_ids(pid_t child) {
  const std::string proc = "/proc/" + std::to_string(child) + "/";
  const bool root = ::geteuid() == 0;
  const auto map = [](id_t outside) { return "0 " + std::to_string(outside) + " 1"; };
  TRY(write_file(proc + "setgroups", "deny"));
  TRY(write_file(proc + "uid_map", map(root ? kNobody : ::geteuid())));
  return write_file(proc + "gid_map", map(root ? kNobody : ::getegid()));
}

[[noreturn]] void child(int flags, const std::function<Outcome()>& what, int report, int ready, int go) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Outcome outcome = enter(flags, ready, go);
  if (outcome.worked()) outcome = what();
  const ssize_t sent = ::write(report, &outcome, sizeof outcome);
  ::_exit(sent == sizeof outcome ? 0 : 1);
}

}  // namespace

Outcome failed(std::string_view call) {
  Outcome out{.error = errno};
  call.copy(out.call, std::min(call.size(), sizeof out.call - 1));
  return out;
}

Result<Outcome> try_in_child(int flags, const std::function<Outcome()>& what) {
  auto report = TRY(sys::pipe());
  auto ready = TRY(sys::pipe());
  auto go = TRY(sys::pipe());
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", "trial");
  if (pid == 0) {
    report.a.reset(), ready.a.reset(), go.b.reset();
    child(flags, what, report.b.get(), ready.b.get(), go.a.get());
  }
  report.b.reset(), ready.b.reset(), go.a.reset();
  char token = 0;
  int map_error = 0;
  if (::read(ready.a.get(), &token, 1) == 1) {
    const auto mapped = map_ids(pid);
    if (!mapped) map_error = mapped.error().code;
    token = mapped ? kGo : 0;
    if (::write(go.b.get(), &token, 1) != 1) map_error = EPIPE;
  }
  Outcome out;
  const ssize_t got = ::read(report.a.get(), &out, sizeof out);
  (void)sys::wait_for(pid);
  if (map_error != 0) {
    errno = map_error;
    return failed("uid_map");
  }
  // Killed in the middle: a filter around this process that answers a call with death.
  if (got != sizeof out) {
    errno = EPERM;
    return failed("killed");
  }
  return out;
}

}  // namespace alos::host
