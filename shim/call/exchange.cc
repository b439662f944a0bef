#include "shim/call/exchange.h"

#include <poll.h>
#include <string.h>

#include <cerrno>
#include <optional>

#include "shim/client/frame.h"

namespace alos::call {
namespace {

constexpr uint64_t kId = 1;

Error broken(std::string_view what) {
  return {"protocol", "", EPROTO, "the broker sent " + std::string(what)};
}

Ended failed(const Error& why) {
  Ended out;
  wire::Failed& failed = *out.reply.mutable_failed();
  failed.set_operation(why.operation);
  failed.set_object(why.object);
  failed.set_code(why.code);
  if (const char* name = ::strerrorname_np(why.code)) failed.set_name(name);
  failed.set_hint(why.hint);
  return out;
}

// After the request was sent.
Ended lost(const Entry& entry, const Error& why) {
  if (entry.about.effect() == wire::OBSERVE) return failed(why);
  Ended out;
  out.reply.mutable_unknown()->set_operation(entry.about.name());
  out.reply.mutable_unknown()->set_hint(why.text() +
                                        "; it may have been carried out: look before you ask for it again");
  return out;
}

void wait_for(int socket, short events) {
  pollfd ready{.fd = socket, .events = events, .revents = 0};
  ::poll(&ready, 1, -1);
}

std::string reason_of(const wire::Reply& reply) {
  const auto field =
      reply.GetReflection()->GetOneofFieldDescriptor(reply, reply.GetDescriptor()->FindOneofByName("answer"));
  return field ? reply.GetReflection()->GetMessage(reply, field).ShortDebugString() : "no reason given";
}

// Puts the content that came in a descriptor into `field` of `message`.
Result<void> put_content(google::protobuf::Message& message, std::string_view field, UniqueFd& descriptor) {
  std::string content = TRY(client::read_sealed(descriptor.get()));
  message.GetReflection()->SetString(&message, message.GetDescriptor()->FindFieldByName(std::string(field)),
                                     std::move(content));
  descriptor.reset();
  return {};
}

bool is_refusal(const wire::Reply& reply) {
  return reply.has_denied() || reply.has_failed() || reply.has_limit() || reply.has_unknown();
}

// Checks a frame against what was asked, and completes it. Errors end the connection.
Result<Ended> receive(int socket, const Entry& entry) {
  auto frame = client::receive(socket);
  if (!frame) return std::unexpected(frame.error());
  Ended out{{}, std::move(frame->descriptor)};
  if (!out.reply.ParseFromString(frame->bytes)) return std::unexpected(broken("what is no reply"));
  if (out.reply.id() == 0)
    return fail("broker", "", ECONNRESET, "the broker ended the connection: " + reason_of(out.reply));
  if (out.reply.id() != kId) return std::unexpected(broken("an answer to no call"));
  if (out.reply.attached() != static_cast<bool>(out.descriptor)) return std::unexpected(broken("a descriptor amiss"));
  const auto& reflection = *out.reply.GetReflection();
  if (is_refusal(out.reply) || (out.reply.has_output() && gives_content(entry))) {
    if (out.descriptor) return std::unexpected(broken("a descriptor amiss"));
  } else if (out.reply.has_output() && gives_output(entry)) {
    if (out.descriptor) TRY(put_content(*out.reply.mutable_output(), "data", out.descriptor));
  } else if (!reflection.HasField(out.reply, entry.reply_field)) {
    return std::unexpected(broken("an answer to another call"));
  } else if (gives_descriptor(entry) != static_cast<bool>(out.descriptor)) {
    if (!out.descriptor || !gives_content(entry)) return std::unexpected(broken("a descriptor amiss"));
    TRY(put_content(*reflection.MutableMessage(&out.reply, entry.reply_field), "content", out.descriptor));
  }
  return out;
}

void put_before(const std::string& content, const Entry& entry, wire::Reply& reply) {
  auto& result = *reply.GetReflection()->MutableMessage(&reply, entry.reply_field);
  const auto* const field = result.GetDescriptor()->FindFieldByName("content");
  const auto& reflection = *result.GetReflection();
  reflection.SetString(&result, field, content + reflection.GetString(result, field));
}

// Nothing, or how it ended without being sent.
std::optional<Ended> send(int socket, Command& command) {
  command.request.set_id(kId);
  UniqueFd sealed;
  if (!command.attached.empty()) {
    auto made = client::seal(command.attached);
    if (!made) return failed(made.error());
    sealed = std::move(*made);
    command.request.set_attached(true);
  }
  const std::string bytes = command.request.SerializeAsString();
  if (bytes.size() > client::kMaxFrame) {
    Ended out;
    out.reply.mutable_limit()->set_which("bytes of a request");
    out.reply.mutable_limit()->set_value(client::kMaxFrame);
    return out;
  }
  for (;;) {
    const auto sent = client::send(socket, bytes, sealed ? sealed.get() : -1);
    if (sent) return std::nullopt;
    if (client::lost(sent.error())) {
      const auto last = receive(socket, *command.entry);  // why, where the broker has said so
      return failed(last || last.error().code == EAGAIN ? sent.error() : last.error());
    }
    if (sent.error().code != EAGAIN) return failed(sent.error());
    wait_for(socket, POLLOUT);
  }
}

}  // namespace

Ended exchange(int socket, Command& command, const std::function<void(std::string_view data, bool error)>& on_output) {
  const Entry& entry = *command.entry;
  if (auto ended = send(socket, command)) return std::move(*ended);
  std::string content;  // of a file, before what its result holds
  for (;;) {
    wait_for(socket, POLLIN);
    auto ended = receive(socket, entry);
    if (!ended && ended.error().code == EAGAIN) continue;
    if (!ended) return lost(entry, ended.error());
    if (!ended->reply.has_output()) {
      if (!content.empty() && !is_refusal(ended->reply)) put_before(content, entry, ended->reply);
      return *std::move(ended);
    }
    if (gives_content(entry)) {
      content += ended->reply.output().data();
      if (content.size() > client::kMaxContent) return lost(entry, broken("more content than there can be"));
      continue;
    }
    on_output(ended->reply.output().data(), ended->reply.output().error());
  }
}

}  // namespace alos::call
