#include "tests/escape/table.h"

namespace alos::escape {
namespace {

using enum Plain;

// Where plain bubblewrap has the wall already, the row is run without that wall.
constexpr std::string_view kWritable = "--bind / / --dev /dev --proc /proc";
constexpr std::string_view kSharedTmp = "--ro-bind / / --bind /tmp /tmp --dev /dev --proc /proc";
constexpr std::string_view kHostDevices = "--ro-bind / / --dev-bind /dev /dev --proc /proc";
constexpr std::string_view kSharedHome = "--ro-bind / / --bind {home} {home} --dev /dev --proc /proc";
constexpr std::string_view kOwnTmp =
    "--ro-bind / / --tmpfs /tmp --bind {workspace} {workspace} --dev /dev --proc /proc";
constexpr std::string_view kOwnProcesses =
    "--ro-bind / / --bind {workspace} {workspace} --dev /dev --proc /proc --unshare-pid";
constexpr std::string_view kCapable =
    "--ro-bind / / --bind {workspace} {workspace} --dev /dev --proc /proc --cap-add ALL";

constexpr How left_at(std::string_view place, std::string_view bwrap = kPlain) {
  return {.bwrap = bwrap, .proof = Proof::left, .place = place};
}

constexpr How marks() {
  return {.bwrap = kWritable, .proof = Proof::marked};
}

constexpr Row kTable[] = {
    // Threat 1: a secret by path
    {"1.a", "read_secret", "mounts, Landlock", escapes},
    {"1.b", "read_secret", "mounts, Landlock", escapes},
    {"1.d", "read_secret", "mounts, Landlock", escapes},
    {"1.e", "read_secret", "mounts, Landlock", escapes},
    {"1.f", "read_secret", "mounts, Landlock", escapes},
    {"1.c", "read_secret", "mounts, pid namespace", stopped, {.why = "process 1 of the host is not ours to look into"}},

    // Threat 2: symlinks
    {"2.a", "links", "mounts, Landlock", escapes},
    {"2.b", "links", "mounts, Landlock", escapes},
    {"2.c", "links", "mounts, Landlock", escapes},

    // Threat 3: hard links
    {"3.a", "links", "mounts, layer", escapes, {.bwrap = kWritable, .proof = Proof::file_changed}},
    {"3.b", "links", "mounts, layer", escapes, {.bwrap = kWritable, .proof = Proof::file_changed}},

    // Threat 8: what lies in a home
    {"8.a", "read_secret", "mounts", escapes},
    {"8.b", "read_secret", "mounts", escapes},
    {"8.c", "read_secret", "mounts", escapes},

    // Threat 9: other processes
    {"9.a", "other_processes", "pid namespace", escapes},
    {"9.b", "other_processes", "pid namespace, user namespace", stopped, {.why = "user namespace"}},
    {"9.b", "other_processes", "pid namespace, user namespace", escapes, {.who = Who::root}},
    {"9.c", "other_processes", "pid namespace, user namespace", escapes, {.who = Who::root}},
    {"9.d", "other_processes", "seccomp, pid namespace", escapes, {.who = Who::root}},
    {"9.e", "other_processes", "pid namespace, user namespace", escapes, {.who = Who::root}},
    {"9.f", "other_processes", "seccomp, pid namespace", escapes, {.who = Who::root}},

    // Threat 10: inherited descriptors
    {"10.a", "inherited", "descriptors closed at launch, Landlock", escapes, {.careless = Careless::yes}},
    {"10.b", "inherited", "descriptors closed at launch, Landlock", escapes, {.careless = Careless::yes}},
    {"10.c", "inherited", "descriptors closed at launch, Landlock", escapes, {.careless = Careless::yes}},

    // Threat 15: shared places
    {"15.a", "shared_places", "private /tmp", escapes},
    {"15.b", "shared_places", "private /tmp", escapes, left_at("tmp/left-in-tmp", kSharedTmp)},
    {"15.c", "shared_places", "private /dev/shm", escapes, {.bwrap = kHostDevices}},
    {"15.d", "shared_places", "private /dev/shm", escapes, left_at("shm", kHostDevices)},

    // Threat 18: handles and mounts
    {"18.a", "mounts", "seccomp, capabilities", escapes, {.bwrap = kCapable, .who = Who::root}},
    {"18.b", "mounts", "seccomp", escapes},
    {"18.c", "mounts", "seccomp", escapes},
    {"18.d", "mounts", "seccomp", escapes},
    {"18.e", "mounts", "seccomp, capabilities", stopped, {.why = "capabilities"}},
    {"18.e", "mounts", "seccomp, capabilities", escapes, {.bwrap = kCapable, .who = Who::root}},

    // Threat 19: what git executes later
    {"19.a", "plant", "layer, apply", escapes, left_at("workspace/.git/hooks/pre-commit")},
    {"19.b", "plant", "layer, apply", escapes, left_at("workspace/.git/config")},
    {"19.c", "plant", "layer, apply", escapes, left_at("workspace/nested/.git/config")},
    {"19.d", "plant", "layer, apply", escapes, left_at("workspace/fresh/.git/config")},
    {"19.e", "plant", "layer, apply", escapes, left_at("workspace/docs/config")},
    {"19.f", "plant", "layer, apply", escapes, left_at("workspace/linked/.git")},
    {"19.g", "plant", "layer, apply", escapes, left_at("workspace/.git/worktrees/w/config.worktree")},
    {"19.h", "plant", "layer, apply", escapes, left_at("workspace/.git/modules/sub/config")},

    // Threat 20: what other tools execute later
    {"20.a", "plant", "layer, apply", escapes, left_at("workspace/.claude/settings.json")},
    {"20.b", "plant", "layer, apply", escapes, left_at("workspace/.codex/config.toml")},
    {"20.c", "plant", "layer, apply", escapes, left_at("workspace/.mcp.json")},
    {"20.d", "plant", "layer, apply", escapes, left_at("workspace/.vscode/tasks.json")},
    {"20.e", "plant", "layer, apply", escapes, left_at("workspace/.envrc")},
    {"20.f", "plant", "layer, apply", escapes, left_at("workspace/.npmrc")},
    {"20.g", "plant", "layer, apply", escapes, left_at("workspace/package.json")},
    {"20.h", "plant", "layer, apply", escapes, left_at("workspace/Makefile")},
    {"20.i", "plant", "layer, apply", escapes, left_at("workspace/conftest.py")},
    {"20.j", "plant", "layer, apply", escapes, left_at("workspace/.github/workflows/x.yml")},
    {"20.k", "plant", "private home", escapes, left_at("home/.bashrc", kSharedHome)},
    {"20.l", "plant", "private home", escapes, left_at("home/.config/systemd/user/x.service", kSharedHome)},
    {"20.m", "plant", "private home", escapes, left_at("home/.local/bin/ls", kSharedHome)},
    {"20.n", "plant", "private home", escapes, left_at("home/.config/autostart/x.desktop", kSharedHome)},

    // Threat 21: processes outside
    {"21.a", "signals", "pid namespace, Landlock scope", escapes, {.proof = Proof::signalled}},
    {"21.b", "signals", "pid namespace, Landlock scope", escapes, {.proof = Proof::signalled}},
    {"21.c", "signals", "pid namespace, Landlock scope", escapes, {.proof = Proof::signalled}},
    {"21.d", "signals", "pid namespace, Landlock scope", escapes, {.proof = Proof::signalled}},
    {"21.e", "signals", "pid namespace, Landlock scope", escapes, {.proof = Proof::signalled}},
    {"21.f", "signals", "seccomp, pid namespace", stopped, {.why = "user namespace"}},
    {"21.f", "signals", "seccomp, pid namespace", escapes, {.who = Who::root}},

    // Threat 22: outliving the end
    {"22.a", "outlive", "pid namespace, cgroup", escapes, {.proof = Proof::alive}},
    {"22.b", "outlive", "pid namespace, cgroup", escapes, {.proof = Proof::alive}},
    {"22.c", "outlive", "pid namespace, cgroup", escapes, {.proof = Proof::alive}},

    // Threat 23: more than a fair share
    {"23.a", "exhaust", "cgroup, RLIMIT_NPROC", escapes, {.limit = 200}},
    {"23.b", "exhaust", "cgroup", escapes, {.limit = 256 << 20}},
    {"23.c", "exhaust", "cgroup", escapes, {.limit = 200}},
    {"23.d", "exhaust", "RLIMIT_NOFILE", escapes, {.limit = 4096}},
    {"23.e", "exhaust", "size of private /tmp", escapes, {.bwrap = kOwnTmp, .limit = 20000}},
    {"23.f", "exhaust", "size of private /tmp", escapes, {.bwrap = kOwnTmp, .limit = 64 << 20}},

    // Threat 24: nested user namespaces
    {"24.a", "namespaces", "seccomp", escapes},
    {"24.b", "namespaces", "seccomp", escapes},
    {"24.c", "namespaces", "seccomp", escapes},
    {"24.e", "namespaces", "seccomp", escapes},
    {"24.d", "namespaces", "seccomp", escapes},

    // Threat 25: parts of the kernel
    {"25.a", "kernel_calls", "seccomp", depends, {.why = "kernel.io_uring_disabled"}},
    {"25.b", "kernel_calls", "seccomp", escapes},
    {"25.c", "kernel_calls", "seccomp", escapes},
    {"25.d", "kernel_calls", "seccomp", depends, {.why = "CONFIG_USERFAULTFD"}},
    {"25.g", "kernel_calls", "seccomp", depends, {.why = "CONFIG_MODIFY_LDT_SYSCALL"}},
    {"25.h", "kernel_calls", "seccomp", escapes},
    {"25.i", "kernel_calls", "seccomp", escapes},
    {"25.j", "kernel_calls", "seccomp", escapes},
    {"25.k", "kernel_calls", "seccomp", escapes},
    {"25.l", "kernel_calls", "seccomp", escapes},
    {"25.n", "kernel_calls", "seccomp", escapes},
    {"25.o", "kernel_calls", "seccomp", escapes},
    {"25.p", "kernel_calls", "seccomp", escapes},
    {"25.q", "kernel_calls", "seccomp", escapes},
    {"25.r", "kernel_calls", "seccomp", escapes},
    {"25.m", "kernel_calls", "seccomp", depends, {.why = "secretmem.enable"}},
    {"25.e", "kernel_calls", "seccomp", depends, {.why = "kernel.unprivileged_bpf_disabled"}},
    {"25.f", "kernel_calls", "seccomp", depends, {.why = "kernel.perf_event_paranoid"}},

    // Threat 26: foreign entries
    {"26.a", "foreign_entry", "seccomp", depends, {.why = "CONFIG_IA32_EMULATION"}},
    {"26.b", "foreign_entry", "seccomp", depends, {.why = "CONFIG_IA32_EMULATION"}},
    {"26.c", "foreign_entry", "seccomp", depends, {.why = "CONFIG_IA32_EMULATION"}},
    {"26.d", "foreign_entry", "seccomp", depends, {.why = "CONFIG_X86_X32_ABI"}},

    // Threat 27: the same by another program
    {"27.a", "disguised_program", "mounts, Landlock", escapes},
    {"27.b", "disguised_program", "mounts, Landlock", escapes},
    {"27.c", "disguised_program", "mounts, Landlock", escapes},
    {"27.d", "disguised_program", "mounts, Landlock", escapes},
    {"27.e", "disguised_program", "mounts, Landlock", escapes},
    {"27.f", "disguised_program", "seccomp", escapes},

    // Threat 28: the terminal
    {"28.a",
     "terminal",
     "seccomp, terminal of its own",
     depends,
     {.why = "dev.tty.legacy_tiocsti", .terminal = Terminal::yes}},
    {"28.b",
     "terminal",
     "seccomp, terminal of its own",
     depends,
     {.why = "dev.tty.legacy_tiocsti", .terminal = Terminal::yes}},
    {"28.c",
     "terminal",
     "seccomp, terminal of its own",
     depends,
     {.why = "dev.tty.legacy_tiocsti", .terminal = Terminal::yes}},
    {"28.d", "terminal", "seccomp, terminal of its own", stopped, {.why = "no console", .terminal = Terminal::yes}},
    {"28.e", "terminal", "seccomp, terminal of its own", escapes, {.terminal = Terminal::yes}},

    // Threat 29: setuid programs
    {"29.a", "setuid", "no_new_privs, nosuid, user namespace", stopped, {.why = "no_new_privs, nosuid"}},
    {"29.b", "setuid", "layer, apply", escapes, left_at("workspace/left-setuid")},
    {"29.c", "setuid", "seccomp", escapes},
    {"29.d", "setuid", "layer, apply", escapes, left_at("workspace/set-gid-0")},

    // Threat 30: cores and crash handlers
    {"30.a", "crash", "read-only /proc/sys, user namespace", stopped, {.why = "user namespace"}},
    {"30.a", "crash", "read-only /proc/sys, user namespace", escapes, {.who = Who::root}},
    {"30.b", "crash", "read-only /proc/sys, user namespace", depends, {.why = "CONFIG_MODULES", .who = Who::root}},
    {"30.c", "crash", "read-only /proc/sys, user namespace", depends, {.why = "CONFIG_MAGIC_SYSRQ", .who = Who::root}},
    {"30.d", "crash", "RLIMIT_CORE", depends, {.why = "the hard limit of cores where the test is started"}},
    {"30.e", "crash", "RLIMIT_CORE 1, seccomp", escapes},

    // Threat 31: services on Unix sockets
    {"31.a", "unix_sockets", "layer", escapes},
    {"31.b", "unix_sockets", "layer", escapes},
    {"31.c", "unix_sockets", "layer", escapes, {.proof = Proof::datagram}},
    {"31.d", "unix_sockets", "mounts", escapes},
    {"31.e", "unix_sockets", "network namespace, Landlock scope", escapes},
    {"31.f", "unix_sockets", "network namespace, Landlock scope", escapes, {.proof = Proof::datagram}},

    // Threat 32: socket families
    {"32.a", "socket_families", "seccomp", escapes},
    {"32.b", "socket_families", "seccomp", depends, {.why = "CONFIG_CRYPTO_USER_API"}},
    {"32.c", "socket_families", "seccomp", depends, {.why = "CONFIG_VSOCKETS"}},
    {"32.e", "socket_families", "seccomp", escapes},
    {"32.f", "socket_families", "seccomp", escapes},
    {"32.g", "socket_families", "seccomp", depends, {.why = "net.ipv4.ping_group_range"}},
    {"32.h", "socket_families", "seccomp", depends, {.why = "CONFIG_IP_SCTP"}},
    {"32.i", "socket_families", "seccomp", depends, {.why = "CONFIG_BT"}},
    {"32.j", "socket_families", "seccomp", escapes},
    {"32.k", "socket_families", "seccomp", escapes},
    {"32.d", "socket_families", "seccomp, capabilities", stopped, {.why = "capabilities"}},

    // Threat 47: what confines the box
    {"47.a", "own_files", "mounts, Landlock", escapes, marks()},
    {"47.b", "own_files", "mounts, Landlock", escapes, marks()},
    {"47.c", "own_files", "mounts, Landlock", escapes, marks()},
    {"47.d", "own_files", "mounts, Landlock", escapes, marks()},
    {"47.e", "own_files", "mounts, Landlock", escapes, marks()},
    {"47.f", "own_files", "mounts, Landlock", escapes, {.bwrap = kWritable}},
    {"47.g", "own_files", "mounts, Landlock", escapes, marks()},
    {"47.h", "own_files", "mounts, Landlock", escapes, left_at("own/state-gone", kWritable)},
    {"47.i", "own_files", "seccomp", escapes, {.bwrap = kOwnProcesses}},
    {"47.j", "own_files", "read-only /proc, Landlock", escapes, {.bwrap = kOwnProcesses}},
};

}  // namespace

std::span<const Row> table() {
  return kTable;
}

}  // namespace alos::escape
