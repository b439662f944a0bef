// Threats 1 and 8: a file of the host, by every way to say its name.

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

constexpr const char* kUp = "/../../../../../../../../../../../..";

std::string secret() {
  return target("ESCAPE_SECRET");
}
std::string home() {
  return target("ESCAPE_HOME");
}

Outcome through_a_descriptor() {
  const int here = ::open(".", O_PATH | O_DIRECTORY);
  if (here < 0) return stopped_by_errno("open .");
  return read_and_judge("/proc/self/fd/" + std::to_string(here) + kUp + secret());
}

Outcome by_openat2() {
  const int here = ::open(".", O_PATH | O_DIRECTORY);
  open_how how{};
  const std::string path = "." + std::string(kUp) + secret();
  return judge_descriptor(static_cast<int>(::syscall(SYS_openat2, here, path.c_str(), &how, sizeof how)));
}

constexpr Attempt kAttempts[] = {
    {"1.a", "read a secret by its path", [] { return read_and_judge(secret()); }},
    {"1.b", "read it below /proc/self/root", [] { return read_and_judge("/proc/self/root" + secret()); }},
    {"1.c", "read it below /proc/1/root", [] { return read_and_judge("/proc/1/root" + secret()); }},
    {"1.d", "read it upward from /proc/self/cwd", [] { return read_and_judge("/proc/self/cwd" + (kUp + secret())); }},
    {"1.e", "read it upward from a descriptor in /proc/self/fd", through_a_descriptor},
    {"1.f", "read it upward from a directory by openat2", by_openat2},
    {"8.a", "read an SSH key", [] { return read_and_judge(home() + "/.ssh/id_ed25519"); }},
    {"8.b", "read cloud credentials", [] { return read_and_judge(home() + "/.aws/credentials"); }},
    {"8.c", "read a browser profile", [] { return read_and_judge(home() + "/.config/chromium/Default/Cookies"); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
