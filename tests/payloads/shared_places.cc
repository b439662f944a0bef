// Threat 15: places that everybody on a machine shares.

#include <fcntl.h>
#include <unistd.h>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

Outcome leave(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return stopped_by_errno("create");
  const bool written = ::write(fd, "escaped\n", 8) == 8;
  ::close(fd);
  return written ? left(path) : stopped_by_errno("write");
}

constexpr Attempt kAttempts[] = {
    {"15.a", "read a file of the host's /tmp", [] { return read_and_judge(target("ESCAPE_TMP") + "/token"); }},
    {"15.b", "leave a file in the host's /tmp", [] { return leave(target("ESCAPE_TMP") + "/left-in-tmp"); }},
    {"15.c", "read a file of the host's /dev/shm", [] { return read_and_judge(target("ESCAPE_SHM")); }},
    {"15.d", "leave a file in the host's /dev/shm", [] { return leave(target("ESCAPE_SHM") + "-left"); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
