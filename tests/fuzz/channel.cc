// A program in a box on its connection to the broker: frames, descriptors, reading and not reading, leaving; and a
// broker that answers more or less. Whatever the order: only well-formed requests come in, none after the end; the end
// is told once, and once that nothing is under way; what the client gets are replies; no descriptor is left open.
//
// The input: an action a byte, with what belongs to it after it.

#include "syscall-broker/channel.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "base/clock.h"
#include "base/sys.h"
#include "fuzz.h"
#include "syscall-broker/frame.h"

namespace {

using namespace alos;
using namespace alos::broker;

// One for all inputs: making a reactor takes longer than most of them.
class Turning {
 public:
  Turning() {
    io_uring_params params{};
    UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 8, &params)));
    auto files = FileRing::map(std::move(ring), params);
    fuzz::must(files.has_value(), "there is a ring");
    auto made = Reactor::create(std::move(*files));
    fuzz::must(made.has_value(), "there is a reactor");
    reactor_ = std::move(*made);
    ready_.reset(::eventfd(1, EFD_CLOEXEC));
  }
  Reactor& reactor() { return *reactor_; }
  // Does what there is to do, and comes back because something is ready always.
  void turn() {
    pollfd ready{.fd = ready_.get(), .events = POLLIN, .revents = 0};
    const Reactor::Time time{.now_ns = [] { return int64_t{0}; }, .real = false};
    reactor_->wait(std::span(&ready, 1), time, std::nullopt);
  }

 private:
  std::unique_ptr<Reactor> reactor_;
  UniqueFd ready_;
};

class Owner final : public Channel::Owner {
 public:
  size_t answer = 0;  // bytes of each reply
  int replies = 1;
  bool descriptors = false;
  int closed_count = 0, idle_count = 0;

 private:
  void received(Channel& channel, Received received) override {
    fuzz::must(closed_count == 0, "nothing comes in after the end");
    fuzz::must(received.request.id() != 0 && received.request.call_case() != wire::Request::CALL_NOT_SET,
               "it asks for something");
    fuzz::must(received.request.attached() == static_cast<bool>(received.content), "content is there when it is said");
    for (int i = 0; i < replies; ++i) {
      wire::Reply reply;
      reply.set_id(received.request.id());
      reply.mutable_output()->set_data(std::string(answer, 'x'));
      UniqueFd descriptor;
      if (descriptors && channel.promise_descriptor()) {
        descriptor.reset(::fcntl(0, F_DUPFD_CLOEXEC, 3));
        channel.descriptor_is_due();
      }
      channel.reply(reply, std::move(descriptor));
    }
  }
  void closed(Channel&, const Error&) override { ++closed_count; }
  void idle(Channel&) override {
    ++idle_count;
    fuzz::must(closed_count == 1 && idle_count == 1, "the end is told once, and before it is over");
  }
  void left_unread(UniqueFd) override {}
  bool takes_descriptors() override { return true; }
  void not_passed(Channel&, const Error&) override {}
  void may_write(Channel& channel) override {
    fuzz::must(!channel.is_open() || channel.backlog() < Channel::kEnough, "there is room");
  }
};

class Client {
 public:
  explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}
  void send(std::string_view frame, std::vector<int> fds = {}) {
    if (socket_) (void)sys::send_message(socket_.get(), std::as_bytes(std::span(frame)), fds);
  }
  void receive(int most) {
    static std::vector<std::byte> buffer(kMaxFrame);
    for (; socket_ && most > 0; --most) {
      auto got = sys::receive_message(socket_.get(), buffer, 1);
      if (!got || got->size == 0) return;
      wire::Reply reply;
      fuzz::must(reply.ParseFromArray(buffer.data(), static_cast<int>(got->size)), "what comes is a reply");
      fuzz::must(reply.has_output() || (reply.id() == 0 && reply.has_failed()), "it is an answer, or the last words");
    }
  }
  void shut_down() const { ::shutdown(socket_.get(), SHUT_WR); }
  void leave() { socket_.reset(); }

 private:
  UniqueFd socket_;
};

std::string request(uint8_t choice) {
  wire::Request out;
  out.set_id(1 + choice % 7U);
  out.set_attached(choice >= 128);
  if (choice % 3 == 0)
    out.mutable_fs_write()->set_path("/w/a");
  else
    out.mutable_clock_now();
  return out.SerializeAsString();
}

void act(std::string_view& input, Turning& turning, Owner& owner, Channel& channel, Client& client) {
  static const auto sealed = sys::memfd("content", "what it is", true), open = sys::memfd("content", "what", false);
  const auto next = [&] {
    if (input.empty()) return uint8_t{0};
    const auto out = static_cast<uint8_t>(input.front());
    input.remove_prefix(1);
    return out;
  };
  switch (next() % 12) {
    case 0: {
      const std::string_view frame = input.substr(0, next() % 32U);
      client.send(frame);
      input.remove_prefix(std::min(input.size(), frame.size()));
      break;
    }
    case 1:
      client.send(request(next() & 0x7f));
      break;
    case 2:
      client.send(request(next() | 0x80), {sealed->get()});
      break;
    case 3:
      client.send(request(next()),
                  next() % 2 == 0 ? std::vector{open->get()} : std::vector{sealed->get(), open->get()});
      break;
    case 4:
      client.receive(next());
      break;
    case 5:
      owner.answer = next() * 256U;
      break;
    case 6:
      owner.replies = next();
      break;
    case 7:
      owner.descriptors = next() % 2 == 0;
      break;
    case 8:
      if (const uint8_t how = next(); how < 8)
        client.leave();
      else if (how < 16)
        client.shut_down();
      else if (how < 24)
        channel.close({"test", "", EPROTO, ""});
      else if (how < 32)
        client.send(std::string(kMaxFrame + 1, 'x'));
      break;
    default:
      turning.turn();
  }
}

int next_descriptor() {
  return UniqueFd(::fcntl(0, F_DUPFD_CLOEXEC, 3)).get();
}

void check(std::string_view input, Turning& turning) {
  int ends[2];
  fuzz::must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "there are sockets");
  Client client{UniqueFd(ends[0])};
  Owner owner;
  const auto channel = std::make_shared<Channel>(turning.reactor(), UniqueFd(ends[1]), owner);
  channel->start();
  while (!input.empty()) act(input, turning, owner, *channel, client);
  client.leave();
  // As many turns as frames fit into its socket, and some.
  // The kernel may take its time on a busy machine.
  const int64_t until = boot_ns() + 10'000'000'000;
  for (int i = 0; (i < 2000 || boot_ns() < until) && owner.idle_count == 0; ++i) turning.turn();
  fuzz::must(owner.idle_count == 1 && owner.closed_count == 1, "who leaves is noticed");
  turning.turn();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Turning turning;
  static const bool warm = (check("", turning), true);
  (void)warm;
  const int before = next_descriptor();
  check(fuzz::text_of(data, size), turning);
  fuzz::must(next_descriptor() == before, "no descriptor is left open");
  return 0;
}
