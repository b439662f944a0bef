#include "syscall-broker/primitives/shell_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace alos::broker {

Attempt<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return give_up("pipe2", "command", errno);
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::shared_ptr<Feed> Feed::begin(Reactor& reactor, UniqueFd to, std::string bytes) {
  auto out = std::make_shared<Feed>(reactor, std::move(to), std::move(bytes));
  out->write();
  return out;
}

void Feed::stop() {
  stopped_ = true;
  to_.reset();
  if (self_) reactor_.cancel(*this);
}

void Feed::write() {
  self_ = shared_from_this();
  reactor_.write(to_.get(), std::string_view(bytes_).substr(done_), *this);
}

void Feed::completed(int result, unsigned) {
  const std::shared_ptr<Feed> self = std::exchange(self_, nullptr);
  if (result > 0) done_ += static_cast<size_t>(result);
  const bool more = result > 0 || result == -EINTR || result == -EAGAIN;
  if (stopped_) return;
  if (more && done_ < bytes_.size()) return write();
  to_.reset();  // its end is what the command waits for
}

void Stream::begin(UniqueFd from) {
  from_ = std::move(from);
  read();
}

bool Stream::must_pause() {
  return paused_ = call_.channel().is_open() && call_.channel().backlog() >= Channel::kEnough;
}

void Stream::read() {
  if (cut_) return read_rest();
  if (!must_pause()) call_.reactor().read(from_.get(), buffer_, *this);
}

void Stream::cut() {
  if (!from_ || cut_) return;
  cut_ = true;
  // Of the pipe's own description, which nobody else has.
  if (::fcntl(from_.get(), F_SETFL, O_NONBLOCK) != 0) left_ = 0;
  if (!paused_) call_.reactor().cancel(*this);
}

// By read(2): on a pipe that does not wait the ring waits all the same.
void Stream::read_rest() {
  while (left_ > 0) {
    if (must_pause()) return;
    const ssize_t got = ::read(from_.get(), buffer_.data(), std::min<uint64_t>(buffer_.size(), left_));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return end(got == 0);
    left_ -= static_cast<uint64_t>(got);
    sent.take(std::string_view(buffer_.data(), static_cast<size_t>(got)));
  }
  end(false);
}

void Stream::end(bool whole) {
  if (!whole) sent.cut();
  from_.reset();
  over_();
}

void Stream::completed(int result, unsigned) {
  if (result > 0) sent.take(std::string_view(buffer_.data(), static_cast<size_t>(result)));
  if (result > 0 || result == -EINTR || result == -EAGAIN || (cut_ && result == -ECANCELED)) return read();
  end(result == 0);
}

}  // namespace alos::broker
