#include "syscall-broker/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/unique_fd.h"

namespace alos::broker {
namespace {

// landlock.h of newer kernels; Debian 12's headers know the first field (ABI 2).
struct RulesetAttr {
  uint64_t files;
  uint64_t ports;   // ABI 4, 6.7
  uint64_t scoped;  // ABI 6, 6.12
};

Result<void> give_up_files() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return fail("landlock", "this kernel", ENOSYS);
  // One right more with ABI 2, 3 and 5; ports to bind and to connect to; abstract sockets and signals.
  const int rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  const RulesetAttr attr{.files = (uint64_t{1} << rights) - 1, .ports = 3, .scoped = 3};
  const size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  const UniqueFd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
  if (!ruleset) return fail_errno("landlock_create_ruleset", "broker");
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return fail_errno("landlock_restrict_self", "broker");
  return {};
}

// What serving takes, and what the C library does for it.
constexpr const char* kCalls[] = {
    // descriptors
    "read", "write", "close", "close_range", "fstat", "recvmsg", "sendmsg", "sendto", "recvfrom", "shutdown",
    "getsockopt", "getdents64", "ftruncate", "copy_file_range", "pipe2", "poll", "ppoll",
    // the rings; making one is over
    "io_uring_enter",
    // where a descriptor leads: what readlink shows of the host besides is names of links
    "readlink", "readlinkat",
    // memory
    "mmap", "munmap", "mremap", "mprotect", "madvise", "brk",
    // threads of this process, and its end
    "futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "gettid", "getpid", "exit", "exit_group",
    "rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "sigaltstack", "restart_syscall",
    // time and chance
    "clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "getrandom"};

Result<void> give_up_calls() {
  const std::unique_ptr<void, void (*)(void*)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release);
  if (!filter) return fail("seccomp_init", "broker", ENOMEM);
  const auto allow = [&](int call, std::initializer_list<scmp_arg_cmp> when) {
    return ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, static_cast<unsigned>(when.size()),
                                    when.begin());
  };
  for (const char* name : kCalls) {
    const int call = ::seccomp_syscall_resolve_name(name);
    if (const int rc = allow(call, {}); rc != 0) return fail("seccomp_rule_add", name, -rc);
  }
  // How much of what was sent waits (SIOCOUTQ), and whether a descriptor is a terminal, which the C library asks.
  for (const uint64_t request : {uint64_t{0x5411}, uint64_t{0x5401}})
    if (const int rc = allow(SCMP_SYS(ioctl), {SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffff, request)}); rc != 0)
      return fail("seccomp_rule_add", "ioctl", -rc);
  // Not F_SETOWN and F_SETSIG, by which a descriptor that becomes ready signals whom one likes.
  for (const uint64_t command : {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GET_SEALS})
    if (const int rc = allow(SCMP_SYS(fcntl), {SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffff, command)}); rc != 0)
      return fail("seccomp_rule_add", "fcntl", -rc);
  // Only itself, as abort(3) does: Landlock holds signals back from 6.12 on alone.
  const auto self = static_cast<uint64_t>(::getpid());
  if (const int rc = allow(SCMP_SYS(tgkill), {SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xffffffff, self)}); rc != 0)
    return fail("seccomp_rule_add", "tgkill", -rc);
  // Its flags are in memory, where a filter does not look: the C library makes threads by clone where it is not there.
  if (const int rc = ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0); rc != 0)
    return fail("seccomp_rule_add", "clone3", -rc);
  // Threads alone: never a process.
  constexpr uint64_t kThread = 0x00010000;  // CLONE_THREAD
  if (const int rc = allow(SCMP_SYS(clone), {SCMP_A0_64(SCMP_CMP_MASKED_EQ, kThread, kThread)}); rc != 0)
    return fail("seccomp_rule_add", "clone", -rc);
  if (const int rc = ::seccomp_load(filter.get()); rc != 0) return fail("seccomp_load", "broker", -rc);
  return {};
}

}  // namespace

Result<void> confine(Landlock landlock) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("prctl", "no_new_privs");
  if (auto done = give_up_files(); !done) {
    if (done.error().code != ENOSYS || landlock == Landlock::needed) return done;
  }
  return give_up_calls();
}

}  // namespace alos::broker
