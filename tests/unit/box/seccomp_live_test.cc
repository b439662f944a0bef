// The filter in the kernel: what it refuses, kills and lets live.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <iostream>

#include "base/sys.h"
#include "supervisor/box/seccomp.h"
#include "supervisor/box/seccomp_groups.h"
#include "tests/skip.h"

namespace alos::seccomp {
namespace {

bool load(const Program& program) {
  const sock_fprog code{.len = static_cast<uint16_t>(program.size()),
                        .filter = const_cast<sock_filter*>(program.data())};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) == 0;
}

// Wait status of a child that runs `body` and exits with what it returns.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

// The same, where nothing of the machine can be touched: as root of namespaces of its own, so that the kernel itself
// would let most calls through.
int in_namespaces(const std::function<int()>& body) {
  return in_child([&] {
    constexpr int kAll =
        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWCGROUP;
    if (::unshare(kAll) != 0) return 200;
    const int status = in_child(body);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  });
}

// 0, or the errno, of one raw call.
int error_of(int number, std::array<uint64_t, 6> a = {}) {
  errno = 0;
  return ::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

class LiveFilter : public ::testing::Test {
 protected:
  void SetUp() override {
    auto program = export_filter({});
    ASSERT_TRUE(program) << program.error().text();
    program_ = std::move(*program);
  }
  // Wait status of `body` run under the filter in namespaces of its own.
  int confined(const std::function<int()>& body) {
    return in_namespaces([&] { return load(program_) ? body() : 201; });
  }
  Program program_;
};

TEST_F(LiveFilter, every_refused_call_answers_the_errno_of_its_row) {
  // Arguments are zero: a call that got through would find nothing to do.
  std::vector<std::pair<int, int>> calls;
  for (const Refusal& row : refusals())
    ASSERT_TRUE(for_each_name(row.calls, [&](std::string_view name) -> Result<void> {
      if (name != "prctl" && name != "personality") calls.emplace_back(TRY(call_number(name)), row.answer);
      return {};
    }));
  ASSERT_GT(calls.size(), 80u);
  const int status = confined([&] {
    int wrong = 0;
    for (const auto& [number, expected] : calls)
      if (const int got = error_of(number); got != expected) {
        ::dprintf(STDERR_FILENO, "call %d answered %d, not %d\n", number, got, expected);
        ++wrong;
      }
    return wrong;
  });
  EXPECT_EQ(status, 0);
}

struct Probe {
  const char* what;
  int number;
  std::array<uint64_t, 6> args;
  int answer;  // errno, 0 for success
};

TEST_F(LiveFilter, arguments_decide_as_the_kernel_reads_them) {
  constexpr uint64_t kBit32 = 1ull << 32;
  char byte = 'x';
  const rlimit zero{};
  sock_filter pass = BPF_STMT(BPF_RET | BPF_K, 0x7fff0000);
  const sock_fprog code{.len = 1, .filter = &pass};
  const auto filter = reinterpret_cast<uint64_t>(&code);
  const Probe probes[] = {
      {"TIOCSTI", SYS_ioctl, {0, TIOCSTI, reinterpret_cast<uint64_t>(&byte)}, EPERM},
      {"TIOCSTI + 2^32", SYS_ioctl, {0, TIOCSTI + kBit32, reinterpret_cast<uint64_t>(&byte)}, EPERM},
      {"TIOCLINUX + 2^63", SYS_ioctl, {0, TIOCLINUX + (1ull << 63), reinterpret_cast<uint64_t>(&byte)}, EPERM},
      {"TIOCSETD", SYS_ioctl, {0, TIOCSETD}, EPERM},
      {"a snapshot", SYS_ioctl, {~0ull, BTRFS_IOC_SNAP_CREATE_V2}, EPERM},
      {"a clone of a file reaches the kernel", SYS_ioctl, {~0ull, FICLONE, 0}, EBADF},
      {"another ioctl reaches the kernel", SYS_ioctl, {~0ull, FIONREAD}, EBADF},
      {"a lease", SYS_fcntl, {~0ull, F_SETLEASE, F_WRLCK}, EPERM},
      {"a lease with a high bit", SYS_fcntl, {~0ull, F_SETLEASE + kBit32, F_WRLCK}, EPERM},
      {"F_NOTIFY", SYS_fcntl, {~0ull, F_NOTIFY, DN_ACCESS}, EPERM},
      {"a pipe's size", SYS_fcntl, {~0ull, F_SETPIPE_SZ, 1 << 20}, EPERM},
      {"asking for it reaches the kernel", SYS_fcntl, {~0ull, F_GETPIPE_SZ}, EBADF},
      {"a record lock reaches the kernel", SYS_fcntl, {~0ull, F_SETLK, 0}, EBADF},
      {"SHM_LOCK", SYS_shmctl, {~0ull, SHM_LOCK}, EPERM},
      {"MADV_MERGEABLE", SYS_madvise, {0, 0, MADV_MERGEABLE}, EINVAL},
      {"a rename that leaves a device node", SYS_renameat2, {0, 0, 0, 0, RENAME_WHITEOUT}, EINVAL},
      {"another rename reaches the kernel", SYS_renameat2, {0, 0, 0, 0, RENAME_NOREPLACE}, EFAULT},
      {"SO_ZEROCOPY", SYS_setsockopt, {~0ull, SOL_SOCKET, SO_ZEROCOPY}, ENOPROTOOPT},
      {"another option reaches the kernel", SYS_setsockopt, {~0ull, SOL_SOCKET, SO_REUSEADDR}, EBADF},
      {"clone in a new user namespace", SYS_clone, {CLONE_NEWUSER | SIGCHLD}, EPERM},
      {"the same with a high bit", SYS_clone, {CLONE_NEWUSER | kBit32 | SIGCHLD}, EPERM},
      {"clone3", SYS_clone3, {}, ENOSYS},
      {"a call newer than the newest", 471, {}, ENOSYS},
      {"netlink", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, EAFNOSUPPORT},
      {"packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, EAFNOSUPPORT},
      {"alg", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}, EAFNOSUPPORT},
      {"vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}, EAFNOSUPPORT},
      {"internet", SYS_socket, {AF_INET, SOCK_STREAM, 0}, EAFNOSUPPORT},
      {"internet pair", SYS_socketpair, {AF_INET, SOCK_STREAM, 0}, EAFNOSUPPORT},
      {"unix", SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0}, 0},
      {"asking for the personality", SYS_personality, {0xffffffff}, 0},
      {"READ_IMPLIES_EXEC", SYS_personality, {READ_IMPLIES_EXEC}, EPERM},
      {"a listener of one's own", SYS_seccomp, {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER}, EINVAL},
      {"a filter of one's own", SYS_seccomp, {SECCOMP_SET_MODE_FILTER, 0, filter}, EINVAL},
      {"with a high bit", SYS_seccomp, {SECCOMP_SET_MODE_FILTER + kBit32, 0, filter}, EINVAL},
      {"by prctl", SYS_prctl, {PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter}, EINVAL},
      {"asking which answers filters have", SYS_seccomp, {SECCOMP_GET_ACTION_AVAIL, 0, 0}, EFAULT},
      {"a filter on a socket", SYS_setsockopt, {0, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof code}, ENOPROTOOPT},
      {"one for a port", SYS_setsockopt, {0, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, filter, sizeof code}, ENOPROTOOPT},
      {"kernel TLS", SYS_setsockopt, {0, IPPROTO_TCP, TCP_ULP, 0, 0}, ENOPROTOOPT},
      {"another option reaches the kernel", SYS_setsockopt, {~0ull, SOL_SOCKET, SO_KEEPALIVE}, EBADF},
      {"huge pages", SYS_mmap, {0, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, ~0ull}, EPERM},
      {"a file of them", SYS_memfd_create, {reinterpret_cast<uint64_t>("x"), MFD_HUGETLB}, EPERM},
      {"shared ones", SYS_shmget, {IPC_PRIVATE, 2 << 20, SHM_HUGETLB | 0600}, EPERM},
      {"the disk before others", SYS_ioprio_set, {1, 0, 2 << 13}, EPERM},
      {"the disk after others", SYS_ioprio_set, {1, 0, 2 << 13 | 7}, 0},
      {"PR_SET_MM", SYS_prctl, {PR_SET_MM}, EPERM},
      {"an unknown prctl", SYS_prctl, {999}, EINVAL},
      {"PR_SET_DUMPABLE", SYS_prctl, {PR_SET_DUMPABLE, 1}, 0},
      {"lowering the core limit", SYS_prlimit64, {0, RLIMIT_CORE, reinterpret_cast<uint64_t>(&zero), 0}, 0},
      {"chmod setuid", SYS_chmod, {0, 04755}, EPERM},
      {"chmod setgid with high bits", SYS_chmod, {0, 02755 | kBit32 | 1ull << 63}, EPERM},
      {"a plain chmod reaches the kernel", SYS_chmod, {0, 0755}, EFAULT},
      {"making a setuid file", SYS_openat, {0, 0, O_CREAT | O_WRONLY, 04755}, EPERM},
      {"making a nameless one", SYS_openat, {0, 0, O_TMPFILE | O_RDWR, 04755}, EPERM},
      {"opening, with anything where no mode is read", SYS_openat, {0, 0, O_RDONLY, ~0ull}, EFAULT},
      {"openat2", SYS_openat2, {}, ENOSYS},
      {"asking Landlock's version", SYS_landlock_create_ruleset, {0, 0, LANDLOCK_CREATE_RULESET_VERSION}, 0},
  };
  const int status = confined([&] {
    int wrong = 0;
    for (const Probe& probe : probes)
      if (const int got = error_of(probe.number, probe.args); got != probe.answer) {
        ::dprintf(STDERR_FILENO, "%s: answered %d, not %d\n", probe.what, got, probe.answer);
        ++wrong;
      }
    return wrong;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(LiveFilter, the_core_limit_stays_at_one) {
  EXPECT_EQ(in_namespaces([&] {
              const rlimit one{1, 1}, zero{0, 0};
              if (::setrlimit(RLIMIT_CORE, &one) != 0 || !load(program_)) return 1;
              if (::setrlimit(RLIMIT_CORE, &zero) != 0 || error_of(SYS_setrlimit, {RLIMIT_CORE, 1}) != 0) return 2;
              rlimit now{};
              if (::getrlimit(RLIMIT_CORE, &now) != 0) return 3;
              return now.rlim_cur == 1 && now.rlim_max == 1 ? 0 : 4;
            }),
            0);
}

TEST_F(LiveFilter, a_32_bit_entry_is_killed) {
  const auto getpid_by_int80 = [] {
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's
    long answer = 20;            // getpid of i386
    asm volatile("int $0x80" : "+a"(answer) : : "memory");
    return answer > 0 ? 0 : 1;
  };
  // Where the kernel has no such entry (ia32_emulation=off, some hypervisors) the call is a fault with or without a
  // filter.
  const int without = in_namespaces(getpid_by_int80);
  const int killed_by = without == 0 ? SIGSYS : SIGSEGV;
  if (without != 0) {
    ASSERT_EQ(WEXITSTATUS(without), 128 + SIGSEGV);
    std::cerr << "this kernel has no 32-bit entry: shown is that there is none in a box either\n";
  }
  EXPECT_EQ(WEXITSTATUS(confined(getpid_by_int80)), 128 + killed_by);
}

TEST_F(LiveFilter, an_x32_entry_is_killed) {
  EXPECT_EQ(WEXITSTATUS(confined([] { return error_of(0x40000000 | SYS_getpid); })), 128 + SIGSYS);
}

TEST_F(LiveFilter, memory_is_writable_or_executable_where_the_policy_says_so) {
  auto strict = export_filter({.write_execute = WriteExecute::refused});
  ASSERT_TRUE(strict);
  EXPECT_EQ(in_child([&] {
              if (!load(*strict)) return 1;
              constexpr uint64_t kAnonymous = 0x22;
              if (error_of(SYS_mmap, {0, 4096, 7, kAnonymous, ~0ull, 0}) != EPERM) return 2;
              if (error_of(SYS_mprotect, {0, 4096, 5}) != EPERM) return 3;
              return error_of(SYS_mmap, {0, 4096, 3, kAnonymous, ~0ull, 0}) == 0 ? 0 : 4;
            }),
            0);
}

TEST_F(LiveFilter, of_two_filters_the_most_restrictive_answer_wins) {
  auto rename = export_rename_notify_filter();
  ASSERT_TRUE(rename);
  EXPECT_EQ(in_child([&] {
              if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
              const sock_fprog code{.len = static_cast<uint16_t>(rename->size()), .filter = rename->data()};
              const long listener =
                  ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &code);
              if (listener < 0 || !load(program_)) return 2;
              if (error_of(SYS_mount) != EPERM) return 3;
              // The helper's own call gets through to the kernel; an unmarked one would wait for the listener.
              if (error_of(SYS_renameat2, {0, 0, 0, 0, 1ull << 32}) != EFAULT) return 4;
              ::close(static_cast<int>(listener));
              return error_of(SYS_rename) == ENOSYS ? 0 : 5;  // a listener that is gone: ENOSYS (seccomp_unotify(2))
            }),
            0);
}

// What people run in boxes, under the widest and under the narrowest filter that it needs.
struct Tool {
  const char* name;
  Internet internet;
  const char* script;
};

void PrintTo(const Tool& tool, std::ostream* out) {
  *out << tool.name;
}

class RealPrograms : public ::testing::TestWithParam<Tool> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-seccomp-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    auto fd = sys::open(dir_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd && sys::remove_below(fd->get()));
    ::rmdir(dir_.c_str());
  }
  std::string dir_;
};

TEST_P(RealPrograms, do_their_work_under_the_filter) {
  const Tool& tool = GetParam();
  const std::string program = std::string("/usr/bin/") + tool.name;
  if (::access(program.c_str(), X_OK) != 0) ALOS_SKIP(program + " is not installed");
  const auto filter = export_filter({.internet = tool.internet});
  ASSERT_TRUE(filter);
  const int status = in_child([&] {
    if (::chdir(dir_.c_str()) != 0 || !load(*filter)) return 125;
    const std::string home = "HOME=" + dir_;
    const char* environment[] = {"PATH=/usr/bin:/bin", home.c_str(),     "TERM=xterm",
                                 "SHELL=/bin/bash",    "LC_ALL=C.UTF-8", nullptr};
    const char* argv[] = {"bash", "-euc", tool.script, nullptr};
    ::execve("/bin/bash", const_cast<char**>(argv), const_cast<char**>(environment));
    return 126;
  });
  EXPECT_EQ(status, 0) << tool.script;
}

constexpr Tool kTools[] = {
    {"bash", Internet::refused, "x=$(seq 100 | sort -rn | head -1); test $x = 100; ulimit -c 0; (sleep 0.01 & wait)"},
    {"git", Internet::refused,
     "git init -q r; cd r; git config user.email a@b; git config user.name a; echo 1 > f; git add f;"
     "git commit -qm one; git checkout -qb b; git mv f g; git commit -qam two; git gc -q; git clone -q . ../c;"
     "test \"$(git -C ../c log --oneline | wc -l)\" = 2"},
    {"python3", Internet::refused,
     "/usr/bin/python3 -c 'import multiprocessing as m, sqlite3, asyncio, subprocess, tempfile\n"
     "if __name__ == \"__main__\":\n"
     "  with m.get_context(\"fork\").Pool(3) as p: assert p.map(abs, range(-50, 0))[0] == 50\n"
     "  assert subprocess.run([\"true\"]).returncode == 0\n"
     "  asyncio.run(asyncio.sleep(0.01))'"},
    {"node", Internet::refused,
     "node -e 'const {Worker} = require(\"worker_threads\");"
     "new Worker(\"require(\\\"worker_threads\\\").parentPort.postMessage(42)\", {eval: true})"
     ".on(\"message\", m => { require(\"fs\").writeFileSync(\"out\", require(\"child_process\").execSync(\"cat\","
     " {input: String(m)})); }); '; test \"$(cat out)\" = 42"},
    {"node", Internet::allowed,
     "node -e 'const http = require(\"http\"); const s = http.createServer((q, r) => r.end(\"ok\")).listen(0, "
     "\"127.0.0.1\","
     "() => http.get({port: s.address().port, host: \"127.0.0.1\"}, r => { r.resume(); r.on(\"end\", () => s.close()); "
     "}));'"},
    {"cmake", Internet::refused,
     "printf 'cmake_minimum_required(VERSION 3.20)\\nproject(p C)\\nadd_executable(p p.c)' > CMakeLists.txt;"
     "echo 'int main(void){return 0;}' > p.c; cmake -S . -B b > log; cmake --build b -j2 >> log; ./b/p"},
    {"make", Internet::refused,
     "printf 'all: a b\\na b:\\n\\techo $@ > $@\\n' > Makefile; make -sj4; test $(cat b) = b"},
    {"sqlite3", Internet::refused,
     "sqlite3 t.db 'pragma journal_mode=wal; create table t(x); insert into t values(7); select x from t;' | grep -qx "
     "7"},
    {"tmux", Internet::refused,
     "export TMUX_TMPDIR=$PWD; tmux -f /dev/null new-session -d 'echo done > out; sleep 5'; "
     "for i in $(seq 200); do test -s out && break; sleep 0.02; done; tmux kill-server; test $(cat out) = done"},
    {"gcc", Internet::refused, "echo 'int main(void){return 0;}' > p.c; gcc -O2 -flto p.c -o p; ./p"},
    {"perl", Internet::refused,
     "perl -e 'pipe(R,W); if (!fork) { print W \"x\"; exit } close W; exit(<R> eq \"x\" ? 0 : 1)'"},
    {"gpgconf", Internet::refused, "gpgconf --list-dirs > out; test -s out"},
    {"tar", Internet::refused,
     "mkdir d; echo 1 > d/f; ln d/f d/g; mkfifo d/p; tar cf - d | tar xf - -C . ; cp -a d e; test -p e/p"},
};

std::string tool_name(const ::testing::TestParamInfo<Tool>& tool) {
  return std::string(tool.param.name) + (tool.param.internet == Internet::allowed ? "_with_internet" : "");
}

INSTANTIATE_TEST_SUITE_P(, RealPrograms, ::testing::ValuesIn(kTools), tool_name);

}  // namespace
}  // namespace alos::seccomp
