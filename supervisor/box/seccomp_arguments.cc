#include "supervisor/box/seccomp_arguments.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

// The installed headers may be older than the kernel.
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif
// linux/in6.h cannot be included beside netinet/in.h.
#ifndef IPV6_FLOWLABEL_MGR
#define IPV6_FLOWLABEL_MGR 32
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
#ifndef F_SETDELEG
#define F_SETDELEG (1024 + 16)
#endif

namespace alos::seccomp {
namespace {

constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);
constexpr uint32_t kAllow = SCMP_ACT_ALLOW;
// Not in the kernel's headers: _IOW(0xbc, 16 and 17, struct bch_ioctl_subvolume) of bcachefs.
constexpr uint64_t kBcachefsSubvolumeCreate = 0x4020bc10, kBcachefsSubvolumeDestroy = 0x4020bc11;
constexpr uint64_t kLowWord = 0xffffffff;

// The kernel looks at the low 32 bits of an int argument only, so these compare under a mask: TIOCSTI + 2^32 is
// TIOCSTI.
scmp_arg_cmp bits(unsigned argument, uint64_t mask, uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}
scmp_arg_cmp is(unsigned argument, uint32_t value) {
  return bits(argument, kLowWord, value);
}
scmp_arg_cmp has(unsigned argument, uint64_t flags) {
  return bits(argument, flags, flags);
}
// A pointer: all 64 bits. The only 64-bit comparison here: libseccomp before 2.6.1 merges two on one argument wrongly.
scmp_arg_cmp not_null(unsigned argument) {
  return {argument, SCMP_CMP_NE, 0, 0};
}

using Rules = std::vector<ArgumentRule>;

// clone(2) reads the low word only, and CLONE_NEWTIME's bit is part of the exit signal there.
void no_namespaces(Rules& rules) {
  for (const uint64_t flag :
       {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET})
    rules.push_back({"clone", kRefuse, {has(0, flag)}});
}

// TIOCSTI types into the terminal that the box was started from, TIOCLINUX pastes into a console, TIOCSETD loads line
// discipline modules. FS_IOC_FSSETXATTR and FS_IOC_SETFLAGS stay: what would matter in them (immutable, project id) the
// kernel gives to capabilities that no box has.
void no_terminal_tricks(Rules& rules) {
  for (const uint32_t request : {TIOCSTI, TIOCLINUX, TIOCSETD}) rules.push_back({"ioctl", kRefuse, {is(1, request)}});
}

// A snapshot shows a tree once more, with what is masked in it, and needs no right but to own its top and to write
// somewhere on its file system; neither Landlock nor a mount is asked. The others of these take a whole tree away, or
// make it read-only, below what is mounted of it.
void no_snapshots(Rules& rules) {
  for (const uint64_t request :
       {BTRFS_IOC_SNAP_CREATE, BTRFS_IOC_SNAP_CREATE_V2, BTRFS_IOC_SNAP_DESTROY, BTRFS_IOC_SNAP_DESTROY_V2,
        BTRFS_IOC_SUBVOL_SETFLAGS, kBcachefsSubvolumeCreate, kBcachefsSubvolumeDestroy})
    rules.push_back({"ioctl", kRefuse, {bits(1, kLowWord, request)}});
}

// What reaches the host through a file that is only mounted to be read: a lease or delegation makes whoever opens the
// file there wait (45 s, fs.lease-break-time; the file's owner may take one), F_NOTIFY tells of others' work in a
// directory. A pipe counts for who made it (fs.pipe-user-pages-soft), which is alos where the streams of a command or
// of the run are one: whoever holds an end could make it sixteen times as large. SHM_LOCK counts for the caller of
// alos, too, up to his RLIMIT_MEMLOCK. Merged pages tell by their timing who has the same; there the answer is that of
// a kernel without it. Huge pages come from one pool of the machine (vm.nr_hugepages) that no limit of a box counts.
void nothing_shared_with_the_host(Rules& rules) {
  for (const uint32_t command : {F_SETLEASE, F_NOTIFY, F_SETDELEG, F_SETPIPE_SZ})
    rules.push_back({"fcntl", kRefuse, {is(1, command)}});
  rules.push_back({"shmctl", kRefuse, {is(1, SHM_LOCK)}});
  rules.push_back({"madvise", SCMP_ACT_ERRNO(EINVAL), {is(2, MADV_MERGEABLE)}});
  rules.push_back({"mmap", kRefuse, {has(3, MAP_HUGETLB)}});
  rules.push_back({"memfd_create", kRefuse, {has(1, MFD_HUGETLB)}});
  rules.push_back({"shmget", kRefuse, {has(2, SHM_HUGETLB)}});
}

// Best effort above the middle would be served before the disk work of ordinary programs. Realtime the kernel itself
// gives to capabilities only. The class stands in bits 13 to 15, the level in 0 to 2, 0 the highest (ioprio_set(2)).
void no_disk_priority(Rules& rules) {
  constexpr uint64_t kClass = 7 << 13, kBestEffort = 2 << 13, kLowerHalf = 4;
  rules.push_back({"ioprio_set", kRefuse, {bits(2, kClass | kLowerHalf, kBestEffort)}});
}

// The kernel keeps every filter, compiled, in memory that no limit of a box counts, and frees it piece by piece on a
// work queue of the machine: thousands that are dropped at once hold up everything that loads or frees such code, the
// launch of boxes among it. So an agent loads none, neither on sockets nor for system calls, and is answered as by a
// kernel that has none; strict mode and Landlock, which need no code, are there for who confines itself further.
// A protocol above TCP (kernel TLS) is a module more to reach.
void no_code_in_the_kernel(Rules& rules) {
  constexpr uint32_t kUnknown = SCMP_ACT_ERRNO(ENOPROTOOPT);
  for (const uint32_t option : {SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF})
    rules.push_back({"setsockopt", kUnknown, {is(1, SOL_SOCKET), is(2, option)}});
  rules.push_back({"setsockopt", kUnknown, {is(1, IPPROTO_TCP), is(2, TCP_ULP)}});
  rules.push_back({"seccomp", SCMP_ACT_ERRNO(EINVAL), {is(0, SECCOMP_SET_MODE_FILTER)}});
  rules.push_back({"prctl", kAllow, {is(0, PR_SET_SECCOMP), is(1, SECCOMP_MODE_STRICT)}});
}

// What is left behind by such a rename is a device node (0, 0), which nobody in a box makes otherwise: in a tree of the
// host, which is written directly, it would hide a name from every overlayfs that the host mounts there.
void no_whiteouts(Rules& rules) {
  rules.push_back({"renameat2", SCMP_ACT_ERRNO(EINVAL), {has(4, RENAME_WHITEOUT)}});
}

// Pages that are sent without being copied count for the caller of alos, up to his RLIMIT_MEMLOCK, until somebody
// receives them. Flow labels are one table for every network of the machine (FL_MAX_SIZE), and stay for a minute after
// their socket.
void nothing_counted_through_sockets(Rules& rules) {
  constexpr uint32_t kUnknown = SCMP_ACT_ERRNO(ENOPROTOOPT);
  rules.push_back({"setsockopt", kUnknown, {is(1, SOL_SOCKET), is(2, SO_ZEROCOPY)}});
  rules.push_back({"setsockopt", kUnknown, {is(1, IPPROTO_IPV6), is(2, IPV6_FLOWLABEL_MGR)}});
}

// Unix sockets of every kind, TCP and UDP. Not raw sockets, ICMP echo sockets, SCTP, DCCP, UDP-Lite, L2TP, MPTCP: each
// is a protocol's worth of kernel code that no proxy of ours speaks.
void sockets(Rules& rules, Internet internet) {
  constexpr unsigned kFamily = 0, kType = 1, kProtocol = 2;
  constexpr uint64_t kTypeMask = 0xf;  // SOCK_TYPE_MASK of the kernel; above are SOCK_CLOEXEC and SOCK_NONBLOCK
  const auto type = [](int value) { return bits(kType, kTypeMask, static_cast<uint64_t>(value)); };
  for (const int kind : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET})
    for (const char* call : {"socket", "socketpair"})
      rules.push_back({call, kAllow, {is(kFamily, AF_UNIX), type(kind)}});
  if (internet == Internet::refused) return;
  for (const uint32_t family : {AF_INET, AF_INET6}) {
    for (const uint32_t protocol : {0, static_cast<int>(IPPROTO_TCP)})
      rules.push_back({"socket", kAllow, {is(kFamily, family), type(SOCK_STREAM), is(kProtocol, protocol)}});
    for (const uint32_t protocol : {0, static_cast<int>(IPPROTO_UDP)})
      rules.push_back({"socket", kAllow, {is(kFamily, family), type(SOCK_DGRAM), is(kProtocol, protocol)}});
  }
}

// PR_SET_DUMPABLE stays: key agents hide their memory with it, and nobody outside depends on reading it. Switching off
// the own mitigations against speculation (PR_SET_SPECULATION_CTRL) harms the caller alone, where the launcher did not
// forbid it for good.
void process_controls(Rules& rules) {
  constexpr uint32_t kHarmless[] = {
      PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_DUMPABLE,
      PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_THP_DISABLE,
      PR_GET_THP_DISABLE, PR_SET_VMA, PR_GET_AUXV, PR_GET_TID_ADDRESS, PR_SET_PTRACER, PR_SET_TSC, PR_GET_TSC,
      PR_MCE_KILL, PR_MCE_KILL_GET, PR_SET_TIMING, PR_GET_TIMING, PR_SET_SYSCALL_USER_DISPATCH,
      // Capabilities and restrictions: to be looked at, or made less.
      PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT,
      PR_SET_KEEPCAPS, PR_GET_KEEPCAPS, PR_SET_SECUREBITS, PR_GET_SECUREBITS, PR_SET_MDWE, PR_GET_MDWE,
      PR_SET_SPECULATION_CTRL, PR_GET_SPECULATION_CTRL};
  for (const uint32_t operation : kHarmless) rules.push_back({"prctl", kAllow, {is(0, operation)}});
  // Rewriting /proc/self/exe and argv to look like another program; sharing a core, or pages, with strangers to watch
  // them through timing.
  for (const uint32_t operation : {PR_SET_MM, PR_SCHED_CORE, PR_SET_MEMORY_MERGE})
    rules.push_back({"prctl", kRefuse, {is(0, operation)}});
}

void personalities(Rules& rules) {
  for (const uint32_t persona : {0u, 0xffffffffu}) rules.push_back({"personality", kAllow, {is(0, persona)}});
}

// The launcher sets RLIMIT_CORE to 1: the one value with which the kernel neither writes a core nor starts the crash
// handler of the host, which it does start at 0 (fs/coredump.c). Lowering a limit is everybody's right, so it is taken
// away here. The answer is success, and nothing happens: programs that hold secrets (gpg) end when they cannot switch
// cores off, and here they are off.
void no_core_limit(Rules& rules) {
  constexpr uint32_t kDone = SCMP_ACT_ERRNO(0);
  rules.push_back({"setrlimit", kDone, {is(0, RLIMIT_CORE)}});
  rules.push_back({"prlimit64", kDone, {is(1, RLIMIT_CORE), not_null(2)}});
}

// mkdir drops the bits by itself (vfs_mkdir); openat2, whose mode is in memory, is refused as a whole.
void no_set_id(Rules& rules, uint64_t bit) {
  for (const char* call : {"chmod", "fchmod", "creat", "mknod"}) rules.push_back({call, kRefuse, {has(1, bit)}});
  for (const char* call : {"fchmodat", "fchmodat2", "mknodat"}) rules.push_back({call, kRefuse, {has(2, bit)}});
  // The mode is read with these flags only; without them anything may stand in its register.
  constexpr uint64_t kTmpfile = 020000000;  // the kernel's __O_TMPFILE; glibc's has O_DIRECTORY in it
  for (const uint64_t making : {uint64_t{O_CREAT}, kTmpfile}) {
    rules.push_back({"open", kRefuse, {has(1, making), has(2, bit)}});
    rules.push_back({"openat", kRefuse, {has(2, making), has(3, bit)}});
  }
}

void no_write_execute(Rules& rules) {
  rules.push_back({"mmap", kRefuse, {has(2, PROT_WRITE | PROT_EXEC)}});
  for (const char* call : {"mprotect", "pkey_mprotect"}) rules.push_back({call, kRefuse, {has(2, PROT_EXEC)}});
  rules.push_back({"shmat", kRefuse, {has(2, SHM_EXEC)}});
}

}  // namespace

std::vector<ArgumentRule> argument_rules(const FilterOptions& options) {
  Rules rules;
  no_namespaces(rules);
  no_terminal_tricks(rules);
  no_snapshots(rules);
  no_whiteouts(rules);
  nothing_shared_with_the_host(rules);
  nothing_counted_through_sockets(rules);
  sockets(rules, options.internet);
  process_controls(rules);
  personalities(rules);
  no_disk_priority(rules);
  no_code_in_the_kernel(rules);
  no_core_limit(rules);
  no_set_id(rules, S_ISUID);
  if (options.set_group == SetGroup::refused) no_set_id(rules, S_ISGID);
  if (options.write_execute == WriteExecute::refused) no_write_execute(rules);
  return rules;
}

}  // namespace alos::seccomp
