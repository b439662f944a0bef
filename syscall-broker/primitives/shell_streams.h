#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "syscall-broker/call.h"
#include "syscall-broker/primitives/shell_ended.h"
#include "syscall-broker/reactor.h"

namespace alos::broker {

struct Pipe {
  UniqueFd read, write;
};
Attempt<Pipe> make_pipe();

// A command's input, for as long as the command takes it, and until it is stopped: whoever was given the other end, in
// another box, may neither take it nor close it.
class Feed final : public Completion, public std::enable_shared_from_this<Feed> {
 public:
  static std::shared_ptr<Feed> begin(Reactor& reactor, UniqueFd to, std::string bytes);
  Feed(Reactor& reactor, UniqueFd to, std::string bytes)
      : reactor_(reactor), to_(std::move(to)), bytes_(std::move(bytes)) {}
  void stop();

 private:
  void write();
  void completed(int result, unsigned flags) override;

  Reactor& reactor_;
  UniqueFd to_;
  std::string bytes_;
  size_t done_ = 0;
  bool stopped_ = false;
  std::shared_ptr<Feed> self_;  // while the kernel has its bytes
};

// One of a command's output streams. What does not fit the limit is read all the same, so that the command never waits
// for somebody who has had enough.
class Stream final : public Completion {
 public:
  Stream(Call& call, bool error, uint64_t limit, std::function<void()> over)
      : sent(call, error, limit), call_(call), over_(std::move(over)) {}

  void begin(UniqueFd from);
  // The client has read: goes on, if it had to stop.
  void go_on() {
    if (paused_) read();
  }
  // Nothing of the command is left, and somebody else holds the stream open, whom it was given: over with what is in
  // the pipe.
  void cut();
  bool is_over() const { return !from_; }

  Sent sent;

 private:
  bool must_pause();
  void read();
  void read_rest();
  void end(bool whole);
  void completed(int result, unsigned flags) override;

  Call& call_;
  std::function<void()> over_;
  UniqueFd from_;
  bool paused_ = false;
  bool cut_ = false;
  uint64_t left_ = 1 << 20;  // to be read after that: a pipe holds no more (/proc/sys/fs/pipe-max-size)
  std::array<char, 32 << 10> buffer_;
};

}  // namespace alos::broker
