// Threat 25: parts of the kernel that are a box's undoing more often than its use. The evidence is a call that worked.

#include <asm/ldt.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

Outcome io_uring() {
  io_uring_params params{};
  return judge_call(::syscall(SYS_io_uring_setup, 2, &params), "io_uring_setup", "a ring");
}

Outcome keyring() {
  const long key = ::syscall(SYS_add_key, "user", "escape", "x", 1, KEY_SPEC_PROCESS_KEYRING);
  return judge_call(key, "add_key", "a key in the kernel");
}

Outcome session_keyring() {
  const long ring = ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
  return judge_call(ring, "keyctl", "the keyring of the user");
}

Outcome userfault() {
  constexpr int kUserModeOnly = 1;
  return judge_call(::syscall(SYS_userfaultfd, O_CLOEXEC | kUserModeOnly), "userfaultfd", "a userfaultfd");
}

Outcome bpf_program() {
  bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
                     {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  load.insns = reinterpret_cast<uint64_t>(code);
  load.insn_cnt = 2;
  load.license = reinterpret_cast<uint64_t>("");
  return judge_call(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load), "bpf", "a program in the kernel");
}

Outcome perf() {
  perf_event_attr event{};
  event.type = PERF_TYPE_SOFTWARE;
  event.size = sizeof event;
  event.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
  event.exclude_kernel = 1;
  return judge_call(::syscall(SYS_perf_event_open, &event, 0, -1, -1, 0), "perf_event_open", "a counter");
}

Outcome segment() {
  user_desc entry{};
  entry.limit = 0xfffff;
  entry.seg_32bit = 1;
  entry.limit_in_pages = 1;
  return judge_call(::syscall(SYS_modify_ldt, 1, &entry, sizeof entry), "modify_ldt", "a segment of its own");
}

// Into the user namespace of a child, which its owner may always enter.
Outcome enter_a_namespace() {
  int ready[2];
  if (::pipe(ready) != 0) return stopped_by_errno("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(8);
    const bool made = ::unshare(CLONE_NEWUSER) == 0;
    if (::write(ready[1], made ? "y" : "n", 1) == 1) ::pause();
    ::_exit(0);
  }
  char answer = 'n';
  if (::read(ready[0], &answer, 1) != 1) answer = 'n';
  Outcome outcome = stopped("unshare was refused to the child");
  const int space = ::open(("/proc/" + std::to_string(child) + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC);
  if (answer == 'y' || space >= 0) outcome = judge_call(::setns(space, CLONE_NEWUSER), "setns", "entered a namespace");
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return outcome;
}

Outcome listener() {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program{1, &allow};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const long fd = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  return judge_call(fd, "seccomp", "a listener over other programs' calls");
}

// One is enough to show it: thousands, dropped at once, would hold up the machine.
Outcome socket_filter() {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, 0xffff);
  const sock_fprog program{1, &allow};
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return judge_call(::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), "setsockopt",
                    "code in the kernel, on a socket");
}

Outcome call_filter() {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program{1, &allow};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return judge_call(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "prctl", "code in the kernel, on calls");
}

// Best effort, before what ordinary programs read and write.
Outcome disk_priority() {
  constexpr int kProcess = 1, kBestEffortFirst = 2 << 13;
  return judge_call(::syscall(SYS_ioprio_set, kProcess, 0, kBestEffortFirst), "ioprio_set", "the disk before others");
}

Outcome handle() {
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* out = reinterpret_cast<file_handle*>(room);
  out->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  const std::string here = target("ESCAPE_WORKSPACE");
  return judge_call(::name_to_handle_at(AT_FDCWD, here.c_str(), out, &mount, 0), "name_to_handle_at", "a file handle");
}

Outcome childs_memory() {
  char token[64] = "nothing";
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(8);
    ::pause();
    ::_exit(0);
  }
  char copy[64];
  const iovec mine{copy, sizeof copy}, theirs{token, sizeof token};
  const Outcome outcome =
      judge_call(::process_vm_readv(child, &mine, 1, &theirs, 1, 0), "process_vm_readv", "a child's memory");
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return outcome;
}

constexpr Attempt kAttempts[] = {
    {"25.a", "an io_uring", io_uring},
    {"25.b", "a key by add_key", keyring},
    {"25.c", "the user's keyring by keyctl", session_keyring},
    {"25.d", "a userfaultfd", userfault},
    {"25.e", "a BPF program", bpf_program},
    {"25.f", "a performance counter", perf},
    {"25.g", "a segment by modify_ldt", segment},
    {"25.h", "another user namespace by setns", enter_a_namespace},
    {"25.i", "READ_IMPLIES_EXEC by personality",
     [] { return judge_call(::personality(READ_IMPLIES_EXEC), "personality", "readable memory is executable"); }},
    {"25.j", "kernel object order by kcmp",
     [] {
       return judge_call(::syscall(SYS_kcmp, ::getpid(), ::getpid(), 0, 0, 1), "kcmp", "compared kernel objects");
     }},
    {"25.k", "a handle by name_to_handle_at", handle},
    {"25.l", "a fanotify group",
     [] {
       return judge_call(::fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY), "fanotify_init", "a group");
     }},
    {"25.m", "secret memory",
     [] { return judge_call(::syscall(SYS_memfd_secret, 0), "memfd_secret", "secret memory"); }},
    {"25.n", "a seccomp listener", listener},
    {"25.o", "a child's memory by process_vm_readv", childs_memory},
    {"25.p", "a filter on a socket", socket_filter},
    {"25.q", "a filter on system calls", call_filter},
    {"25.r", "a place before others at the disk", disk_priority},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
