#include "supervisor/host/reap.h"

#include <poll.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>

#include "base/clock.h"
#include "base/sys.h"

namespace alos::host {

bool ended_within(int pidfd, int64_t ms) {
  pollfd gone{.fd = pidfd, .events = POLLIN, .revents = 0};
  const int64_t until = boot_ns() + ms * 1'000'000;
  for (int64_t left = ms;; left = (until - boot_ns()) / 1'000'000) {
    if (::poll(&gone, 1, static_cast<int>(std::max<int64_t>(left, 0))) == 1) return true;
    if (left <= 0) return false;
  }
}

void reap_launcher(pid_t launcher, bool stuck) {
  const auto pidfd = sys::pidfd_open(launcher);
  if (pidfd && ended_within(pidfd->get(), stuck ? 0 : 10'000)) ::waitpid(launcher, nullptr, 0);
}

void reap_unfinished_box() {
  const timespec a_while{.tv_sec = 0, .tv_nsec = 5'000'000};
  const int64_t until = boot_ns() + 10'000'000'000;
  while (::waitpid(-1, nullptr, WNOHANG | __WCLONE) >= 0 && boot_ns() < until) ::nanosleep(&a_while, nullptr);
}

}  // namespace alos::host
