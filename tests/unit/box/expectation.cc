#include "tests/unit/box/expectation.h"

#include <linux/audit.h>

#include <array>
#include <cerrno>
#include <map>
#include <string>

namespace alos::testing {
namespace {

using seccomp::FilterOptions;
using seccomp::Internet;
using seccomp::WriteExecute;

// arch/x86/entry/syscalls/syscall_64.tbl: the position is the number. Before the name:
//   nothing  allowed          -  refused, EPERM
//   ?  depends on arguments   !  looks like an older kernel, ENOSYS
constexpr std::string_view kFrom0 =
    "read write ?open close stat fstat lstat poll lseek ?mmap ?mprotect munmap brk rt_sigaction rt_sigprocmask "
    "rt_sigreturn ?ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore "
    "?madvise ?shmget ?shmat ?shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile ?socket "
    "connect accept sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername ?socketpair "
    "?setsockopt getsockopt ?clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd "
    "msgrcv msgctl ?fcntl flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir "
    "?creat link unlink symlink readlink ?chmod ?fchmod chown fchown lchown umask gettimeofday getrlimit getrusage "
    "sysinfo times -ptrace getuid -syslog getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid "
    "setreuid setregid getgroups setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid "
    "getsid capget capset rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime ?mknod "
    "-uselib ?personality -ustat statfs fstatfs -sysfs getpriority setpriority sched_setparam sched_getparam "
    "sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval "
    "mlock munlock mlockall munlockall -vhangup -modify_ldt -pivot_root -_sysctl ?prctl arch_prctl -adjtimex "
    "?setrlimit -chroot sync -acct -settimeofday -mount -umount2 -swapon -swapoff -reboot -sethostname "
    "-setdomainname -iopl -ioperm -create_module -init_module -delete_module -get_kernel_syms -query_module "
    "-quotactl -nfsservctl -getpmsg -putpmsg -afs_syscall -tuxcall -security gettid readahead setxattr lsetxattr "
    "fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr "
    "tkill time futex sched_setaffinity sched_getaffinity -set_thread_area !io_setup !io_destroy !io_getevents "
    "!io_submit !io_cancel -get_thread_area -lookup_dcookie epoll_create -epoll_ctl_old -epoll_wait_old "
    "-remap_file_pages getdents64 set_tid_address restart_syscall semtimedop fadvise64 timer_create timer_settime "
    "timer_gettime timer_getoverrun timer_delete -clock_settime clock_gettime clock_getres clock_nanosleep "
    "exit_group epoll_wait epoll_ctl tgkill utimes -vserver !mbind !set_mempolicy !get_mempolicy mq_open "
    "mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr -kexec_load waitid -add_key -request_key "
    "-keyctl ?ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch !migrate_pages ?openat mkdirat "
    "?mknodat fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat ?fchmodat faccessat "
    "pselect6 ppoll -unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice !move_pages "
    "utimensat epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime accept4 "
    "signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo -perf_event_open "
    "recvmmsg -fanotify_init -fanotify_mark ?prlimit64 -name_to_handle_at -open_by_handle_at -clock_adjtime "
    "syncfs sendmmsg -setns getcpu -process_vm_readv -process_vm_writev -kcmp -finit_module sched_setattr "
    "sched_getattr ?renameat2 ?seccomp getrandom ?memfd_create -kexec_file_load -bpf execveat -userfaultfd "
    "membarrier mlock2 copy_file_range preadv2 pwritev2 ?pkey_mprotect pkey_alloc pkey_free statx !io_pgetevents "
    "rseq uretprobe uprobe ";
constexpr std::string_view kFrom424 =
    "pidfd_send_signal -io_uring_setup -io_uring_enter -io_uring_register -open_tree -move_mount -fsopen "
    "-fsconfig -fsmount -fspick pidfd_open !clone3 close_range !openat2 -pidfd_getfd faccessat2 -process_madvise "
    "epoll_pwait2 -mount_setattr -quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self "
    "-memfd_secret -process_mrelease futex_waitv !set_mempolicy_home_node !cachestat ?fchmodat2 map_shadow_stack "
    "futex_wake futex_wait futex_requeue !statmount !listmount !lsm_get_self_attr -lsm_set_self_attr "
    "!lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat -open_tree_attr !file_getattr "
    "!file_setattr ";

using Table = std::array<std::string_view, kNewestCall + 1>;

void fill(Table& table, size_t number, std::string_view words) {
  for (size_t end; (end = words.find(' ')) != std::string_view::npos; words.remove_prefix(end + 1))
    table[number++] = words.substr(0, end);
}

const Table& table() {
  static const Table all = [] {
    Table t{};
    fill(t, 0, kFrom0);
    fill(t, 424, kFrom424);
    return t;
  }();
  return all;
}

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t error(int code) {
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(code);
}
constexpr uint32_t allow_if(bool yes, int otherwise) {
  return yes ? kAllow : error(otherwise);
}

// int and unsigned int arguments: the kernel sees the low half.
uint32_t low(const seccomp_data& call, int argument) {
  return static_cast<uint32_t>(call.args[argument]);
}

uint32_t socket_answer(const seccomp_data& call, const FilterOptions& options) {
  const uint32_t family = low(call, 0), type = low(call, 1) & 0xf, protocol = low(call, 2);
  if (family == 1) return allow_if(type == 1 || type == 2 || type == 5, EAFNOSUPPORT);
  const bool internet = (family == 2 || family == 10) && options.internet == Internet::allowed;
  const bool tcp = type == 1 && (protocol == 0 || protocol == 6);
  const bool udp = type == 2 && (protocol == 0 || protocol == 17);
  return allow_if(internet && (tcp || udp), EAFNOSUPPORT);
}

uint32_t prctl_answer(uint32_t operation, uint32_t value) {
  switch (operation) {
    case 22:
      return allow_if(value == 1, EINVAL);  // set_seccomp: strict mode
    case 35:
    case 62:
    case 67:
      return error(EPERM);  // set_mm, sched_core, set_memory_merge
    case 1:
    case 2:
    case 3:
    case 4:
    case 7:
    case 8:
    case 13:
    case 14:
    case 15:
    case 16:
    case 21:
    case 23:
    case 24:
    case 25:
    case 26:
    case 27:
    case 28:
    case 29:
    case 30:
    case 33:
    case 34:
    case 36:
    case 37:
    case 38:
    case 39:
    case 40:
    case 41:
    case 42:
    case 47:
    case 52:
    case 53:
    case 59:
    case 65:
    case 66:
    case 0x41555856:
    case 0x53564d41:
    case 0x59616d61:
      return kAllow;  // get_auxv, set_vma, set_ptracer
    default:
      return error(EINVAL);
  }
}

uint32_t setsockopt_answer(uint32_t level, uint32_t option) {
  const bool loads_code = level == 1 && (option == 26 || (option >= 50 && option <= 52));
  const bool above_tcp = level == 6 && option == 31;
  const bool counted = (level == 1 && option == 60) || (level == 41 && option == 32);  // zerocopy, flow labels
  return allow_if(!loads_code && !above_tcp && !counted, ENOPROTOOPT);
}

uint32_t ioprio_answer(uint32_t priority) {
  const bool best_effort = (priority >> 13 & 7) == 2;
  return allow_if(!best_effort || (priority & 7) >= 4, EPERM);
}

uint32_t ioctl_answer(uint32_t request) {
  switch (request) {
    case 0x5412:  // type into a terminal, paste into a console, line disciplines
    case 0x541c:
    case 0x5423:
    case 0x50009401:  // btrfs: snapshots made and removed, trees made read-only
    case 0x50009417:
    case 0x5000940f:
    case 0x5000943f:
    case 0x4008941a:
    case 0x4020bc10:  // bcachefs: the same
    case 0x4020bc11:
      return error(EPERM);
    default:
      return kAllow;
  }
}

// Where the call's mode stands, and its flags if it has some: these decide whether the mode is read.
uint32_t mode_answer(const seccomp_data& call, const FilterOptions& options, int mode, int flags = -1) {
  const bool read = flags < 0 || (low(call, flags) & 0100) != 0 || (low(call, flags) & 020000000) != 0;
  const uint32_t refused = options.set_group == seccomp::SetGroup::refused ? 06000 : 04000;
  return allow_if(!read || (low(call, mode) & refused) == 0, EPERM);
}

uint32_t by_arguments(std::string_view name, const seccomp_data& call, const FilterOptions& options) {
  const bool strict_memory = options.write_execute == WriteExecute::refused;
  if (name == "ioctl") return ioctl_answer(low(call, 1));
  if (name == "fcntl")  // lease, notify, delegation
    return allow_if(low(call, 1) != 1024 && low(call, 1) != 1026 && low(call, 1) != 1031 && low(call, 1) != 1040,
                    EPERM);
  if (name == "shmctl") return allow_if(low(call, 1) != 11, EPERM);    // lock
  if (name == "madvise") return allow_if(low(call, 2) != 12, EINVAL);  // mergeable
  if (name == "clone") return allow_if((low(call, 0) & 0x7e020000) == 0, EPERM);
  if (name == "renameat2") return allow_if((low(call, 4) & 4) == 0, EINVAL);  // whiteout
  if (name == "socket") return socket_answer(call, options);
  if (name == "socketpair") return low(call, 0) == 1 ? socket_answer(call, options) : error(EAFNOSUPPORT);
  if (name == "prctl") return prctl_answer(low(call, 0), low(call, 1));
  if (name == "personality") return allow_if(low(call, 0) == 0 || low(call, 0) == 0xffffffff, EPERM);
  if (name == "seccomp") return allow_if(low(call, 0) != 1, EINVAL);  // set_mode_filter
  if (name == "setsockopt") return setsockopt_answer(low(call, 1), low(call, 2));
  if (name == "ioprio_set") return ioprio_answer(low(call, 2));
  if (name == "memfd_create") return allow_if((low(call, 1) & 4) == 0, EPERM);  // hugetlb
  if (name == "shmget") return allow_if((low(call, 2) & 04000) == 0, EPERM);    // hugetlb
  if (name == "setrlimit") return allow_if(low(call, 0) != 4, 0);               // core: done, says the filter
  if (name == "prlimit64") return allow_if(low(call, 1) != 4 || call.args[2] == 0, 0);
  if (name == "mmap")
    return allow_if((low(call, 3) & 0x40000) == 0 && (!strict_memory || (low(call, 2) & 6) != 6), EPERM);
  if (name == "mprotect" || name == "pkey_mprotect") return allow_if(!strict_memory || (low(call, 2) & 4) == 0, EPERM);
  if (name == "shmat") return allow_if(!strict_memory || (low(call, 2) & 0100000) == 0, EPERM);
  if (name == "chmod" || name == "fchmod" || name == "creat" || name == "mknod") return mode_answer(call, options, 1);
  if (name == "fchmodat" || name == "fchmodat2" || name == "mknodat") return mode_answer(call, options, 2);
  if (name == "open") return mode_answer(call, options, 2, 1);
  if (name == "openat") return mode_answer(call, options, 3, 2);
  return SECCOMP_RET_TRAP;  // a "?" without an expectation: no filter answers so
}

using Values = std::vector<uint64_t>;

std::map<std::string_view, std::vector<Values>> values_by_call() {
  const auto range = [](uint64_t from, uint64_t to, Values more = {}) {
    for (uint64_t v = from; v <= to; ++v) more.push_back(v);
    return more;
  };
  const auto powers = [](Values more = {}) {
    for (int bit = 0; bit < 64; ++bit) more.push_back(1ull << bit);
    return more;
  };
  const Values any{0, ~0ull};
  const Values types = range(0, 15, {0x80001, 0x80801, 0x80002, 0x80805, 0x80003, 0x11, 0x80000000});
  const Values modes = powers({0, 0644, 0755, 01777, 02755, 04755, 06755, 0100644, 0104755, 0xf1ff, 0xf3ff, 0xf5ff});
  const Values flags{0, 1, 0100, 0101, 01101, 0200000, 020000000, 020200000, 020200002, 02000000, 022700077, 057777677};
  return {
      {"chmod", {any, modes}},
      {"fchmod", {any, modes}},
      {"creat", {any, modes}},
      {"mknod", {any, modes}},
      {"fchmodat", {any, any, modes}},
      {"fchmodat2", {any, any, modes}},
      {"mknodat", {any, any, modes}},
      {"open", {any, flags, modes}},
      {"openat", {any, any, flags, modes}},
      {"ioctl",
       {any, range(0x5400, 0x5470,
                   {0, 0x5401, 0x40086602, 0x401c5820, 0x50009401, 0x50009417, 0x5000940f, 0x5000943f, 0x4008941a,
                    0x4020bc10, 0x4020bc11, 0x40049409, 0x4020940d, 0x50009402})}},
      {"fcntl",
       {any, range(0, 16, {1023, 1024, 1025, 1026, 1027, 1030, 1031, 1032, 1036, 1039, 1040, 1041, 0x80000400})}},
      {"shmctl", {any, range(0, 16, {0x100, 0x10b})}},
      {"madvise", {any, any, range(0, 26, {100, 0x8000000c})}},
      {"renameat2", {any, any, any, any, range(0, 8, {1ull << 32, 1ull << 32 | 4})}},
      {"clone", {powers({0, 0x11, 0x01200011, 0x003d0f00, 0x10000011, 0x7e020000})}},
      {"socket", {range(0, 50), types, {0, 1, 2, 6, 17, 33, 58, 132, 136, 255, 262}}},
      {"socketpair", {range(0, 50), types, {0, 1, 6, 17}}},
      {"prctl", {range(0, 100, {0x41555856, 0x53564d41, 0x59616d61}), {0, 1, 2, 3, 0x80000001}}},
      {"personality", {powers({0, 0xffffffff, 0x0400000, 0x0040000, 0x20000})}},
      {"seccomp", {range(0, 4), range(0, 127)}},
      {"setrlimit", {range(0, 20)}},
      {"prlimit64", {any, range(0, 20), {0, 1, 1ull << 32, 0x7ffc12345678, 0xfffffffful}}},
      {"mmap", {any, any, range(0, 15, {0x01000007, 0x02000006}), powers({0, 0x22, 0x40022, 0x7c040022})}},
      {"setsockopt",
       {any, {0, 1, 2, 6, 17, 41, 255, 263, 0x80000001, 1ull << 32 | 1}, range(0, 80, {0x8000001a, 0x10000003c})}},
      {"ioprio_set", {any, any, powers({0, 0x4000, 0x4003, 0x4004, 0x4007, 0x6000, 0x2000, 0x4ff8, 0x24000, 0x14004})}},
      {"memfd_create", {any, powers({0, 3, 7, 0x54000004})}},
      {"shmget", {any, any, powers({0, 01600, 05600, 0x54000980})}},
      {"mprotect", {any, any, range(0, 15, {0x01000004})}},
      {"pkey_mprotect", {any, any, range(0, 15, {0x01000004})}},
      {"shmat", {any, any, powers({0, 0150000})}},
  };
}

}  // namespace

std::string_view call_name(uint32_t number) {
  if (number > kNewestCall) return {};
  std::string_view name = table()[number];
  if (!name.empty() && std::string_view("-!?").contains(name[0])) name.remove_prefix(1);
  return name;
}

uint32_t expected_answer(const seccomp_data& call, const FilterOptions& options) {
  const auto number = static_cast<uint32_t>(call.nr);
  if (call.arch != AUDIT_ARCH_X86_64) return SECCOMP_RET_KILL_PROCESS;
  if (number >= 0x40000000 && number != 0xffffffff) return SECCOMP_RET_KILL_PROCESS;  // x32; -1 is no call at all
  if (number > kNewestCall || table()[number].empty()) return error(ENOSYS);
  switch (table()[number][0]) {
    case '-':
      return error(EPERM);
    case '!':
      return error(ENOSYS);
    case '?':
      return by_arguments(call_name(number), call, options);
    default:
      return kAllow;
  }
}

const std::vector<std::vector<uint64_t>>& values_worth_trying(uint32_t number) {
  static const auto all = values_by_call();
  static const std::vector<Values> none;
  const auto found = all.find(call_name(number));
  return found == all.end() ? none : found->second;
}

}  // namespace alos::testing
