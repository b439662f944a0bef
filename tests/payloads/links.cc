// Threats 2 and 3: links in the workspace that lead out of it.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

std::string in_workspace(const char* name) {
  return target("ESCAPE_WORKSPACE") + "/" + name;
}

Outcome read_through(const std::string& to, const std::string& below = "") {
  const std::string link = in_workspace("escape-link");
  ::unlink(link.c_str());
  if (::symlink(to.c_str(), link.c_str()) != 0) return stopped_by_errno("symlink");
  const Outcome outcome = read_and_judge(link + below);
  ::unlink(link.c_str());
  return outcome;
}

Outcome to_the_directory() {
  const std::string secret = target("ESCAPE_SECRET");
  const size_t slash = secret.rfind('/');
  return read_through(secret.substr(0, slash), secret.substr(slash));
}

// Writes through a new name of a host file, if one can be made. The host looks whether the file changed.
Outcome write_through(const std::string& link) {
  const int fd = ::open(link.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  const int error = errno;
  ::unlink(link.c_str());
  if (fd < 0) return stopped_by_errno("open the link", error);
  const bool written = ::write(fd, "escaped\n", 8) == 8;
  ::close(fd);
  return written ? left("wrote through the link") : stopped_by_errno("write");
}

Outcome hard_link() {
  const std::string link = in_workspace("escape-hard-link");
  if (::link(target("ESCAPE_VICTIM_FILE").c_str(), link.c_str()) != 0) return stopped_by_errno("link");
  return write_through(link);
}

Outcome hard_link_of_a_descriptor() {
  const int fd = ::open(target("ESCAPE_VICTIM_FILE").c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return stopped_by_errno("open");
  const std::string from = "/proc/self/fd/" + std::to_string(fd), link = in_workspace("escape-hard-link");
  if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, link.c_str(), AT_SYMLINK_FOLLOW) != 0)
    return stopped_by_errno("linkat");
  return write_through(link);
}

constexpr Attempt kAttempts[] = {
    {"2.a", "read a secret by a symlink in the workspace", [] { return read_through(target("ESCAPE_SECRET")); }},
    {"2.b", "read it below a symlink to its directory", to_the_directory},
    {"2.c", "read it below a symlink to /proc/self/root",
     [] { return read_through("/proc/self/root", target("ESCAPE_SECRET")); }},
    {"3.a", "write a host file by a hard link in the workspace", hard_link},
    {"3.b", "the same, linked from a descriptor", hard_link_of_a_descriptor},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
