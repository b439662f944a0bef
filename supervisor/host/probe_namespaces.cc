#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/child.h"
#include "base/sys.h"
#include "supervisor/host/ids.h"
#include "supervisor/host/probe_parts.h"

namespace alos::host::parts {
namespace {

// The usual reasons why an ordinary user has none, most telling first.
Fact explain_refusal(Fact fact) {
  const auto because = [&](std::string detail, std::string remedy) {
    fact.detail = std::move(detail);
    fact.remedy = std::move(remedy);
    return fact;
  };
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    return because("kernel.unprivileged_userns_clone is 0",
                   "sysctl -w kernel.unprivileged_userns_clone=1, and in /etc/sysctl.d to keep it");
  if (setting("/proc/sys/user/max_user_namespaces") == "0")
    return because("user.max_user_namespaces is 0",
                   "sysctl -w user.max_user_namespaces=10000, and in /etc/sysctl.d to keep it");
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
    return because("AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1)",
                   "load an AppArmor profile for alos that says 'userns,', or set that sysctl to 0");
  return because(fact.detail,
                 "a container or a seccomp filter around this process forbids it (docker: --security-opt "
                 "seccomp=..., --privileged): run outside of it, or allow unshare and mount");
}

// A namespace without power is AppArmor's way of forbidding one: it must be able to mount.
Outcome mount_in_it() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failed("mount");
  if (::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) != 0) return failed("mount tmpfs");
  return worked();
}

// As root the supervisor and its broker are an account without privilege, for which namespaces can be forbidden.
Outcome broker_root() {
  if (::setgroups(0, nullptr) != 0 || ::setresgid(kSupervisorId, kSupervisorId, kSupervisorId) != 0 ||
      ::setresuid(kSupervisorId, kSupervisorId, kSupervisorId) != 0)
    return failed("setresuid");
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return failed("unshare");
  return mount_in_it();
}

// procfs shows what pid namespace its mounter is in; a container that covers parts of its own /proc gets EPERM ("mount
// too revealing", fs/namespace.c mount_too_revealing).
Outcome mount_proc_as_init() {
  const pid_t init = ::fork();
  if (init < 0) return failed("fork");
  if (init == 0) ::_exit(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0 ? 0 : errno);
  const auto status = sys::wait_for(init);
  errno = status && WIFEXITED(*status) ? WEXITSTATUS(*status) : EINTR;
  return errno == 0 ? worked() : failed("mount proc");
}

}  // namespace

Result<void> namespaces(Facts& facts) {
  facts.user_namespace = TRY(tried(CLONE_NEWUSER | CLONE_NEWNS, mount_in_it));
  if (!facts.user_namespace.there()) facts.user_namespace = explain_refusal(facts.user_namespace);
  facts.broker_root = facts.uid == 0 ? TRY(tried(0, broker_root)) : facts.user_namespace;
  if (facts.uid == 0 && !facts.broker_root.there()) facts.broker_root = explain_refusal(facts.broker_root);
  const std::string remedy =
      "a limit below /proc/sys/user or a filter around this process forbids it: raise it, or run outside";
  const auto one = [&](Fact Facts::* fact, int flag) -> Result<void> {
    facts.*fact = TRY(tried_in_box(facts, flag, worked, remedy));
    return {};
  };
  TRY(one(&Facts::mount_namespace, CLONE_NEWNS));
  TRY(one(&Facts::pid_namespace, CLONE_NEWPID));
  TRY(one(&Facts::net_namespace, CLONE_NEWNET));
  TRY(one(&Facts::ipc_namespace, CLONE_NEWIPC));
  TRY(one(&Facts::uts_namespace, CLONE_NEWUTS));
  TRY(one(&Facts::cgroup_namespace, CLONE_NEWCGROUP));
  facts.procfs =
      TRY(tried_in_box(facts, CLONE_NEWNS | CLONE_NEWPID, mount_proc_as_init,
                       "this runs in a container that covers parts of its /proc (\"mount too revealing\"): start the "
                       "container with an uncovered /proc (docker: --security-opt systempaths=unconfined)"));
  return {};
}

}  // namespace alos::host::parts
