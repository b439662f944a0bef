#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/passed_fds.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "syscall-broker/answer.h"
#include "syscall-broker/reactor.h"

namespace alos::broker {

// A request as it came in, well formed.
struct Received {
  wire::Request request;
  UniqueFd content;  // a sealed memfd, where request.attached()
};

// Of a unix socket: whether there is something that the other side has not received yet, and is still there to receive
// (unix(7), SIOCOUTQ).
bool is_unread(const UniqueFd& socket);

// A connection of a client. Reads one frame at a time and only while its client reads its answers, so that a flood
// waits in its own socket: each turn of the reactor takes at most one frame of each connection. (Multishot receives let
// one sender fill all buffers, and everybody else wait for them.)
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  // Answers that a client has not read, in bytes: no further frame of its is read above the first, and it is closed
  // above the second.
  static constexpr size_t kEnough = 256 << 10, kTooMuch = 16 << 20;
  // Descriptors in answers that its client may leave unread: they count against the user of the broker, who may have
  // other runs (net/core/scm.c).
  static constexpr int kDescriptors = 8;

  class Owner {
   public:
    virtual void received(Channel& channel, Received received) = 0;
    // Once. `why`: what was wrong with what came in, or an error without operation when the client left.
    virtual void closed(Channel& channel, const Error& why) = 0;
    // Closed, and nothing of it is in the ring any more: it may be destroyed, though not by this call.
    virtual void idle(Channel& channel) = 0;
    virtual void may_write(Channel& channel) = 0;  // backlog() is below kEnough again, or nobody reads any more
    // Before idle(): its client holds answers with descriptors in `socket`, which closing does not take back.
    virtual void left_unread(UniqueFd socket) = 0;
    // Whether a further descriptor may be left so.
    virtual bool takes_descriptors() = 0;
    // A call was answered by an error after it was carried out, because its descriptor could not be sent.
    virtual void not_passed(Channel& channel, const Error& why) = 0;

   protected:
    ~Owner() = default;
  };

  Channel(Reactor& reactor, UniqueFd socket, Owner& owner)
      : reactor_(reactor), socket_(std::move(socket)), owner_(owner), receiver_(*this), sender_(*this) {}

  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (socket_) reactor_.let_go(std::move(socket_));
  }

  void start() { receive(); }
  // Queued, sent as the client reads. After the end: dropped.
  void reply(const wire::Reply& reply, UniqueFd descriptor = {});
  void end() { end({}); }
  // Says why in a last reply, and ends.
  void close(const Error& why);
  bool is_open() const { return open_; }
  size_t backlog() const { return backlog_; }
  // Whether an answer may have one more descriptor; true: one will, until descriptor_is_due() is called before it.
  bool promise_descriptor();
  void descriptor_is_due() { --promised_descriptors_; }
  // Whether an answer waits that did at the last look as well. Nobody may be left who could read it: a client can leave
  // its own end in the socket, behind what is not received from it, and then it never ends.
  bool stands_still();
  uint64_t calls = 0;  // under way, for the owner
  pid_t client = 0;    // the process that connected, as seen from here
  uint32_t run = 0;    // whose box it connected from, for the owner
  int still = 0;       // looks in a row, for the owner

 private:
  struct Receiver final : Completion {
    explicit Receiver(Channel& channel) : of(channel) {}
    void completed(int result, unsigned flags) override { of.received(result, flags); }
    Channel& of;
  };
  struct Sender final : Completion {
    explicit Sender(Channel& channel) : of(channel) {}
    void completed(int result, unsigned) override { of.sent(result); }
    Channel& of;
  };
  struct Outgoing {
    std::string frame;
    UniqueFd descriptor;
    uint64_t call = 0;
  };
  static bool fail_instead(Outgoing& answer, const Error& why);

  void receive();
  void received(int result, unsigned flags);
  Result<Received> read_frame(std::string_view frame);
  Result<Received> understand(std::string_view frame, std::vector<UniqueFd>& descriptors) const;
  void send();
  void sent(int result);
  void send_without_descriptor();
  void end(const Error& why);
  void tell(const Error& why);
  void tell_if_idle();

  Reactor& reactor_;
  UniqueFd socket_;
  Owner& owner_;
  Receiver receiver_;
  Sender sender_;
  bool open_ = true, last_words_ = false, told_ = false, receiving_ = false, sending_ = false;

  msghdr in_{}, out_{};
  iovec out_part_{};
  // All that a message can have: what does not fit the kernel closes, and waits where let_go() does not.
  alignas(cmsghdr) char in_control_[CMSG_SPACE(sizeof(int) * kMostPassedFds)]{};
  alignas(cmsghdr) char out_control_[CMSG_SPACE(sizeof(int))]{};
  std::deque<Outgoing> queue_;
  size_t backlog_ = 0;
  uint64_t sent_ = 0, sent_at_look_ = 0;  // answers
  int unread_descriptors_ = 0, promised_descriptors_ = 0;
};

}  // namespace alos::broker
