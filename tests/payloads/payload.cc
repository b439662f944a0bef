#include "tests/payloads/payload.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace payload {
namespace {

constexpr std::string_view word(Outcome::Verdict verdict) {
  switch (verdict) {
    case Outcome::Verdict::escaped:
      return "escaped";
    case Outcome::Verdict::left:
      return "left";
    default:
      return "stopped";
  }
}

void print(const Attempt& attempt, const Outcome& outcome) {
  std::string line = "ATTEMPT ";
  line.append(attempt.id).append(" ").append(attempt.what).append(" -> ").append(word(outcome.verdict)).append(" ");
  line.append(outcome.detail).append("\n");
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(3);
}

}  // namespace

Outcome escaped(std::string_view evidence) {
  return {Outcome::Verdict::escaped, std::string(evidence)};
}
Outcome stopped(std::string_view reason) {
  return {Outcome::Verdict::stopped, std::string(reason)};
}
Outcome left(std::string_view what) {
  return {Outcome::Verdict::left, std::string(what)};
}
Outcome stopped_by_errno(std::string_view operation, int error) {
  const char* name = ::strerrorname_np(error);
  return stopped(std::string(name ? name : "?") + " " + std::string(operation));
}

int run(int argc, char** argv, std::span<const Attempt> attempts) {
  int last = 1;
  for (; last < argc - 1 && std::strchr(argv[last], '='); ++last) ::putenv(argv[last]);
  for (const Attempt& attempt : attempts) {
    if (last != argc - 1 || attempt.id != argv[last]) continue;
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(8);
      print(attempt, attempt.make());
      ::_exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return 3;
    if (WIFSIGNALED(status)) print(attempt, stopped(std::string("killed by SIG") + ::sigabbrev_np(WTERMSIG(status))));
    return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
  }
  std::fprintf(stderr, "usage: %s [TARGET=VALUE...] ATTEMPT\n", argv[0]);
  for (const Attempt& attempt : attempts)
    std::fprintf(stderr, "  %-6s %s\n", std::string(attempt.id).c_str(), std::string(attempt.what).c_str());
  return 2;
}

std::string target(const char* variable) {
  if (const char* value = std::getenv(variable)) return value;
  std::fprintf(stderr, "%s is not set\n", variable);
  ::_exit(2);
}

Outcome judge_content(std::string_view content) {
  return content.contains(kToken) ? escaped("read the token") : stopped("the token is not there");
}

Outcome judge_descriptor(int fd) {
  if (fd < 0) return stopped_by_errno("open");
  char buffer[4096];
  const ssize_t n = ::pread(fd, buffer, sizeof buffer, 0);
  const int error = errno;
  ::close(fd);
  return n < 0 ? stopped_by_errno("read", error) : judge_content({buffer, static_cast<size_t>(n)});
}

Outcome read_and_judge(const std::string& path) {
  return judge_descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

Outcome judge_call(long answer, std::string_view operation, std::string_view evidence) {
  return answer < 0 ? stopped_by_errno(operation) : escaped(evidence);
}

Outcome in_nested_namespace(int more, Outcome (*attempt)()) {
  if (::unshare(CLONE_NEWUSER | more) != 0) return stopped_by_errno("unshare");
  return attempt();
}

}  // namespace payload
