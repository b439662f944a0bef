#include "supervisor/host/reap.h"

#include <poll.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/sys.h"

namespace alos::host {

void reap_launcher(pid_t launcher, bool stuck) {
  const auto pidfd = sys::pidfd_open(launcher);
  if (!pidfd) return;
  pollfd gone{.fd = pidfd->get(), .events = POLLIN, .revents = 0};
  if (::poll(&gone, 1, stuck ? 0 : 10'000) == 1) ::waitpid(launcher, nullptr, 0);
}

void reap_unfinished_box() {
  const timespec a_while{.tv_sec = 0, .tv_nsec = 5'000'000};
  const int64_t until = boot_ns() + 10'000'000'000;
  while (::waitpid(-1, nullptr, WNOHANG | __WCLONE) >= 0 && boot_ns() < until) ::nanosleep(&a_while, nullptr);
}

}  // namespace alos::host
