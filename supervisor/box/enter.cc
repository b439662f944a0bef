#include "supervisor/box/enter.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "supervisor/box/kernel_abi.h"
#include "supervisor/box/reporter.h"
#include "supervisor/box/root.h"

namespace alos::box {
namespace {

// The box's inotify instances and watches count against the user who started it, too: without a bound of its own, one
// box could use up all of them (namespaces' own limits: user_namespaces(7), /proc/sys/user).
void bound_shared_counts(const Reporter& report) {
  struct Bound {
    const char* path;
    const char* value;
  };
  for (const Bound& bound :
       {Bound{"/proc/sys/user/max_inotify_instances", "32"}, Bound{"/proc/sys/user/max_inotify_watches", "8192"}}) {
    const int fd = ::open(bound.path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) continue;  // a kernel without inotify
    report.must(Step::limits, bound.path, fd < 0 ? -1 : ::write(fd, bound.value, std::strlen(bound.value)));
    ::close(fd);
  }
}

void wait_for_go(const Reporter& report) {
  char go = 0;
  const ssize_t n = ::recv(report.fd(), &go, 1, 0);
  if (n == 0) ::_exit(127);  // the launcher gave up, and says why itself
  report.must(Step::start, "launcher", n);
}

// First, because what is created below must belong to an id that the box's user namespace maps (EOVERFLOW otherwise).
// Capabilities in the box's own namespace stay: its uid 0 does not exist, so no rule about leaving uid 0 applies
// (capabilities(7)).
void become(const Layout& box, const Reporter& report) {
  if (box.drop_groups) report.must(Step::become, "setgroups", ::syscall(SYS_setgroups, 0, nullptr));
  report.must(Step::become, "setresgid", ::syscall(SYS_setresgid, box.gid, box.gid, box.gid));
  report.must(Step::become, "setresuid", ::syscall(SYS_setresuid, box.uid, box.uid, box.uid));
  uid_t uid[3];
  gid_t gid[3];
  report.must(Step::become, "getresuid", ::getresuid(&uid[0], &uid[1], &uid[2]));
  report.must(Step::become, "getresgid", ::getresgid(&gid[0], &gid[1], &gid[2]));
  for (int i = 0; i < 3; ++i)
    if (uid[i] != box.uid || gid[i] != box.gid) {
      errno = EPERM;
      report.fail(Step::become, "ids read back differ");
    }
}

void join_cgroups(const Layout& box, const Reporter& report) {
  // The kernel judges the write by who opened the file (cgroup v1, 5.16 on), and "0" is the writer itself.
  for (const UniqueFd& tasks : box.cgroup_tasks)
    report.must(Step::attach, "cgroup tasks", ::write(tasks.get(), "0", 1) == 1 ? 0 : -1);
  report.must(Step::attach, "cgroup namespace", ::unshare(CLONE_NEWCGROUP));
}

void raise_loopback(const Reporter& report) {
  const int fd =
      static_cast<int>(report.must(Step::network, "socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  ifreq request{.ifr_ifrn = {.ifrn_name = "lo"}, .ifr_ifru = {}};
  report.must(Step::network, "lo", ::ioctl(fd, SIOCGIFFLAGS, &request));
  request.ifr_flags |= IFF_UP;
  report.must(Step::network, "lo", ::ioctl(fd, SIOCSIFFLAGS, &request));
  ::close(fd);
}

// A pty of the box's own devpts, so that ttyname() and /dev/tty work in it; its master goes to the supervisor.
int open_terminal(const Layout& box, const Reporter& report) {
  const int master = static_cast<int>(
      report.must(Step::terminal, "/dev/pts/ptmx", ::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)));
  const int unlock = 0;
  report.must(Step::terminal, "TIOCSPTLCK", ::ioctl(master, TIOCSPTLCK, &unlock));
  const winsize size{.ws_row = box.rows, .ws_col = box.columns, .ws_xpixel = 0, .ws_ypixel = 0};
  report.must(Step::terminal, "TIOCSWINSZ", ::ioctl(master, TIOCSWINSZ, &size));
  const int peer = static_cast<int>(
      report.must(Step::terminal, "TIOCGPTPEER", ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)));
  report.hand_over(Step::terminal, StepReport::Kind::terminal, master);
  return peer;
}

// What primitives on the agent's files start from, and what their personality's Landlock rules are made of.
// Everything that is mounted for the agent, once more: another mount namespace's own mounts are none for whoever
// removes or replaces what they are on (is_local_mountpoint(), fs/namespace.c), so the broker gets its own of each.
void hand_over_tree(const Reporter& report) {
  const long tree =
      report.must(Step::pivot, "open_tree",
                  ::syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  report.hand_over(Step::pivot, StepReport::Kind::tree, static_cast<int>(tree));
}

// POSIX message queues are files of a file system that every IPC namespace has, whether it is mounted or not, and
// Landlock judges their opening (EACCES): the box gets no path to it, only the right. -1: a kernel without them.
int open_message_queues(const Reporter& report) {
  const long queues = mount_new("mqueue", nullptr, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (queues < 0 && errno == ENODEV) return -1;
  return static_cast<int>(report.must(Step::devices, "mqueue", queues));
}

// Scheduling was reset by the clone; the class for disks is another matter, and is handed on (ioprio_set(2)).
void leave_disk_priority(const Reporter& report) {
  constexpr int kProcess = 1, kClassShift = 13, kLevel = 7, kRealtime = 1, kBestEffort = 2, kMiddle = 4;
  const long now = ::syscall(SYS_ioprio_get, kProcess, 0);
  if (now < 0 && errno == ENOSYS) return;  // a kernel without block devices
  report.must(Step::limits, "ioprio_get", now);
  const long io_class = now >> kClassShift;
  if (io_class != kRealtime && (io_class != kBestEffort || (now & kLevel) >= kMiddle)) return;
  report.must(Step::limits, "ioprio_set", ::syscall(SYS_ioprio_set, kProcess, 0, kBestEffort << kClassShift | kMiddle));
}

void set_limits(const Layout& box, const Reporter& report) {
  for (const LimitValue& limit : box.limits) {
    rlimit value{};
    report.must(Step::limits, "getrlimit", ::getrlimit(static_cast<__rlimit_resource>(limit.resource), &value));
    // Only ever lowered: raising a hard limit needs a capability outside the box.
    value.rlim_max = value.rlim_max < limit.value ? value.rlim_max : limit.value;
    value.rlim_cur = value.rlim_max;
    report.must(Step::limits, "setrlimit", ::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value));
  }
}

void new_session(const Reporter& report) {
  report.must(Step::session, "setsid", ::setsid());
  report.must(Step::session, "keyring", ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr));
  // Kills where supervisor and box share a uid; init's socket to the supervisor covers the rest (prctl(2)).
  report.must(Step::session, "PR_SET_PDEATHSIG", ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

void drop_capabilities(const Reporter& report) {
  constexpr unsigned long kLocked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  report.must(Step::capabilities, "securebits", ::prctl(PR_SET_SECUREBITS, kLocked, 0, 0, 0));
  ::capng_setpid(static_cast<int>(::syscall(SYS_gettid)));  // the launcher's is cached
  ::capng_clear(CAPNG_SELECT_ALL);
  const int rc = ::capng_apply(CAPNG_SELECT_ALL);
  if (rc != 0 && errno == 0) errno = EPERM;
  report.must(Step::capabilities, "capng_apply", rc == 0 ? 0 : -1);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  report.must(Step::capabilities, "capget", ::syscall(SYS_capget, &header, data));
  bool any = ::prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0;
  for (const auto& d : data) any = any || d.effective || d.permitted || d.inheritable;
  if (any) {
    errno = EPERM;
    report.fail(Step::capabilities, "capabilities read back are not empty");
  }
}

void give_up_privileges(const Layout& box, const Reporter& report) {
  report.must(Step::privileges, "PR_SET_NO_NEW_PRIVS", ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  if (box.memory_deny_write_execute)
    report.must(Step::privileges, "PR_SET_MDWE", ::prctl(kPrSetMdwe, kPrMdweRefuseExecGain, 0, 0, 0));
}

void add_rule(const Reporter& report, int ruleset, int fd, const char* object, uint64_t access) {
  landlock_path_beneath_attr rule{.allowed_access = access, .parent_fd = fd};
  report.must(Step::landlock, object, ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
}

void add_path(const Reporter& report, int ruleset, const char* path, uint64_t access) {
  const int fd = static_cast<int>(report.must(Step::landlock, path, ::open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC)));
  add_rule(report, ruleset, fd, path, access);
  ::close(fd);
}

void restrict_files(const Layout& box, const Reporter& report, int queues) {
  if (box.landlock_abi == 0) return;  // the policy or the operator said so, and it was printed
  const uint64_t known = landlock_known(box.landlock_abi);
  LandlockRulesetAttr attr{};
  attr.handled_access_fs = known;
  // The network namespace is empty, so ports need no rule; other boxes' abstract sockets and signals are out of reach
  // by namespace already, and here a second time.
  if (box.landlock_abi >= 6) attr.scoped = kLandlockScopeAbstractUnix | kLandlockScopeSignal;
  const size_t size = box.landlock_abi >= 6 ? 24 : box.landlock_abi >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(
      report.must(Step::landlock, "landlock_create_ruleset", ::syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
  // Names in what is mounted are visible (policy.md, "Paths"); contents need a rule.
  add_path(report, ruleset, "/", kLandlockReadDir);
  for (const Place& part : box.parts) add_path(report, ruleset, part.target.c_str(), part.access & known);
  add_path(report, ruleset, "/proc", kLandlockReadFile);
  add_path(report, ruleset, "/dev/pts", (kLandlockReadFile | kLandlockWriteFile | kLandlockIoctlDev) & known);
  for (const GeneratedFile& file : box.files) add_path(report, ruleset, file.path.c_str(), kLandlockReadFile);
  for (const auto* places : {&box.places, &box.over})
    for (const Place& place : *places)
      if (place.access != 0) add_path(report, ruleset, place.target.c_str(), place.access & known);
  if (queues >= 0) add_rule(report, ruleset, queues, "mqueue", kLandlockReadFile | kLandlockWriteFile);
  // Execution opens for reading as well, and Landlock asks for both.
  add_rule(report, ruleset, box.init.get(), "alos-init", kLandlockExecute | kLandlockReadFile);
  report.must(Step::landlock, "landlock_restrict_self", ::syscall(SYS_landlock_restrict_self, ruleset, 0));
  ::close(ruleset);
}

constexpr int kControl = 3;
constexpr int kNotify = 4;
constexpr int kInit = 5;
constexpr int kReport = 6;

// 0 to 2 stdio, 3 init's control, 5 init itself and 6 the report (both close-on-exec); everything else is closed.
Reporter arrange_descriptors(const Layout& box, const Reporter& report, int terminal) {
  constexpr int kAbove = 16;
  int from[7] = {-1, -1, -1, -1, -1, -1, -1};
  for (int i = 0; i < 3; ++i) {
    const bool on_terminal = terminal >= 0 && (box.terminal_mask >> i & 1);
    from[i] = on_terminal ? terminal : box.stdio[i].get();
  }
  from[kControl] = box.control.get();
  from[kInit] = box.init.get();
  from[kReport] = report.fd();
  for (int& fd : from)
    if (fd >= 0) fd = static_cast<int>(report.must(Step::descriptors, "dup", ::fcntl(fd, F_DUPFD_CLOEXEC, kAbove)));
  const Reporter moved(from[kReport], Fault{}, nullptr);
  for (int i = 0; i < 7; ++i) {
    if (from[i] < 0) continue;
    const int flags = i == kInit || i == kReport ? O_CLOEXEC : 0;
    if (::dup3(from[i], i, flags) < 0) moved.fail(Step::descriptors, "dup3");
  }
  const Reporter last(kReport, box.fault, box.times);
  last.must(Step::descriptors, "close_range", ::syscall(SYS_close_range, kReport + 1, ~0U, 0));
  ::close(kNotify);
  return last;
}

// Without WAIT_KILLABLE_RECV (kernel 6.0) a signal ends the caller's wait for a rename that init is carrying out, and
// the kernel starts the call anew, which then finds nothing to rename.
long load_listener(const sock_fprog& program) {
  constexpr unsigned kListener = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  const long fd =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kListener | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
  return fd < 0 && errno == EINVAL ? ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kListener, &program) : fd;
}

void load_filters(const Layout& box, const Reporter& report) {
  if (!box.rename_filter.empty()) {
    const sock_fprog program{.len = static_cast<unsigned short>(box.rename_filter.size()),
                             .filter = const_cast<sock_filter*>(box.rename_filter.data())};
    const long fd = report.must(Step::seccomp, "rename notification", load_listener(program));
    if (fd != kNotify) {
      report.must(Step::seccomp, "listener", ::dup3(static_cast<int>(fd), kNotify, 0));
      ::close(static_cast<int>(fd));
    } else {
      report.must(Step::seccomp, "listener", ::fcntl(kNotify, F_SETFD, 0));
    }
  }
  const sock_fprog program{.len = static_cast<unsigned short>(box.filter.size()),
                           .filter = const_cast<sock_filter*>(box.filter.data())};
  report.must(Step::seccomp, "filter", ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

}  // namespace

void enter_box(const Layout& box, int report_fd, int launcher_end) {
  ::close(launcher_end);
  const Reporter report(report_fd, box.fault, box.times);
  wait_for_go(report);
  become(box, report);
  report.must(Step::propagation, "/", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  join_cgroups(box, report);
  bound_shared_counts(report);
  const Root root = make_root(box.root_at, box.private_device, report);
  place_private_space(box, report, root);
  mount_proc(report, root);
  mount_devices(report, root);
  if (box.listener) open_listener(report, root);
  const int queues = open_message_queues(report);
  place_all(box.places, report, root);
  write_files(box, report, root);
  place_all(box.over, report, root);
  cover_all(box, report, root);
  pivot(box, report, root);
  if (box.hands_over_tree) hand_over_tree(report);
  raise_loopback(report);
  report.must(Step::host_name, "sethostname", ::sethostname(box.host_name.data(), box.host_name.size()));
  const int terminal = box.terminal ? open_terminal(box, report) : -1;
  leave_disk_priority(report);
  set_limits(box, report);
  new_session(report);
  drop_capabilities(report);
  give_up_privileges(box, report);
  restrict_files(box, report, queues);
  const Reporter last = arrange_descriptors(box, report, terminal);
  load_filters(box, last);  // last: nothing after it needs more than execveat
  last.must(Step::exec, "alos-init", 0);
  ::syscall(SYS_execveat, kInit, "", box.argv.data(), box.env.data(), AT_EMPTY_PATH);
  last.fail(Step::exec, "alos-init");
}

}  // namespace alos::box
