// Threat 21: a process outside, by every way to reach it. The host sees whether SIGUSR1 arrived.

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

int victim() {
  return std::atoi(target("ESCAPE_HOST_PID").c_str());
}

Outcome sent(long answer, std::string_view operation) {
  return answer < 0 ? stopped_by_errno(operation) : left("sent a signal");
}

Outcome by_pidfd() {
  const long pidfd = ::syscall(SYS_pidfd_open, victim(), 0);
  if (pidfd < 0) return stopped_by_errno("pidfd_open");
  return sent(::syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, nullptr, 0), "pidfd_send_signal");
}

// The kernel sends the signal of a pipe that has become readable to whoever its owner was said to be.
Outcome by_owner() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return stopped_by_errno("pipe2");
  if (::fcntl(ends[0], F_SETOWN, victim()) != 0) return stopped_by_errno("F_SETOWN");
  if (::fcntl(ends[0], F_SETSIG, SIGUSR1) != 0) return stopped_by_errno("F_SETSIG");
  if (::fcntl(ends[0], F_SETFL, O_ASYNC) != 0) return stopped_by_errno("F_SETFL");
  return sent(::write(ends[1], "x", 1), "write");
}

Outcome by_tracing() {
  if (::ptrace(PTRACE_SEIZE, victim(), nullptr, nullptr) != 0) return stopped_by_errno("ptrace");
  ::ptrace(PTRACE_DETACH, victim(), nullptr, nullptr);
  return escaped("traced a process of the host");
}

constexpr Attempt kAttempts[] = {
    {"21.a", "signal a process outside by kill", [] { return sent(::kill(victim(), SIGUSR1), "kill"); }},
    {"21.b", "signal it by pidfd", by_pidfd},
    {"21.c", "signal its thread by tgkill",
     [] { return sent(::syscall(SYS_tgkill, victim(), victim(), SIGUSR1), "tgkill"); }},
    {"21.d", "signal its process group", [] { return sent(::kill(-victim(), SIGUSR1), "kill"); }},
    {"21.e", "signal it as the owner of a pipe", by_owner},
    {"21.f", "trace it", by_tracing},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
