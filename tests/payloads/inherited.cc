// Threat 10: descriptors that were open when the sandbox was started.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

// Tries every descriptor that a program is not meant to have; the first escape wins.
Outcome each_descriptor(Outcome (*with)(int fd, const struct stat&)) {
  int found = 0;
  for (int fd = 3; fd < 1024; ++fd) {
    struct stat st;
    if (::fstat(fd, &st) != 0) continue;
    ++found;
    if (Outcome outcome = with(fd, st); outcome.verdict == Outcome::Verdict::escaped) return outcome;
  }
  return stopped(found == 0 ? "no descriptor was inherited" : "none of the descriptors leads to the token");
}

Outcome read_it(int fd, const struct stat& st) {
  return S_ISREG(st.st_mode) ? judge_descriptor(::dup(fd)) : stopped("no file");
}

Outcome look_below(int fd, const struct stat& st) {
  if (!S_ISDIR(st.st_mode)) return stopped("no directory");
  return judge_descriptor(::openat(fd, "token", O_RDONLY | O_CLOEXEC));
}

Outcome climb(int fd, const struct stat& st) {
  if (!S_ISDIR(st.st_mode)) return stopped("no directory");
  const std::string path = "../../../../../../../../../.." + target("ESCAPE_SECRET");
  return judge_descriptor(::openat(fd, path.c_str(), O_RDONLY | O_CLOEXEC));
}

constexpr Attempt kAttempts[] = {
    {"10.a", "read an inherited file", [] { return each_descriptor(read_it); }},
    {"10.b", "open a file below an inherited directory", [] { return each_descriptor(look_below); }},
    {"10.c", "climb from an inherited directory to the secret", [] { return each_descriptor(climb); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
