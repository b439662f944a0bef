#pragma once

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "alos/broker.pb.h"
#include "base/sys.h"

// A broker that does what a test says, in the real frames.
namespace alos::test {

struct Asked {
  wire::Request request;
  std::vector<UniqueFd> descriptors;
  uint64_t id() const { return request.id(); }
  std::string content() const { return *sys::read_file(descriptors.at(0).get(), 1 << 30); }
};

// One accepted connection, from the peer's side. What fails ends the script.
class Talk {
 public:
  explicit Talk(int socket) : socket_(socket) {}
  int socket() const { return socket_.get(); }
  void close() { socket_.reset(); }

  Asked ask() {
    std::vector<std::byte> buffer(1 << 17);
    auto message = sys::receive_message(socket_.get(), buffer, 8);
    if (!message || message->size == 0) throw std::runtime_error("the client is gone");
    Asked out;
    if (!out.request.ParseFromArray(buffer.data(), static_cast<int>(message->size)))
      throw std::runtime_error("garbage");
    out.descriptors = std::move(message->fds);
    return out;
  }
  void say(const wire::Reply& reply, const std::vector<int>& descriptors = {}) {
    say_bytes(reply.SerializeAsString(), descriptors);
  }
  void say_bytes(std::string_view bytes, const std::vector<int>& descriptors = {}) {
    if (!sys::send_message(socket_.get(), std::as_bytes(std::span(bytes)), descriptors))
      throw std::runtime_error("the client does not read");
  }
  // Until the client closes.
  void linger() {
    for (;;) ask();
  }

 private:
  UniqueFd socket_;
};

class Peer {
 public:
  using Script = std::function<void(Talk&)>;

  explicit Peer(Script script) {
    char name[] = "/tmp/alos-peer-XXXXXX";
    if (!::mkdtemp(name)) throw std::runtime_error("mkdtemp");
    directory_ = name;
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(path(), address.sun_path);  // of this file's making, and short
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 8) != 0)
      throw std::runtime_error("listen");
    thread_ = std::thread([this, script = std::move(script)] {
      for (;;) {
        Talk talk(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (talk.socket() < 0) return;
        ++connections_;
        try {
          script(talk);
        } catch (const std::runtime_error&) {  // the test sees it from what the client says
        }
      }
    });
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }

  std::string path() const { return directory_ + "/socket"; }
  int connections() const { return connections_; }

 private:
  std::string directory_;
  UniqueFd listener_;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

inline wire::Reply reply_to(uint64_t id) {
  wire::Reply out;
  out.set_id(id);
  return out;
}
inline wire::Reply denied_reply(uint64_t id) {
  wire::Reply out = reply_to(id);
  out.mutable_denied()->set_request("fs.read /srv/app/.env");
  out.mutable_denied()->set_layer("policy");
  out.mutable_denied()->set_rule("secrets");
  out.mutable_denied()->set_source("coding.yaml:12:3");
  out.mutable_denied()->set_reason("secrets stay out");
  out.mutable_denied()->set_remedy("nothing in this run can allow it");
  return out;
}
inline wire::Reply failed_reply(uint64_t id) {
  wire::Reply out = reply_to(id);
  out.mutable_failed()->set_operation("openat2");
  out.mutable_failed()->set_object("/nowhere");
  out.mutable_failed()->set_code(ENOENT);
  out.mutable_failed()->set_name("ENOENT");
  return out;
}
inline wire::Reply limit_reply(uint64_t id) {
  wire::Reply out = reply_to(id);
  out.mutable_limit()->set_which("requests in flight");
  out.mutable_limit()->set_value(64);
  return out;
}
inline wire::Reply unknown_reply(uint64_t id) {
  wire::Reply out = reply_to(id);
  out.mutable_unknown()->set_operation("fs.write");
  return out;
}

}  // namespace alos::test
