#pragma once

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "syscall-broker/file_ring.h"
#include "syscall-broker/timers.h"

namespace alos::broker {

// What an operation of the control ring answers to. Its owner keeps it until it was told the end of everything begun.
class Completion {
 public:
  virtual void completed(int result, unsigned flags) = 0;

 protected:
  ~Completion() = default;
};

// The one thread's loop: channels, pipes and other descriptors on a ring of its own (single issuer, its work done when
// it is asked for; restricted to what is below), files on the file ring, times in one heap. Nothing here blocks but
// wait().
class Reactor {
 public:
  // Where frames are received: at most that many wait to be looked at.
  static constexpr unsigned kBuffers = 32;

  // Errors: {"io_uring_setup", "control ring", errno} and the like.
  static Result<std::unique_ptr<Reactor>> create(FileRing files);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor();

  FileRing& files() { return files_; }
  Timers& timers() { return timers_; }
  Timers& real_timers() { return real_timers_; }  // by CLOCK_BOOTTIME, whatever the clock of timers()

  // ---- begun now, answered by `to` ----
  void accept(int listener, Completion& to);  // again and again, until an answer without IORING_CQE_F_MORE
  // Into a buffer of the reactor's: buffer() says what, release() gives it back. ENOBUFS: begin it again later.
  void receive(int socket, msghdr& header, Completion& to);
  void send(int socket, const msghdr& header, Completion& to);
  void read(int fd, std::span<char> into, Completion& to);
  void write(int fd, std::string_view from, Completion& to);
  void watch(int fd, short events, Completion& to);  // answers once
  void cancel(Completion& what);                     // everything begun for it: ECANCELED, unless it ends before

  static bool has_buffer(unsigned flags) { return (flags & IORING_CQE_F_BUFFER) != 0; }
  std::string_view buffer(unsigned flags, size_t size) const;
  void release(unsigned flags);

  // At the end of the turn, as base/let_go.h says.
  void let_go(std::vector<UniqueFd> fds);
  void let_go(UniqueFd fd);

  // Called once at the end of the turn in which it was asked for, before anything is waited for.
  void at_end_of_turn(std::function<void()> what) { at_end_.push_back(std::move(what)); }

  // The clock of the timers; `real`: whether it passes while nothing is done.
  struct Time {
    std::function<int64_t()> now_ns;
    bool real = true;
    std::function<int64_t()> wall_ns{};  // the same instant since 1970
    // Where the clock is not real: called when nothing is left to do until something comes.
    std::function<void()> rests{};
  };
  // Does what there is to do until one of `others` is ready (revents as of poll(2); a negative fd never is) or
  // `until_ns` is there (CLOCK_BOOTTIME; none: for ever). Descriptors of `others` stay open, whoever closes them, until
  // the next call, or stop_watching(): the ring holds them.
  void wait(std::span<pollfd> others, const Time& time, std::optional<int64_t> until_ns);
  void stop_watching();

 private:
  explicit Reactor(FileRing files) : files_(std::move(files)) {}
  Result<void> set_up();
  io_uring_sqe* entry();  // whose answer goes to whom is set once it is prepared
  void arm(std::span<pollfd> others);
  bool report(std::span<pollfd> others);
  bool turn(const Time& time);
  bool drain();
  void sleep(const Time& time, std::optional<int64_t> until_ns, bool soon);

  // One descriptor that is watched until it is ready; frees itself when nobody waits for it any more.
  struct Watch final : Completion {
    void completed(int result, unsigned flags) override;
    int fd = -1;
    short events = 0;
    short ready = 0;
    bool armed = false;
    size_t* forgotten = nullptr;  // how many are, once nobody waits for it any more
  };
  void forget(Watch*& watch);

  FileRing files_;
  Timers timers_, real_timers_;
  io_uring ring_{};
  bool made_ = false;
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<char[]> memory_;
  std::vector<Watch*> watched_;
  Watch files_ready_;
  size_t forgotten_ = 0;  // watches that the ring still has
  std::vector<std::function<void()>> at_end_;
  std::vector<UniqueFd> leaving_;
};

}  // namespace alos::broker
