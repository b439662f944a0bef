#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "base/sys.h"
#include "supervisor/box/kernel_abi.h"
#include "supervisor/host/probe_parts.h"

namespace alos::host::parts {
namespace {

Outcome load_filter(unsigned flags) {
  std::array<sock_filter, 1> program{{BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog all{.len = program.size(), .filter = program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &all) < 0 ? failed("seccomp") : worked();
}

Outcome try_clone3() {
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return failed("clone3");
  if (pid == 0) ::_exit(0);
  siginfo_t info{};
  return ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) != 0 ? failed("waitid") : worked();
}

Outcome try_pidfd() {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  if (fd < 0) return failed("pidfd_open");
  return ::syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0) != 0 ? failed("pidfd_send_signal") : worked();
}

Outcome try_close_range() {
  const int copy = ::dup(STDIN_FILENO);
  constexpr unsigned kCloexec = 4;  // CLOSE_RANGE_CLOEXEC, 5.11
  if (copy < 0) return worked();    // nothing to close, nothing to learn: stdin is closed
  return ::syscall(SYS_close_range, copy, copy, kCloexec) != 0 ? failed("close_range") : worked();
}

Outcome try_openat2() {
  return sys::openat2(AT_FDCWD, "/", O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) ? worked() : failed("openat2");
}

// A descriptor that is none: the kernel knows the call when it says so.
Outcome try_execveat() {
  std::array<char*, 1> none{nullptr};
  ::syscall(SYS_execveat, -1, "", none.data(), none.data(), AT_EMPTY_PATH);
  return errno == EBADF ? worked() : failed("execveat");
}

Outcome try_mdwe() {
  return ::prctl(box::kPrSetMdwe, box::kPrMdweRefuseExecGain, 0, 0, 0) != 0 ? failed("prctl PR_SET_MDWE") : worked();
}

std::string what_abi_lacks(int abi) {
  if (abi < 2) return "cannot allow moving files between directories";
  if (abi < 3) return "read-only must be a read-only mount: truncating is not judged";
  if (abi < 4) return "no rules for TCP ports";
  if (abi < 6) return "abstract sockets and signals are not scoped";
  return {};
}

void landlock(Facts& facts) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) {
    facts.landlock =
        fact_of(failed("landlock_create_ruleset"),
                "add landlock to lsm= on the kernel command line (see /sys/kernel/security/lsm), kernel 5.13 or newer");
    return;
  }
  facts.landlock_abi = static_cast<int>(abi);
  const std::string lacks = what_abi_lacks(facts.landlock_abi);
  facts.landlock = {
      .state = State::yes, .detail = "ABI " + std::to_string(abi) + (lacks.empty() ? "" : ", " + lacks), .remedy = {}};
}

}  // namespace

Result<void> kernel(Facts& facts) {
  landlock(facts);
  const std::string filter =
      "a kernel with CONFIG_SECCOMP_FILTER; if it has one, a filter around this process forbids more";
  facts.seccomp_filter = TRY(tried(0, [] { return load_filter(0); }, filter));
  facts.seccomp_notify = TRY(tried(
      0, [] { return load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER); },
      "run outside of another supervisor that listens already"));
  facts.seccomp_killable = TRY(tried(
      0, [] { return load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV); },
      "kernel 6.0 or newer"));
  facts.clone3 = TRY(tried(0, try_clone3, kNewerKernel));
  facts.pidfd = TRY(tried(0, try_pidfd, kNewerKernel));
  facts.close_range = TRY(tried(0, try_close_range, kNewerKernel));
  facts.openat2 =
      TRY(tried(0, try_openat2, "kernel 5.6 or newer; a container's filter may forbid it: run outside of it"));
  facts.execveat = TRY(tried(0, try_execveat, kNewerKernel));
  facts.mdwe = TRY(tried(0, try_mdwe, "kernel 6.3 or newer"));
  return {};
}

}  // namespace alos::host::parts
