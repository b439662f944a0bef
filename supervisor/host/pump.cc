#include "supervisor/host/pump.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/child.h"
#include "base/sys.h"

namespace alos::host {
namespace {

bool same_file(int a, int b) {
  struct stat one{}, other{};
  return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// What of the box's own is in the pipe yet, once it is gone; -1 until then.
volatile sig_atomic_t left_by_box = -1;

void measure_what_is_left(int) {
  const int saved = errno;
  int bytes = 0;
  if (left_by_box < 0) left_by_box = ::ioctl(0, FIONREAD, &bytes) == 0 ? bytes : 0;
  errno = saved;
}

sigset_t only(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}

// The caller may have set its end not to block, for itself and for everybody who shares it.
bool write_whole(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(to, bytes.data(), bytes.size());
    if (n < 0 && errno == EAGAIN) {
      pollfd room{.fd = to, .events = POLLOUT, .revents = 0};
      ::poll(&room, 1, -1);
    } else if (n < 0 && errno != EINTR) {
      return false;
    } else if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  return true;
}

// The signal is let in while nothing is between the pipe and the count: here, and while waiting.
bool write_listening(int to, std::string_view bytes) {
  const sigset_t gone = only(kBoxIsGone);
  ::sigprocmask(SIG_UNBLOCK, &gone, nullptr);
  const bool written = write_whole(to, bytes);
  ::sigprocmask(SIG_BLOCK, &gone, nullptr);
  return written;
}

// Until `from` ends, or the box has, or nobody is left who reads `to`.
void carry(int from, int to, const sigset_t& waiting) {
  static char buffer[65536];
  while (left_by_box != 0) {
    // A pipe's write end reports POLLERR when its last reader is gone, also while nothing is there to write.
    pollfd fds[2] = {{.fd = from, .events = POLLIN, .revents = 0}, {.fd = to, .events = 0, .revents = 0}};
    const timespec now{};
    const int ready = ::ppoll(fds, 2, left_by_box < 0 ? nullptr : &now, &waiting);
    if (ready == 0 || (ready < 0 && errno != EINTR)) return;  // 0: somebody else read what was left
    if (ready < 0) continue;
    if ((fds[1].revents & (POLLERR | POLLNVAL)) != 0) return;
    if (fds[0].revents == 0) continue;
    const size_t most = left_by_box < 0 ? sizeof buffer : std::min(sizeof buffer, static_cast<size_t>(left_by_box));
    const ssize_t n = ::read(from, buffer, most);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return;
    if (n > 0 && left_by_box > 0) left_by_box = left_by_box - static_cast<int>(n);
    if (n > 0 && !write_listening(to, {buffer, static_cast<size_t>(n)})) return;
  }
}

// Started with kBoxIsGone blocked, which is not to come before it is awaited.
[[noreturn]] void become_carrier(int from, int to, pid_t supervisor) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != supervisor) ::_exit(0);
  // A terminal's ^C is for the program; what it still says must arrive.
  for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP}) ::signal(signal, SIG_IGN);
  ::signal(SIGPIPE, SIG_DFL);
  struct sigaction gone{};
  gone.sa_handler = measure_what_is_left;
  gone.sa_flags = SA_RESTART;
  ::sigaction(kBoxIsGone, &gone, nullptr);
  sigset_t waiting;
  ::sigprocmask(SIG_BLOCK, nullptr, &waiting);
  sigdelset(&waiting, kBoxIsGone);
  // Nothing else stays open: another carrier's end here would keep its stream from ever ending.
  const int keep_from = ::fcntl(from, F_DUPFD, 64);
  const int keep_to = ::fcntl(to, F_DUPFD, 64);
  if (keep_from < 0 || keep_to < 0 || ::dup2(keep_from, 0) != 0 || ::dup2(keep_to, 1) != 1 ||
      ::syscall(SYS_close_range, 2, ~0U, 0) != 0)
    ::_exit(1);
  carry(0, 1, waiting);
  ::_exit(0);
}

}  // namespace

Result<void> Pumps::prepare(uint8_t terminal_mask) {
  for (int fd = 0; fd < 3; ++fd) {
    const auto st = TRY(sys::fstat(fd));
    if ((terminal_mask >> fd & 1) != 0 || S_ISCHR(st.st_mode)) continue;
    Stream& stream = streams_[static_cast<size_t>(fd)];
    if (fd == 2 && streams_[1].box && same_file(1, 2)) {
      shown_[2] = shown_[1];
      continue;
    }
    sys::Pair pipe = TRY(sys::pipe());
    stream.box = std::move(fd == 0 ? pipe.a : pipe.b);
    stream.carrier = std::move(fd == 0 ? pipe.b : pipe.a);
    shown_[static_cast<size_t>(fd)] = stream.box.get();
  }
  return {};
}

std::array<int, 3> Pumps::box_ends() const {
  return shown_;
}

Result<void> Pumps::start() {
  const pid_t supervisor = ::getpid();
  const sigset_t gone = only(kBoxIsGone);
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &gone, &before);
  for (int fd = 0; fd < 3; ++fd) {
    Stream& stream = streams_[static_cast<size_t>(fd)];
    if (!stream.carrier) continue;
    // A box can open its pipe for reading as well (/proc/self/fd), and be faster than a carrier that saw bytes in it.
    if (fd != 0 && ::fcntl(stream.carrier.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl", "stdio");
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno("fork", "stdio");
    if (pid == 0) become_carrier(fd == 0 ? 0 : stream.carrier.get(), fd == 0 ? stream.carrier.get() : fd, supervisor);
    if (fd != 0) output_.push_back(pid);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  for (Stream& stream : streams_) stream = {};
  return {};
}

void Carriers::box_is_gone() const {
  for (const int32_t carrier : pids_)
    if (const auto pidfd = sys::pidfd_open(carrier)) (void)sys::pidfd_signal(pidfd->get(), kBoxIsGone);
}

void Carriers::wait(Patience patience, const std::vector<int>& ending_signals) const {
  bool waiting = true;
  for (const int32_t carrier : pids_) {
    const auto pidfd = sys::pidfd_open(carrier);
    if (!pidfd) continue;
    waiting = waiting && has_ended(pidfd->get(), patience == Patience::unbounded ? -1 : 2000, ending_signals);
    if (!waiting) (void)sys::pidfd_signal(pidfd->get(), SIGKILL);
    (void)sys::wait_for(carrier);
  }
}

bool Carriers::has_ended(int pidfd, int most_ms, const std::vector<int>& ending_signals) const {
  for (;;) {
    pollfd fds[2] = {{.fd = pidfd, .events = POLLIN, .revents = 0}, {.fd = signals_, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(fds, 2, most_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || fds[0].revents != 0) return ready > 0;
    if (wait_is_ended(ending_signals)) return false;
  }
}

bool Carriers::wait_is_ended(const std::vector<int>& ending_signals) const {
  signalfd_siginfo info;
  bool ended = false;
  while (::read(signals_, &info, sizeof info) == sizeof info)
    ended = ended || std::ranges::find(ending_signals, static_cast<int>(info.ssi_signo)) != ending_signals.end();
  return ended;
}

}  // namespace alos::host
