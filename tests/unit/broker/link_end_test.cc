// The broker's end of the socket to its supervisor.
#include "syscall-broker/link_end.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

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
    io_uring_params params{};
    UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 64, &params)));
    auto files = FileRing::map(std::move(ring), params);
    if (!files) std::abort();
    auto made = Broker::create(std::move(*files), {}, policy::compile(test::rules({})), link_, link_);
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

}  // namespace
}  // namespace alos::broker
