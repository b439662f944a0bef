#include "syscall-broker/channel.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "syscall-broker/frame.h"
#include "syscall-broker/primitive_table.h"

namespace alos::broker {
namespace {

// What it holds cannot change under the reader, by whoever else has it.
Result<void> check_content(const UniqueFd& fd) {
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals)
    return fail("frame", "its descriptor is not a memfd sealed against writing, shrinking and growing", EBADMSG);
  return {};
}

}  // namespace

void Channel::receive() {
  if (!open_ || last_words_ || receiving_ || backlog_ >= kEnough) return;
  in_ = {};
  in_.msg_control = in_control_;
  in_.msg_controllen = sizeof in_control_;
  receiving_ = true;
  reactor_.receive(socket_.get(), in_, receiver_);
}

// Descriptors are in this process whatever becomes of the frame: they are owned before its bytes are looked at.
Result<Received> Channel::read_frame(std::string_view frame) {
  std::vector<UniqueFd> descriptors = take_passed_fds(in_);
  auto out = understand(frame, descriptors);
  reactor_.let_go(std::move(descriptors));
  return out;
}

// Takes the descriptor that is content.
Result<Received> Channel::understand(std::string_view frame, std::vector<UniqueFd>& descriptors) const {
  const bool more = (in_.msg_flags & MSG_CTRUNC) != 0 || descriptors.size() > 1;
  if (more) return fail("frame", "it has more descriptors than the one that is allowed", EBADMSG);
  if ((in_.msg_flags & MSG_TRUNC) != 0) return fail("frame", "it is too long", EMSGSIZE);
  Received out;
  TRY(decode(frame, out.request));
  if (out.request.attached() == descriptors.empty())
    return fail("frame",
                out.request.attached() ? "its descriptor is missing" : "a descriptor came that it does not speak of",
                EBADMSG);
  if (descriptors.empty()) return out;
  if (!takes_content(out.request.call_case()))
    return fail("frame", "a descriptor came with a call that takes no content", EBADMSG);
  TRY(check_content(descriptors.front()));
  out.content = std::move(descriptors.front());
  return out;
}

void Channel::received(int result, unsigned flags) {
  const auto self = shared_from_this();
  receiving_ = false;
  if (result == -ENOBUFS && open_) {  // all are being looked at; this frame stays in the socket
    reactor_.at_end_of_turn([self] { self->receive(); });
    return;
  }
  if (result <= 0) {
    if (result == 0) reactor_.let_go(take_passed_fds(in_));  // an empty message looks like the end, and may bring one
    reactor_.release(flags);
    if (!open_) return tell_if_idle();
    return end({"", "", result < 0 ? -result : 0, ""});
  }
  auto frame = read_frame(reactor_.buffer(flags, static_cast<size_t>(result)));
  reactor_.release(flags);
  if (!open_) return tell_if_idle();
  if (last_words_) return;
  if (!frame) return close(frame.error());
  owner_.received(*this, std::move(*frame));
  receive();
}

// False: that cannot be said either.
bool Channel::fail_instead(Outgoing& answer, const Error& why) {
  wire::Reply instead = failed(why).reply;
  instead.set_id(answer.call);
  answer.descriptor.reset();
  answer.frame.clear();
  return encode(instead, answer.frame).has_value();
}

void Channel::reply(const wire::Reply& reply, UniqueFd descriptor) {
  if (!open_ || last_words_) return;
  Outgoing next{.frame = {}, .descriptor = std::move(descriptor), .call = reply.id()};
  if (auto made = encode(reply, next.frame); !made && !fail_instead(next, made.error())) return;
  backlog_ += next.frame.size();
  if (next.descriptor) ++unread_descriptors_;
  queue_.push_back(std::move(next));
  if (backlog_ > kTooMuch)
    return end({"channel", "its answers are not read", ENOBUFS, "read answers, or ask for less at a time"});
  if (!sending_) send();
}

void Channel::send() {
  Outgoing& next = queue_.front();
  out_part_ = {.iov_base = next.frame.data(), .iov_len = next.frame.size()};
  out_ = {};
  out_.msg_iov = &out_part_;
  out_.msg_iovlen = 1;
  if (next.descriptor) {
    out_.msg_control = out_control_;
    out_.msg_controllen = sizeof out_control_;
    cmsghdr* part = CMSG_FIRSTHDR(&out_);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = next.descriptor.get();
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  sending_ = true;
  reactor_.send(socket_.get(), out_, sender_);
}

void Channel::sent(int result) {
  const auto self = shared_from_this();
  sending_ = false;
  if (result == -ETOOMANYREFS && open_ && queue_.front().descriptor) return send_without_descriptor();
  const bool was_full = backlog_ >= kEnough;
  backlog_ -= queue_.front().frame.size();
  queue_.pop_front();
  ++sent_;
  if (!open_) return tell_if_idle();
  if (result < 0) return end({"", "", -result, ""});
  if (!queue_.empty())
    send();
  else if (last_words_)
    return end({});
  if (was_full && backlog_ < kEnough) owner_.may_write(*this);
  receive();
}

bool is_unread(const UniqueFd& socket) {
  int bytes = 0;
  return ::ioctl(socket.get(), SIOCOUTQ, &bytes) != 0 || bytes != 0;
}

// The user of the broker has too many in flight, by whoever's doing (net/core/scm.c).
void Channel::send_without_descriptor() {
  Outgoing& next = queue_.front();
  const Error why{"sendmsg", "descriptor", ETOOMANYREFS, "too many of this user are sent and not received"};
  --unread_descriptors_;
  backlog_ -= next.frame.size();
  const bool made = fail_instead(next, why);
  backlog_ += next.frame.size();
  owner_.not_passed(*this, why);
  if (!made) return end({"", "", ETOOMANYREFS, ""});
  send();
}

bool Channel::promise_descriptor() {
  if (queue_.empty() && !is_unread(socket_)) unread_descriptors_ = 0;
  if (unread_descriptors_ + promised_descriptors_ >= kDescriptors || !owner_.takes_descriptors()) return false;
  ++promised_descriptors_;
  return true;
}

bool Channel::stands_still() {
  return std::exchange(sent_at_look_, sent_) == sent_ && backlog_ > 0;
}

void Channel::close(const Error& why) {
  if (!open_ || last_words_) return;
  wire::Reply reply = failed(why).reply;
  this->reply(reply);  // id 0
  last_words_ = open_;
  tell(why);
}

void Channel::tell(const Error& why) {
  if (!std::exchange(told_, true)) owner_.closed(*this, why);
}

// Its calls may have it for longer.
void Channel::tell_if_idle() {
  if (receiving_ || sending_) return;
  if (unread_descriptors_ > 0 && is_unread(socket_))
    owner_.left_unread(std::move(socket_));
  else
    reactor_.let_go(std::move(socket_));
  owner_.idle(*this);
}

void Channel::end(const Error& why) {
  if (!open_) return;
  open_ = false;
  if (receiving_) reactor_.cancel(receiver_);
  if (sending_) reactor_.cancel(sender_);
  ::shutdown(socket_.get(), SHUT_RDWR);
  tell(why);
  owner_.may_write(*this);  // who waits for room, since before or after it was told
  tell_if_idle();
}

}  // namespace alos::broker
