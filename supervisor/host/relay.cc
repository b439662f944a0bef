#include "supervisor/host/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace alos::host {
namespace {
constexpr int kLastWordsMs = 2000;  // how long a finished run waits for a terminal to take what is left
// A pty holds less: 8 KiB on their way (drivers/tty/pty.c, tty_buffer_set_limit) and 4 KiB to be read (N_TTY_BUF_SIZE).
constexpr size_t kPtyHolds = 64 << 10;
}  // namespace

Relay::Relay(UniqueFd master, uint8_t mask, int log) : master_(std::move(master)), log_(log) {
  reads_ = (mask & 1) != 0;
  out_ = (mask & 2) != 0 ? 1 : (mask & 4) != 0 ? 2 : -1;
  ::fcntl(master_.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  // Opened anew where this id may, so that not blocking is this description's alone and not the caller's shell's too.
  if (out_ >= 0) {
    const std::string path = "/proc/self/fd/" + std::to_string(out_);
    own_out_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (own_out_) out_ = own_out_.get();
  }
  termios modes{};
  if (reads_ && ::tcgetattr(0, &modes) == 0) modes_ = modes;
  resume();
  resize();
}

Relay::~Relay() {
  suspend();
}

// TCSANOW: draining would wait for a terminal that nobody reads.
void Relay::suspend() {
  if (modes_) ::tcsetattr(0, TCSANOW, &*modes_);
}

void Relay::resume() {
  if (!modes_) return;
  termios raw = *modes_;
  ::cfmakeraw(&raw);
  ::tcsetattr(0, TCSANOW, &raw);
}

void Relay::resize() {
  winsize size{};
  const int from = reads_ ? 0 : out_;
  if (from >= 0 && ::ioctl(from, TIOCGWINSZ, &size) == 0) ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

void Relay::from_terminal() {
  char buffer[4096];
  const ssize_t n = ::read(0, buffer, sizeof buffer);
  if (n > 0) {
    to_box_.append(buffer, static_cast<size_t>(n));
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    reads_ = false;  // the caller's terminal is gone
  }
}

void Relay::to_box() {
  const ssize_t n = ::write(master_.get(), to_box_.data(), to_box_.size());
  if (n > 0) to_box_.erase(0, static_cast<size_t>(n));
}

bool Relay::from_box() {
  const ssize_t n = carry(kRoom);
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));  // EIO: nobody holds the other side
}

ssize_t Relay::carry(size_t most) {
  char buffer[16384];
  const ssize_t n = ::read(master_.get(), buffer, std::min(most, sizeof buffer));
  if (n > 0) keep(buffer, static_cast<size_t>(n));
  return n;
}

void Relay::drain() {
  for (size_t left = kPtyHolds;;) {
    pollfd ready{.fd = master_.get(), .events = POLLIN, .revents = 0};
    const bool readable = left > 0 && wants_output() && ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN);
    const ssize_t n = readable ? carry(left) : 0;
    const bool more = n > 0 || (n < 0 && errno == EINTR);
    if (n > 0) left -= static_cast<size_t>(n);
    if (!more && to_terminal_.empty()) return;
    pollfd writable{.fd = out_, .events = POLLOUT, .revents = 0};
    if (!to_terminal_.empty() && ::poll(&writable, 1, kLastWordsMs) != 1) return;  // nobody reads it
    to_terminal();
  }
}

void Relay::keep(const char* data, size_t size) {
  if (log_ >= 0 && logged_ < kLogBytes) {
    const ssize_t n = ::write(log_, data, std::min(size, kLogBytes - logged_));
    if (n > 0) logged_ += static_cast<size_t>(n);
  }
  if (out_ >= 0) to_terminal_.append(data, size);
  to_terminal();
}

void Relay::to_terminal() {
  while (!to_terminal_.empty()) {
    // A shared description blocks: only when there is room, and never more than a terminal then takes.
    pollfd room{.fd = out_, .events = POLLOUT, .revents = 0};
    if (!own_out_ && ::poll(&room, 1, 0) != 1) return;
    const size_t most = own_out_ ? to_terminal_.size() : std::min<size_t>(to_terminal_.size(), 256);
    const ssize_t n = ::write(out_, to_terminal_.data(), most);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return to_terminal_.clear();  // the terminal is gone
    to_terminal_.erase(0, static_cast<size_t>(n));
  }
}

}  // namespace alos::host
