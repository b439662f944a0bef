// Threat 29: programs that run as their owner. ESCAPE_SETUID is this program itself, owned by root, setuid.

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

constexpr std::string_view kAmIRoot = "am-i-root";

Outcome become_root() {
  const std::string program = target("ESCAPE_SETUID");
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(program.c_str(), program.c_str(), kAmIRoot.data(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return escaped("ran as root");
  return stopped(WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "not executed" : "ran as the same user");
}

Outcome leave_one() {
  const std::string path = target("ESCAPE_WORKSPACE") + "/left-setuid";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  if (fd < 0) return stopped_by_errno("create");
  if (::write(fd, "#!/bin/sh\n", 10) != 10 || ::fchmod(fd, 04755) != 0) return stopped_by_errno("fchmod");
  return left("a setuid program");
}

// A way to give `path` a mode. Raw calls: a library might ask in another way. What cannot be is -1 with errno.
struct Way {
  const char* name;
  long (*take)(const char* path, long mode);
};

long raw(long number, long a, long b, long c = 0, long d = 0) {
  return ::syscall(number, a, b, c, d);
}
long at(const char* path) {
  return reinterpret_cast<long>(path);
}
int plain(const char* path) {
  return ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755);
}

long by_tmpfile(const char* path, long mode) {
  const std::string directory(path, std::string_view(path).rfind('/'));
  const long fd = raw(SYS_openat, AT_FDCWD, at(directory.c_str()), O_TMPFILE | O_RDWR, mode);
  if (fd < 0) return -1;
  const std::string own = "/proc/self/fd/" + std::to_string(fd);
  return ::syscall(SYS_linkat, AT_FDCWD, own.c_str(), AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

long by_openat2(const char* path, long mode) {
  const open_how how{.flags = O_WRONLY | O_CREAT, .mode = static_cast<uint64_t>(mode), .resolve = 0};
  return ::syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

constexpr long kFchmodat2 = 452, kHighBits = 1L << 63 | 1L << 32 | 1L << 16;
constexpr int kMake = O_WRONLY | O_CREAT;

constexpr Way kWays[] = {
    {"chmod", [](const char* p, long mode) { return plain(p), raw(SYS_chmod, at(p), mode); }},
    {"chmod with high bits",
     [](const char* p, long mode) { return plain(p), raw(SYS_chmod, at(p), mode | kHighBits); }},
    {"fchmod", [](const char* p, long mode) { return raw(SYS_fchmod, plain(p), mode); }},
    {"fchmodat", [](const char* p, long mode) { return plain(p), raw(SYS_fchmodat, AT_FDCWD, at(p), mode); }},
    {"fchmodat2", [](const char* p, long mode) { return plain(p), raw(kFchmodat2, AT_FDCWD, at(p), mode, 0); }},
    {"open", [](const char* p, long mode) { return raw(SYS_open, at(p), kMake, mode); }},
    {"openat", [](const char* p, long mode) { return raw(SYS_openat, AT_FDCWD, at(p), kMake, mode); }},
    {"openat of a nameless file", by_tmpfile},
    {"openat2", by_openat2},
    {"creat", [](const char* p, long mode) { return raw(SYS_creat, at(p), mode); }},
    {"mknod", [](const char* p, long mode) { return raw(SYS_mknod, at(p), S_IFREG | mode, 0); }},
    {"mknodat", [](const char* p, long mode) { return raw(SYS_mknodat, AT_FDCWD, at(p), S_IFREG | mode); }},
    {"mkdir", [](const char* p, long mode) { return raw(SYS_mkdir, at(p), mode); }},
    {"mkdirat", [](const char* p, long mode) { return raw(SYS_mkdirat, AT_FDCWD, at(p), mode); }},
};

// The first way that works; else what each of them answered.
Outcome make_by_any_way(long mode, std::string_view names) {
  std::string answers;
  for (size_t i = 0; i < std::size(kWays); ++i) {
    const std::string path = target("ESCAPE_WORKSPACE") + "/" + std::string(names) + std::to_string(i);
    errno = 0;
    kWays[i].take(path.c_str(), mode);
    const char* answer = ::strerrorname_np(errno);
    struct stat st{};
    if (::lstat(path.c_str(), &st) == 0 && (st.st_mode & mode & 06000) != 0) return escaped(kWays[i].name);
    answers += std::string(answers.empty() ? "" : ", ") + kWays[i].name + " " + (answer ? answer : "without");
  }
  return stopped(answers);
}

constexpr Attempt kAttempts[] = {
    {"29.a", "become root by a setuid program", become_root},
    {"29.b", "leave a setuid program in the workspace", leave_one},
    {"29.c", "make a file setuid, by each call", [] { return make_by_any_way(04755, "set-uid-"); }},
    {"29.d", "make a file setgid, by each call", [] { return make_by_any_way(02755, "set-gid-"); }},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && argv[1] == kAmIRoot) return ::geteuid() == 0 ? 0 : 1;
  return run(argc, argv, kAttempts);
}
