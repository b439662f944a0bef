#include "supervisor/host/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace alos::host {
namespace {
constexpr size_t kLogBytes = 4 << 20;
}

Relay::Relay(UniqueFd master, uint8_t mask, int log) : master_(std::move(master)), log_(log) {
  reads_ = (mask & 1) != 0;
  out_ = (mask & 2) != 0 ? 1 : (mask & 4) != 0 ? 2 : -1;
  ::fcntl(master_.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  termios modes{};
  if (reads_ && ::tcgetattr(0, &modes) == 0) modes_ = modes;
  resume();
  resize();
}

Relay::~Relay() { suspend(); }

void Relay::suspend() {
  if (modes_) ::tcsetattr(0, TCSADRAIN, &*modes_);
}

void Relay::resume() {
  if (!modes_) return;
  termios raw = *modes_;
  ::cfmakeraw(&raw);
  ::tcsetattr(0, TCSADRAIN, &raw);
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
  char buffer[16384];
  const ssize_t n = ::read(master_.get(), buffer, sizeof buffer);
  if (n > 0) {
    write_out(buffer, static_cast<size_t>(n));
    return true;
  }
  return n < 0 && (errno == EAGAIN || errno == EINTR);  // EIO: nobody holds the other side
}

void Relay::drain() {
  for (;;) {
    pollfd ready{.fd = master_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 0) != 1 || !(ready.revents & POLLIN) || !from_box()) return;
  }
}

void Relay::write_out(const char* data, size_t size) {
  if (log_ >= 0 && logged_ < kLogBytes) {
    const ssize_t n = ::write(log_, data, std::min(size, kLogBytes - logged_));
    if (n > 0) logged_ += static_cast<size_t>(n);
  }
  while (out_ >= 0 && size > 0) {
    const ssize_t n = ::write(out_, data, size);
    if (n < 0 && errno == EAGAIN) {
      pollfd ready{.fd = out_, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    data += n;
    size -= static_cast<size_t>(n);
  }
}

}  // namespace alos::host
