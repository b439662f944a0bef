#include "shim/client/connection.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace alos::client {
namespace {

Error broken_protocol(std::string_view what) {
  return {"protocol", "", EPROTO, "the broker sent " + std::string(what)};
}

wire::Reply failed(const Error& why, const std::string& object) {
  wire::Reply out;
  wire::Failed& failed = *out.mutable_failed();
  failed.set_operation(why.operation);
  failed.set_object(object);
  failed.set_code(why.code);
  if (const char* name = ::strerrorname_np(why.code)) failed.set_name(name);
  failed.set_hint(why.hint);
  return out;
}

wire::Reply too_long() {
  wire::Reply out;
  out.mutable_limit()->set_which("bytes of a request");
  out.mutable_limit()->set_value(kMaxFrame);
  out.mutable_limit()->set_hint("give less in its arguments; content is not counted");
  return out;
}

// What a Reply with id 0 says.
std::string reason_of(const wire::Reply& reply) {
  switch (reply.answer_case()) {
    case wire::Reply::kFailed:
      return reply.failed().operation() + ": " + reply.failed().hint();
    case wire::Reply::kDenied:
      return reply.denied().reason();
    case wire::Reply::kLimit:
      return reply.limit().which() + ": " + reply.limit().hint();
    default:
      return "no reason given";
  }
}

}  // namespace

uint64_t Connection::enter(const About& about) {
  const std::lock_guard lock(mutex_);
  calls_.try_emplace(++last_, Call{.about = about, .output = {}, .end = {}});
  return last_;
}

// For what was not sent, whatever became of the connection meanwhile.
void Connection::refuse(uint64_t id, wire::Reply&& reply) {
  const std::lock_guard lock(mutex_);
  calls_.at(id).end = Arrived{std::move(reply), {}};
}

uint64_t Connection::send(const About& about, wire::Request& request, std::string_view content) {
  const uint64_t id = enter(about);
  request.set_id(id);
  UniqueFd sealed;
  if (!content.empty()) {
    auto made = seal(content);
    if (!made) return refuse(id, failed(made.error(), "content")), id;
    sealed = std::move(*made);
    request.set_attached(true);
  }
  const std::string bytes = request.SerializeAsString();
  if (bytes.size() > kMaxFrame)
    refuse(id, too_long());
  else if (const auto error = transmit(bytes, sealed ? sealed.get() : -1))
    refuse(id, failed(*error, path_));
  return id;
}

// Nothing, or why it was not sent.
std::optional<Error> Connection::transmit(const std::string& bytes, int descriptor) {
  const std::lock_guard turn(sending_);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (over_) return over_;
    }
    const auto sent = client::send(socket_.get(), bytes, descriptor);
    if (sent) return std::nullopt;
    if (sent.error().code == EAGAIN) {
      wait_until_writable();
    } else if (lost(sent.error())) {
      // What the broker said last is still there to be read; nothing more can come, so reading comes to an end.
      ::shutdown(socket_.get(), SHUT_RDWR);
      Lock lock(mutex_);
      while (!over_)
        if (reading_)
          changed_.wait(lock);
        else
          read_one(lock, POLLIN);
      return over_;
    } else {
      return sent.error();
    }
  }
}

// Reads meanwhile, if nobody does: the broker may be waiting for that before it reads on.
void Connection::wait_until_writable() {
  constexpr int kLookAgain = 50;  // ms: whoever was reading may have stopped
  Lock lock(mutex_);
  if (!reading_) return read_one(lock, POLLIN | POLLOUT);
  lock.unlock();
  pollfd writable{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
  ::poll(&writable, 1, kLookAgain);
}

void Connection::read_one(Lock& lock, short events) {
  reading_ = true;
  lock.unlock();
  pollfd ready{.fd = socket_.get(), .events = events, .revents = 0};
  Result<Frame> frame = fail("recvmsg", "", EAGAIN);
  if (::poll(&ready, 1, -1) > 0 && (ready.revents & ~POLLOUT) != 0) frame = receive(socket_.get());
  lock.lock();
  reading_ = false;
  take(std::move(frame));
  changed_.notify_all();
}

void Connection::take(Result<Frame>&& frame) {
  if (over_) return;
  if (!frame) {
    if (frame.error().code != EAGAIN) end_all(frame.error());
    return;
  }
  if (const auto error = dispatch(*frame)) end_all(*error);
}

// Why the connection cannot go on, if so.
std::optional<Error> Connection::dispatch(Frame& frame) {
  Arrived arrived{{}, std::move(frame.descriptor)};
  wire::Reply& reply = arrived.reply;
  if (!reply.ParseFromString(frame.bytes)) return broken_protocol("what is no reply");
  if (reply.id() == 0) return Error{"broker", "", ECONNRESET, "the broker ended the connection: " + reason_of(reply)};
  const auto found = calls_.find(reply.id());
  if (found == calls_.end() || found->second.end) return broken_protocol("an answer to no call");
  Call& call = found->second;
  if (reply.attached() != static_cast<bool>(arrived.descriptor)) return broken_protocol("a descriptor amiss");
  const auto kind = reply.answer_case();
  if (kind == wire::Reply::kOutput && call.about.answer == wire::Reply::kShellRun) {
    if (arrived.descriptor) {
      auto data = read_sealed(arrived.descriptor.get());
      if (!data) return data.error();
      reply.mutable_output()->set_data(*std::move(data));
    }
    if (!call.dropped) call.output.push_back(std::move(*reply.mutable_output()));
    return std::nullopt;
  }
  if (kind == wire::Reply::kOutput && call.about.answer == wire::Reply::kFsRead) {
    if (arrived.descriptor || call.content.size() + reply.output().data().size() > kMaxContent)
      return broken_protocol("content amiss");
    if (!call.dropped) call.content += reply.output().data();
    return std::nullopt;
  }
  if (kind == wire::Reply::kFsRead && kind == call.about.answer)
    reply.mutable_fs_read()->mutable_content()->insert(0, call.content);
  const bool refused = kind == wire::Reply::kDenied || kind == wire::Reply::kFailed || kind == wire::Reply::kLimit ||
                       kind == wire::Reply::kUnknown;
  if (!refused && kind != call.about.answer) return broken_protocol("an answer to another call");
  if (refused && arrived.descriptor) return broken_protocol("a descriptor amiss");
  if (call.dropped)
    calls_.erase(found);
  else
    call.end = std::move(arrived);
  return std::nullopt;
}

wire::Reply Connection::lost_reply(const About& about, const Error& why) const {
  if (about.effect == EffectClass::observe) return failed(why, path_);
  wire::Reply out;
  out.mutable_unknown()->set_operation(std::string(about.name));
  out.mutable_unknown()->set_hint(why.text() + "; it may have been carried out: look before you ask for it again");
  return out;
}

void Connection::end_all(const Error& why) {
  over_ = why;
  ::shutdown(socket_.get(), SHUT_RDWR);
  std::erase_if(calls_, [](const auto& call) { return call.second.dropped; });
  for (auto& [id, call] : calls_)
    if (!call.end) call.end = Arrived{lost_reply(call.about, why), {}};
  changed_.notify_all();
}

Connection::Arrived Connection::wait(uint64_t id, const OnOutput& on_output) {
  Lock lock(mutex_);
  Call& call = calls_.at(id);
  for (;;) {
    if (!call.output.empty()) {
      const wire::Output output = std::move(call.output.front());
      call.output.pop_front();
      lock.unlock();
      if (on_output) on_output(output.data(), output.error());
      lock.lock();
    } else if (call.end) {
      Arrived out = *std::move(call.end);
      calls_.erase(id);
      return out;
    } else if (reading_) {
      changed_.wait(lock);
    } else {
      read_one(lock, POLLIN);
    }
  }
}

bool Connection::ended(uint64_t id) {
  const std::lock_guard lock(mutex_);
  return calls_.at(id).end.has_value();
}

void Connection::cancel(uint64_t id) {
  wire::Request request;
  request.mutable_cancel()->set_call(id);
  {
    const std::lock_guard lock(mutex_);
    if (calls_.at(id).end) return;
    request.set_id(++last_);
  }
  // Not sent, there is nothing to cancel any more.
  (void)transmit(request.SerializeAsString(), -1);
}

void Connection::drop(uint64_t id) {
  const std::lock_guard lock(mutex_);
  Call& call = calls_.at(id);
  if (call.end)
    calls_.erase(id);
  else
    call.dropped = true, call.output.clear();
}

wire::Reply Connection::violated(const About& about, const Error& why) {
  const std::lock_guard lock(mutex_);
  if (!over_) end_all(why);
  return lost_reply(about, why);
}

}  // namespace alos::client
