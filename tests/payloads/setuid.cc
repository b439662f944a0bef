// Threat 29: programs that run as their owner. ESCAPE_SETUID is this program itself, owned by root, setuid.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

constexpr Attempt kAttempts[] = {
    {"29.a", "become root by a setuid program", become_root},
    {"29.b", "leave a setuid program in the workspace", leave_one},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && argv[1] == kAmIRoot) return ::geteuid() == 0 ? 0 : 1;
  return run(argc, argv, kAttempts);
}
