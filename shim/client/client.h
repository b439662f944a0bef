#pragma once

#include <memory>
#include <string>
#include <utility>

#include "shim/client/connection.h"
#include "shim/client/outcome.h"

// The primitives for C++ programs in a box:
//
//   auto client = TRY(client::Client::connect());
//   wire::FsRead ask;
//   ask.set_path("/etc/motd");
//   auto motd = client.fs_read(ask);        // and so on for every primitive, by its name
//   if (motd) use(motd->content());
//   else if (const auto* denied = motd.denied()) tell(denied->rule(), denied->reason());
//
// or, several at once: auto first = client.send(a), second = client.send(b); first.wait(); second.wait();
//
// A client may be used by several threads at once. Content of any size is given and had in the messages themselves. A
// call never blocks for ever once the broker is gone (see Connection); a broker that is there and slow is waited for.
namespace alos::client {

namespace detail {
template <class Call>
Outcome<Answer<Call>> settle(Connection& connection, const Connection::About& about, Connection::Arrived&& arrived);
}

// A call in flight. Given up without wait(), its answer is thrown away; it is carried out all the same.
template <class Call>
class [[nodiscard]] Pending {
 public:
  static constexpr Connection::About kAbout{CallTraits<Call>::name, CallTraits<Call>::effect, CallTraits<Call>::answer};

  Pending(std::shared_ptr<Connection> connection, uint64_t id) : connection_(std::move(connection)), id_(id) {}
  Pending(Pending&& other) noexcept = default;
  Pending& operator=(Pending&& other) noexcept {
    std::swap(connection_, other.connection_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~Pending() {
    if (connection_) connection_->drop(id_);
  }

  // Once.
  Outcome<Answer<Call>> wait() {
    const auto connection = std::move(connection_);
    return detail::settle<Call>(*connection, kAbout, connection->wait(id_, {}));
  }
  // The same, with what a command writes as it comes; it is not kept then.
  Outcome<Answer<Call>> wait(const Connection::OnOutput& on_output)
    requires std::is_same_v<Call, wire::ShellRun>
  {
    const auto connection = std::move(connection_);
    return detail::settle<Call>(*connection, kAbout, connection->wait(id_, on_output));
  }
  bool ended() const { return connection_->ended(id_); }
  // Asks the broker to give it up: it then ends as Failed with ECANCELED, or as it did before.
  void cancel() { connection_->cancel(id_); }

 private:
  std::shared_ptr<Connection> connection_;
  uint64_t id_;
};

template <>
inline Outcome<Completed> Pending<wire::ShellRun>::wait() {
  std::string output, error;
  auto out =
      wait([&](std::string_view data, bool is_error) { (is_error ? error : output).append(data.data(), data.size()); });
  if (out) out->output = std::move(output), out->error = std::move(error);
  return out;
}

class Client {
 public:
  // Errors: those of client::connect().
  static Result<Client> connect(const std::string& path = socket_path()) {
    return Client(std::make_shared<Connection>(TRY(client::connect(path)), path));
  }

  // Blocks only while the broker does not read.
  template <class Call>
  Pending<Call> send(Call call) {
    wire::Request request;
    std::string attached;
    std::string* content = CallTraits<Call>::content(call);
    if (content && content->size() > kMaxInline) attached.swap(*content);
    *CallTraits<Call>::of(request) = std::move(call);
    return {connection_, connection_->send(Pending<Call>::kAbout, request, attached)};
  }

  // Outcome<Answer<wire::FsRead>> fs_read(wire::FsRead), and so on.
#define ALOS_CALL(Message, field, text, effect, content) \
  Outcome<Answer<wire::Message>> field(wire::Message call) { return send(std::move(call)).wait(); }
#include "alos/calls.inc"
#undef ALOS_CALL

 private:
  explicit Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::shared_ptr<Connection> connection_;
};

namespace detail {

template <class Call>
Outcome<Answer<Call>> refused(wire::Reply& reply) {
  if (reply.has_denied()) return std::move(*reply.mutable_denied());
  if (reply.has_limit()) return std::move(*reply.mutable_limit());
  if (reply.has_unknown()) return std::move(*reply.mutable_unknown());
  return std::move(*reply.mutable_failed());
}

template <class Call>
Outcome<Answer<Call>> settle(Connection& connection, const Connection::About& about, Connection::Arrived&& arrived) {
  const auto amiss = [&](const Error& why) {
    wire::Reply lost = connection.violated(about, why);
    return refused<Call>(lost);
  };
  if (arrived.reply.answer_case() != about.answer) return refused<Call>(arrived.reply);
  auto& result = *CallTraits<Call>::of(arrived.reply);
  UniqueFd& descriptor = arrived.descriptor;
  if constexpr (std::is_same_v<Call, wire::FsOpen>) {
    if (!descriptor) return amiss({"protocol", "", EPROTO, "the broker sent no descriptor"});
    return Opened{std::move(result), std::move(descriptor)};
  } else if constexpr (requires { result.mutable_content(); }) {
    if (descriptor) {
      auto content = read_sealed(descriptor.get());
      if (!content) return amiss(content.error());
      result.set_content(*std::move(content));
    }
    return std::move(result);
  } else {
    if (descriptor) return amiss({"protocol", "", EPROTO, "the broker sent a descriptor amiss"});
    if constexpr (std::is_same_v<Call, wire::ShellRun>)
      return Completed{std::move(result), {}, {}};
    else
      return std::move(result);
  }
}

}  // namespace detail

}  // namespace alos::client
