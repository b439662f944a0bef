// Threat 30: cores, and the handler of crashes that runs as root of the host. Nothing is written to the kernel's
// settings: a descriptor that is open for writing is the evidence.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

Outcome open_setting(const char* path) {
  return judge_call(::open(path, O_WRONLY | O_CLOEXEC), path, "open for writing");
}

// In the workspace, so that a core is where it can be found and removed.
Outcome dump_core() {
  const pid_t child = ::fork();
  if (child == 0) {
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_CORE, &limit);
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (::chdir(target("ESCAPE_WORKSPACE").c_str()) != 0) ::_exit(1);
    ::signal(SIGABRT, SIG_DFL);
    ::abort();
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WCOREDUMP(status) ? escaped("the kernel dumped a core") : stopped("no core");
}

// A limit of 0 does not keep the kernel from starting a handler behind a pipe; only 1 does.
Outcome core_limit() {
  const rlimit zero{0, 0};
  ::setrlimit(RLIMIT_CORE, &zero);
  rlimit now{};
  ::getrlimit(RLIMIT_CORE, &now);
  return now.rlim_cur == 1 && now.rlim_max == 1 ? stopped("the limit stays at 1") : escaped("the limit became 0");
}

constexpr Attempt kAttempts[] = {
    {"30.a", "set the host's crash handler", [] { return open_setting("/proc/sys/kernel/core_pattern"); }},
    {"30.b", "set the host's module loader", [] { return open_setting("/proc/sys/kernel/modprobe"); }},
    {"30.c", "press a magic key", [] { return open_setting("/proc/sysrq-trigger"); }},
    {"30.d", "dump a core", dump_core},
    {"30.e", "have a crash handler started by lowering the core limit", core_limit},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
