// Threat 9: what another process of the machine holds. Its command line, environment, memory and descriptor 9 each hold
// the token.

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

int victim() {
  return std::atoi(target("ESCAPE_HOST_PID").c_str());
}
std::string proc(const char* file) {
  return "/proc/" + std::to_string(victim()) + "/" + file;
}
uint64_t token_address() {
  return std::strtoull(target("ESCAPE_TOKEN_ADDRESS").c_str(), nullptr, 16);
}

Outcome memory() {
  const int fd = ::open(proc("mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return stopped_by_errno("open mem");
  char bytes[64];
  const ssize_t n = ::pread(fd, bytes, sizeof bytes, static_cast<off_t>(token_address()));
  return n < 0 ? stopped_by_errno("read mem") : judge_content({bytes, static_cast<size_t>(n)});
}

Outcome memory_by_call() {
  char bytes[64];
  const iovec mine{bytes, sizeof bytes}, theirs{reinterpret_cast<void*>(token_address()), sizeof bytes};
  const ssize_t n = ::process_vm_readv(victim(), &mine, 1, &theirs, 1, 0);
  return n < 0 ? stopped_by_errno("process_vm_readv") : judge_content({bytes, static_cast<size_t>(n)});
}

Outcome descriptor_by_call() {
  const long pidfd = ::syscall(SYS_pidfd_open, victim(), 0);
  if (pidfd < 0) return stopped_by_errno("pidfd_open");
  const long fd = ::syscall(SYS_pidfd_getfd, pidfd, 9, 0);
  return fd < 0 ? stopped_by_errno("pidfd_getfd") : judge_descriptor(static_cast<int>(fd));
}

Outcome any_command_line() {
  DIR* all = ::opendir("/proc");
  if (!all) return stopped_by_errno("opendir /proc");
  while (const dirent* entry = ::readdir(all)) {
    const std::string name = entry->d_name;
    if (name.find_first_not_of("0123456789") != std::string::npos || name == std::to_string(::getpid())) continue;
    if (read_and_judge("/proc/" + name + "/cmdline").verdict == Outcome::Verdict::escaped)
      return escaped("found the token in another process's command line");
  }
  return stopped("no process shows the token");
}

constexpr Attempt kAttempts[] = {
    {"9.a", "find another process's command line", any_command_line},
    {"9.b", "read another process's environment", [] { return read_and_judge(proc("environ")); }},
    {"9.c", "read another process's memory by /proc", memory},
    {"9.d", "read another process's memory by process_vm_readv", memory_by_call},
    {"9.e", "open another process's descriptor by /proc", [] { return read_and_judge(proc("fd/9")); }},
    {"9.f", "take another process's descriptor by pidfd_getfd", descriptor_by_call},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
