// The broker's end of the socket to its supervisor.
#include "syscall-broker/link_end.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "base/print.h"
#include "base/sys.h"
#include "tests/unit/broker/served.h"

namespace alos::broker {
namespace {

// A broker with its link, which ends the process when it is told to, or when it takes its supervisor to be gone.
class Linked {
 public:
  explicit Linked(sys::Pair pair) : supervisor(std::move(pair.a)), own_(::dup(pair.b.get())), link_(std::move(pair.b)) {
    auto made = Broker::create(test::file_ring(64), {}, policy::compile(test::rules({})), link_, link_);
    if (!made) std::abort();
    broker_ = std::move(*made);
    link_.serve(*broker_);
  }
  void serve_for_a_while() { broker_->wait({}, boot_ns() + 50'000'000); }
  template <class M>
  void say(const M& what) const {
    const std::string words = message(what);
    if (!sys::send_message(supervisor.get(), std::as_bytes(std::span(words)))) std::abort();
  }
  void want_run(uint32_t number) {
    Host::Run run;
    run.number = number;
    for (UniqueFd& fd : run.stdio) fd.reset(::fcntl(0, F_DUPFD_CLOEXEC, 3));
    link_.want_run(std::move(run));
  }
  // What the supervisor has just said, before the broker comes to it.
  void take_away() const {
    char buffer[4096];
    if (::recv(own_.get(), buffer, sizeof buffer, 0) <= 0) std::abort();
  }

  const UniqueFd supervisor;

 private:
  const UniqueFd own_;
  LinkEnd link_;
  std::unique_ptr<Broker> broker_;
};

void woken_for_nothing() {
  Linked linked(*sys::socketpair(SOCK_SEQPACKET));
  linked.serve_for_a_while();
  linked.say(AllRecorded{});
  linked.take_away();
  linked.serve_for_a_while();
  print_error("it goes on\n");
  linked.say(Finish{});
  linked.serve_for_a_while();
  std::_Exit(3);
}

TEST(LinkEndDeathTest, goes_on_where_it_is_woken_and_nothing_is_there) {
  EXPECT_EXIT(woken_for_nothing(), testing::ExitedWithCode(0), "it goes on");
}

void left() {
  Linked linked(*sys::socketpair(SOCK_SEQPACKET));
  linked.serve_for_a_while();
  ::shutdown(linked.supervisor.get(), SHUT_RDWR);
  linked.serve_for_a_while();
  std::_Exit(3);
}

TEST(LinkEndDeathTest, ends_with_its_supervisor) {
  EXPECT_EXIT(left(), testing::ExitedWithCode(0), "");
}

// As another user, whose count is its own; net/core/scm.c lets a capable one send however many there are. They are in
// flight as long as what is returned.
sys::Pair use_up_descriptors_in_flight() {
  rlimit few{};
  ::getrlimit(RLIMIT_NOFILE, &few);
  few.rlim_cur = 100;
  if (::setrlimit(RLIMIT_NOFILE, &few) != 0) std::abort();
  if (::geteuid() == 0 && ::syscall(SYS_setresuid, 54321, 54321, 54321) != 0) std::abort();
  sys::Pair full = *sys::socketpair(SOCK_SEQPACKET);
  const std::vector<int> many(90, 0);  // few: they count for all tests of this user
  const std::string word = "x";
  while (sys::send_message(full.a.get(), std::as_bytes(std::span(word)), many)) {
  }
  if (errno != ETOOMANYREFS) std::abort();
  return full;
}

void with_too_many_in_flight() {
  Linked linked(*sys::socketpair(SOCK_SEQPACKET));
  linked.serve_for_a_while();
  const sys::Pair full = use_up_descriptors_in_flight();
  linked.want_run(7);
  linked.serve_for_a_while();
  linked.say(Finish{});
  linked.serve_for_a_while();
  std::_Exit(3);
}

TEST(LinkEndDeathTest, goes_on_without_a_command_whose_streams_cannot_be_sent) {
  EXPECT_EXIT(with_too_many_in_flight(), testing::ExitedWithCode(0), "^$");
}

struct Told final : Channel::Owner {
  void received(Channel&, Received) override {}
  void closed(Channel&, const Error&) override { print_error("closed\n"); }
  void idle(Channel&) override {}
  void may_write(Channel&) override {}
  void left_unread(UniqueFd) override {}
  bool takes_descriptors() override { return true; }
  void not_passed(Channel&, const Error& why) override { print_error("not passed: {}\n", why.code); }
};

void answer_with_too_many_in_flight() {
  auto reactor = Reactor::create(test::file_ring(8));
  if (!reactor) std::abort();
  auto pair = *sys::socketpair(SOCK_SEQPACKET);
  Told owner;
  const auto channel = std::make_shared<Channel>(**reactor, std::move(pair.a), owner);
  channel->start();
  const sys::Pair full = use_up_descriptors_in_flight();
  for (const uint64_t id : {1, 2}) {
    wire::Reply reply;
    reply.set_id(id);
    reply.mutable_fs_open()->set_size(1);
    reply.set_attached(id == 1);
    channel->reply(reply, UniqueFd(id == 1 ? ::fcntl(0, F_DUPFD_CLOEXEC, 3) : -1));
  }
  (*reactor)->wait({}, {.now_ns = boot_ns}, boot_ns() + 50'000'000);
  for (int i = 0; i < 2; ++i) {
    char buffer[4096];
    const ssize_t n = ::recv(pair.b.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    wire::Reply reply;
    if (n <= 0 || !reply.ParseFromArray(buffer, static_cast<int>(n))) std::abort();
    print_error("{}: {} {}\n", reply.id(), reply.has_failed() ? reply.failed().code() : 0, reply.attached());
  }
  std::_Exit(0);
}

TEST(ChannelDeathTest, an_answer_whose_descriptor_cannot_be_sent_fails_alone) {
  EXPECT_EXIT(answer_with_too_many_in_flight(), testing::ExitedWithCode(0),
              "^not passed: 109\n1: .*109.* false\n2: 0 false\n$");
}

// As an order from outside may be, on a machine that is slow to begin.
TEST(LinkEnd, starts_at_the_time_that_is_moved_to_before_its_identity_comes) {
  auto pair = *sys::socketpair(SOCK_SEQPACKET);
  const auto say = [&](const std::string& words, std::span<const int> fds) {
    ASSERT_TRUE(sys::send_message(pair.a.get(), std::as_bytes(std::span(words)), fds));
  };
  const UniqueFd rules = *sys::memfd("rules", "the rules", false);
  const std::array fds{rules.get(), rules.get()};
  Begin begin;
  begin.virtual_time = true;
  begin.now_ns = 1'000;
  begin.wall_ns = 5'000;
  say(message(begin), fds);
  say(message(Advance{.state = 0, .now_ns = 1'200}), {});
  say(message(Advance{.state = 0, .now_ns = 1'300}), {});
  say(message(Identity{.error = EIO, .text = "none"}), {});
  const auto start = LinkEnd(std::move(pair.b)).receive_start();
  ASSERT_TRUE(start) << start.error().text();
  EXPECT_EQ(start->begin.now_ns, 1'300);
  EXPECT_EQ(start->begin.wall_ns, 5'300);
  EXPECT_FALSE(start->identity);
}

}  // namespace
}  // namespace alos::broker
