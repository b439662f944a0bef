// Threat 22: a process that is still there when the sandbox has ended. It says so on the standard output that it
// inherited, a second later, and ends.

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

constexpr std::string_view kAlive = "ALIVE after the end\n";

[[noreturn]] void linger() {
  ::alarm(5);
  ::usleep(1'000'000);
  ::_exit(::write(STDOUT_FILENO, kAlive.data(), kAlive.size()) < 0);
}

Outcome daemonise(void (*prepare)()) {
  const pid_t first = ::fork();
  if (first < 0) return stopped_by_errno("fork");
  if (first == 0) {
    ::setsid();
    if (::fork() == 0) {
      prepare();
      linger();
    }
    ::_exit(0);
  }
  ::waitpid(first, nullptr, 0);
  return left("a daemon");
}

void ignore_everything() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
}

// Ten generations, each the orphan of the one before.
void keep_moving() {
  for (int generation = 0; generation < 10; ++generation) {
    if (::fork() != 0) ::_exit(0);
    ::setsid();
  }
}

constexpr Attempt kAttempts[] = {
    {"22.a", "outlive the end by setsid and two forks", [] { return daemonise([] {}); }},
    {"22.b", "the same, deaf to every signal", [] { return daemonise(ignore_everything); }},
    {"22.c", "the same, changing its process id all the time", [] { return daemonise(keep_moving); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
