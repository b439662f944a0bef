#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/outbox.h"
#include "base/unique_fd.h"
#include "syscall-broker/broker.h"
#include "syscall-broker/link.h"
#include "syscall-broker/private_root.h"

namespace alos::broker {

// The broker's end of its socket to the supervisor: journal and host are over there. What is written in one turn goes
// in one message. Never blocks: what the socket does not take waits. At the end of the supervisor the process ends, and
// when it is told to and what is under way has ended.
class LinkEnd final : public Journal, public Host {
 public:
  explicit LinkEnd(UniqueFd socket) : socket_(std::move(socket)), readable_(*this), writable_(*this) {}

  // Waits for the first message, then asks for the agent's identity and waits for it: what comes with that is mounted
  // before anything is served. Errors: EBADMSG, EPIPE. That there is none (`identity`) is for those who need it.
  struct Start {
    Begin begin;
    UniqueFd listener;
    std::string rules, script;
    Result<Personalities> identity = Personalities();
    Trees trees;  // of it
  };
  Result<Start> receive_start();
  void serve(Broker& broker);

  uint64_t write(const Entry& entry) override;
  void when_written(uint64_t number, std::function<void(Result<void>)> then) override;
  void want_run(Run run) override;
  void end_run(uint32_t number) override;
  void rests(Rest rest) override;
  void slept(uint64_t total_ms) override;

 private:
  struct Readable final : Completion {
    explicit Readable(LinkEnd& link) : of(link) {}
    void completed(int, unsigned) override { of.receive(); }
    LinkEnd& of;
  };
  struct Writable final : Completion {
    explicit Writable(LinkEnd& link) : of(link) {}
    void completed(int, unsigned) override { of.send(); }
    LinkEnd& of;
  };
  struct Again final : Timer {
    explicit Again(LinkEnd& link) : of(link) {}
    void due() override { of.end_when_done(); }
    LinkEnd& of;
  };
  struct Retry final : Timer {
    explicit Retry(LinkEnd& link) : of(link) {}
    void due() override { of.send(); }
    LinkEnd& of;
  };
  static constexpr int64_t kFinishNs = 2'000'000'000, kLookAgainNs = 1'000'000;
  static constexpr int kRetryMs = 10;
  Result<void> receive_identity(Start& out);
  void receive();
  bool take(std::string_view text, std::vector<UniqueFd> fds);
  void put(std::string text, std::vector<UniqueFd> fds = {});
  // What became of what waits to be sent.
  enum class Sent : uint8_t { all, waits_for_room, waits_for_memory, to_nobody };
  void send();
  Sent send_what_goes();
  void cannot_send(const Error& why);
  void flush();
  void finish();
  void end_when_done();
  [[noreturn]] void end(int code);

  UniqueFd socket_;
  Readable readable_;
  Writable writable_;
  Again again_{*this};
  Retry retry_{*this};
  int64_t finish_by_ns_ = 0;
  Broker* broker_ = nullptr;
  Records pending_;
  bool flushing_ = false;
  uint64_t number_ = 0;
  Outbox outbox_;
  std::unordered_map<uint64_t, std::function<void(Result<void>)>> waiting_;
};

}  // namespace alos::broker
