#include "supervisor/box/seccomp_groups.h"

#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace alos::seccomp {
namespace {

constexpr Group kGroups[] = {
    {"basic-io", "bytes through descriptors, and waiting for them",
     "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2 dup3 "
     "fcntl ioctl flock fsync fdatasync sync syncfs sync_file_range sendfile splice tee vmsplice copy_file_range "
     "readahead fadvise64 pipe pipe2 eventfd eventfd2 poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl "
     "epoll_wait epoll_pwait epoll_pwait2"},
    {"files", "names and what they lead to; mounts, Landlock and the layer decide which there are",
     "open openat creat stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink "
     "readlinkat getdents getdents64 getcwd chdir fchdir rename renameat renameat2 mkdir mkdirat rmdir unlink unlinkat "
     "link linkat symlink symlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask "
     "truncate ftruncate fallocate utime utimes futimesat utimensat inotify_init inotify_init1 inotify_add_watch "
     "inotify_rm_watch"},
    {"attributes", "extended attributes",
     "setxattr lsetxattr fsetxattr setxattrat getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr "
     "listxattrat removexattr lremovexattr fremovexattr removexattrat"},
    {"process", "making, running and ending processes of the box's own pid namespace",
     "fork vfork clone execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgid setpgid getpgrp "
     "getsid "
     "setsid kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal arch_prctl "
     "set_tid_address rseq restart_syscall uname sysinfo getcpu getrusage times getrlimit setrlimit prlimit64"},
    {"identity", "who one is; without capabilities and under no_new_privs they only confirm or give up",
     "getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid "
     "setfsuid setfsgid setgroups capget capset"},
    {"threads", "locks, scheduling and what a threading library asks of the kernel",
     "futex futex_waitv futex_wait futex_wake futex_requeue set_robust_list get_robust_list membarrier sched_yield "
     "sched_setaffinity sched_getaffinity sched_setparam sched_getparam sched_setscheduler sched_getscheduler "
     "sched_setattr sched_getattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority "
     "setpriority ioprio_get ioprio_set"},
    {"memory", "a process's own address space",
     "brk mmap munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall mseal pkey_alloc "
     "pkey_free pkey_mprotect map_shadow_stack memfd_create"},
    {"signals", "receiving signals",
     "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause signalfd "
     "signalfd4"},
    {"time", "reading clocks and waiting for them",
     "time gettimeofday clock_gettime clock_getres nanosleep clock_nanosleep getitimer setitimer alarm timer_create "
     "timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime"},
    {"random", "random bytes", "getrandom"},
    {"ipc", "System V and POSIX objects of the box's own IPC namespace",
     "shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink "
     "mq_timedsend mq_timedreceive mq_notify mq_getsetattr"},
    {"sockets", "using sockets; which can be made is decided by the arguments of socket and socketpair",
     "bind listen accept accept4 connect getsockname getpeername sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg "
     "shutdown setsockopt getsockopt"},
    {"self-restriction", "an agent may always confine itself, or a child, further",
     "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"},
    {"tracing-trampolines",
     "made by the kernel itself where the host probes a program; some kernels show them to filters",
     "uretprobe uprobe"},
};

constexpr Refusal kRefusals[] = {
    // Answered by argument rules first; what those let fall ends here.
    {"socket socketpair", EAFNOSUPPORT,
     "netlink, packet, vsock, alg, bluetooth and the rest are kernel surface or lead out of the box; a program sees a "
     "kernel built without them"},
    {"prctl", EINVAL, "operations that are not listed answer as in a kernel without them, so that programs go on"},
    {"personality", EPERM,
     "READ_IMPLIES_EXEC and ADDR_NO_RANDOMIZE weaken a process's own defences; asking which one holds is allowed"},

    // What would change the box itself.
    {"mount umount2 pivot_root chroot mount_setattr move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick",
     EPERM, "the mounts are the first wall around files; a masked path must stay masked"},
    {"unshare setns", EPERM, "a new user namespace hands out every capability in it, and with them most of the kernel"},
    {"clone3", ENOSYS,
     "its flags are in memory, where no filter sees them; glibc and Go fall back to clone on ENOSYS alone"},
    {"openat2", ENOSYS,
     "its mode is in memory, where no filter sees whether it is setuid; callers fall back to openat on ENOSYS"},
    {"sethostname setdomainname reboot vhangup acct swapon swapoff quotactl quotactl_fd syslog iopl ioperm", EPERM,
     "administration of a machine; no box is given one"},
    {"init_module finit_module delete_module kexec_load kexec_file_load", EPERM, "code for the kernel"},
    {"settimeofday clock_settime adjtimex clock_adjtime", EPERM, "the clock is everyone's"},

    // What reaches into other processes.
    {"ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise process_mrelease", EPERM,
     "another process's memory and descriptors; inside one box they would undo what a tool's narrower box keeps"},
    {"keyctl add_key request_key", EPERM,
     "keyrings belong to users and not to namespaces; request_key starts a helper of the host"},
    {"lsm_set_self_attr", EPERM, "would choose another AppArmor or SELinux label for what is executed next"},
    {"open_by_handle_at name_to_handle_at", EPERM,
     "a handle names an inode and not a path: it goes round every mount (the shocker exploit), now or when someone "
     "else opens it"},
    {"fanotify_init fanotify_mark", EPERM, "marks whole mounts and file systems, also the part outside the box"},

    // Large kernel surface with a long record of holes.
    {"io_uring_setup io_uring_enter io_uring_register", EPERM,
     "does most other calls without this filter seeing them; libuv and the like fall back"},
    {"bpf perf_event_open userfaultfd", EPERM,
     "programs in the kernel, counters of the machine, and page faults held open to win races in it"},
    {"io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents", ENOSYS,
     "fs.aio-max-nr is one count for the machine, and one box can use it up, which ends the host's databases; programs "
     "take ENOSYS for a kernel without it and use threads"},
    {"modify_ldt", EPERM, "segments for 16-bit and 32-bit code, which the filter kills anyway"},
    {"memfd_secret", EPERM, "takes pages out of the kernel's map for good: slows the machine, hides from checkpoints"},
    {"mbind get_mempolicy set_mempolicy set_mempolicy_home_node migrate_pages move_pages", ENOSYS,
     "page placement, also of other processes; libnuma takes ENOSYS for a kernel without NUMA"},

    // Not needed yet; ENOSYS sends programs the way that they take on an older kernel.
    {"statmount listmount lsm_get_self_attr lsm_list_modules file_getattr file_setattr cachestat", ENOSYS,
     "newer forms of what /proc and ioctl give; cachestat tells which pages of a shared file others have read"},

    // The kernel has no use for them any more, or never had one.
    {"uselib ustat sysfs _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg afs_syscall "
     "tuxcall security set_thread_area get_thread_area lookup_dcookie epoll_ctl_old epoll_wait_old vserver "
     "remap_file_pages",
     EPERM, "obsolete"},
};

// Newer than the libseccomp of Debian 12; arch/x86/entry/syscalls/syscall_64.tbl of kernel 6.18.
struct Newer {
  std::string_view name;
  int number;
};
constexpr Newer kNewer[] = {
    {"uretprobe", 335},        {"uprobe", 336},        {"cachestat", 451},         {"fchmodat2", 452},
    {"map_shadow_stack", 453}, {"futex_wake", 454},    {"futex_wait", 455},        {"futex_requeue", 456},
    {"statmount", 457},        {"listmount", 458},     {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460},
    {"lsm_list_modules", 461}, {"mseal", 462},         {"setxattrat", 463},        {"getxattrat", 464},
    {"listxattrat", 465},      {"removexattrat", 466}, {"open_tree_attr", 467},    {"file_getattr", 468},
    {"file_setattr", 469},
};

}  // namespace

std::span<const Group> groups() {
  return kGroups;
}
std::span<const Refusal> refusals() {
  return kRefusals;
}

Result<int> call_number(std::string_view name) {
  const auto* newer = std::ranges::find(kNewer, name, &Newer::name);
  if (newer != std::end(kNewer)) return newer->number;
  const int number = ::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, std::string(name).c_str());
  if (number < 0) return fail("look up system call", name, ENOENT);
  return number;
}

}  // namespace alos::seccomp
