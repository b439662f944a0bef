// Threat 23: more of something finite than ESCAPE_LIMIT allows. Stops just above the limit, and gives everything back.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

long limit() {
  return std::atol(target("ESCAPE_LIMIT").c_str());
}
std::string number(long n) {
  return std::to_string(n);
}

Outcome processes() {
  std::vector<pid_t> children;
  Outcome outcome = escaped("more than " + number(limit()) + " processes");
  while (static_cast<long>(children.size()) <= limit()) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(8);
      ::pause();
      ::_exit(0);
    }
    if (child < 0) {
      outcome = stopped_by_errno("fork after " + number(static_cast<long>(children.size())));
      break;
    }
    children.push_back(child);
  }
  for (const pid_t child : children) ::kill(child, SIGKILL);
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  return outcome;
}

// In bytes, in pieces held by children, so that a limit on each process alone does not hold.
Outcome memory() {
  constexpr long kPieces = 8;
  std::vector<pid_t> children;
  int ready[2];
  if (::pipe(ready) != 0) return stopped_by_errno("pipe");
  for (long i = 0; i <= kPieces; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(4);  // the pieces that are held until then are counted
      const auto size = static_cast<size_t>(limit() / kPieces);
      auto* memory =
          static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      if (memory == MAP_FAILED) ::_exit(1);
      for (size_t at = 0; at < size; at += 4096) memory[at] = 1;
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      ::pause();
    }
    if (child > 0) children.push_back(child);
  }
  ::close(ready[1]);
  long written = 0, held = 0;
  char byte;
  while (written <= kPieces && ::read(ready[0], &byte, 1) == 1) ++written;
  // A holder that was killed for memory after it said so made room for another: held is what still is, when who was
  // told to die has.
  ::usleep(200'000);
  for (const pid_t child : children) {
    if (::waitpid(child, nullptr, WNOHANG) != 0) continue;
    ++held;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  return held > kPieces ? escaped("more than " + number(limit()) + " bytes")
                        : stopped(number(written) + " of 9 pieces written, " + number(held) + " held");
}

long milliseconds_since(const timespec& begin) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1'000'000;
}

// In thousandths of a core, over two seconds or for as long as it takes all of them to see that they are over: who is
// held back sees it at its next turn. What a machine below this one takes from a processor is counted as its user's,
// and a quota has it paid back by the periods after.
Outcome processor() {
  constexpr int kBurners = 4;
  timespec begin{};
  ::clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int i = 0; i < kBurners; ++i)
    if (::fork() == 0) {
      while (milliseconds_since(begin) < 2000) {
      }
      ::_exit(0);
    }
  while (::wait(nullptr) > 0) {
  }
  const long took = milliseconds_since(begin);
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const long milliseconds =
      (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
  const std::string detail = number(milliseconds) + " ms of CPU in " + number(took) + " ms";
  return milliseconds * 1000 > limit() * took ? escaped(detail) : stopped(detail);
}

Outcome descriptors() {
  const rlimit highest{static_cast<rlim_t>(limit() + 64), static_cast<rlim_t>(limit() + 64)};
  rlimit now{};
  ::getrlimit(RLIMIT_NOFILE, &now);
  if (now.rlim_cur < highest.rlim_cur) {
    const rlimit raised{now.rlim_max, now.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &raised);
  }
  for (long held = 0; held <= limit(); ++held)
    if (::dup(0) < 0) return stopped_by_errno("dup after " + number(held));
  return escaped("more than " + number(limit()) + " descriptors");
}

// Below ESCAPE_SCRATCH, which is removed again.
std::string scratch() {
  const std::string directory = target("ESCAPE_SCRATCH") + "/exhaust";
  ::mkdir(directory.c_str(), 0700);
  return directory;
}

Outcome files() {
  const std::string directory = scratch();
  Outcome outcome = escaped("more than " + number(limit()) + " files");
  long made = 0;
  for (; made <= limit(); ++made) {
    const int fd = ::open((directory + "/" + number(made)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      outcome = stopped_by_errno("create after " + number(made));
      break;
    }
    ::close(fd);
  }
  for (long i = 0; i < made; ++i) ::unlink((directory + "/" + number(i)).c_str());
  ::rmdir(directory.c_str());
  return outcome;
}

Outcome disk() {
  const std::string directory = scratch(), file = directory + "/big";
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return stopped_by_errno("create");
  Outcome outcome = escaped("more than " + number(limit()) + " bytes on disk");
  const std::vector<char> chunk(1 << 20, 'x');
  for (long written = 0; written <= limit();) {
    const ssize_t n = ::write(fd, chunk.data(), chunk.size());
    if (n <= 0) {
      outcome = stopped_by_errno("write after " + number(written));
      break;
    }
    written += n;
  }
  ::close(fd);
  ::unlink(file.c_str());
  ::rmdir(directory.c_str());
  return outcome;
}

constexpr Attempt kAttempts[] = {
    {"23.a", "more processes than allowed", processes}, {"23.b", "more memory than allowed", memory},
    {"23.c", "more CPU than allowed", processor},       {"23.d", "more descriptors than allowed", descriptors},
    {"23.e", "more files than allowed", files},         {"23.f", "more bytes on disk than allowed", disk},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
