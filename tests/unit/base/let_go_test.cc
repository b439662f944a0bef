#include "base/let_go.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "base/sys.h"

namespace alos {
namespace {

// A connection whose last close waits for a minute: its peer reads nothing, and what was sent fills all queues.
struct Lingering {
  UniqueFd socket, peer;
  Lingering() {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    peer.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_EQ(::fcntl(socket.get(), F_SETFL, O_NONBLOCK), 0);
    const std::string much(1 << 20, 'x');
    for (int i = 0; i < 3; ++i) {
      while (::send(socket.get(), much.data(), much.size(), 0) > 0) {
      }
      ::usleep(10'000);
    }
    const linger minute{.l_onoff = 1, .l_linger = 60};
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &minute, sizeof minute), 0);
  }
};

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

template <class F>
bool at_once(F what) {
  const auto begun = std::chrono::steady_clock::now();
  what();
  return std::chrono::steady_clock::now() - begun < std::chrono::seconds(5);
}

TEST(LetGo, closes_a_socket_that_lingers_at_once) {
  Lingering one;
  const int fd = one.socket.get();
  EXPECT_TRUE(at_once([&] { let_go(std::move(one.socket)); }));
  EXPECT_FALSE(is_open(fd));
}

TEST(LetGo, closes_what_nobody_received_at_once) {
  Lingering one;
  auto pair = sys::socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair);
  const int fd = one.socket.get();
  const std::byte word{};
  ASSERT_TRUE(sys::send_message(pair->a.get(), std::span(&word, 1), std::span(&fd, 1)));
  one.socket.reset();  // not the last
  EXPECT_TRUE(at_once([&] { let_go(std::move(pair->b)); }));
}

// Of a file that is in pieces and has no name the last close frees each of them.
TEST(LetGo, does_not_free_a_file_that_is_gone) {
  const auto pieces = [] {
    char name[] = "/var/tmp/alos-let-go-XXXXXX";
    UniqueFd file(::mkostemp(name, O_CLOEXEC));
    ::unlink(name);
    for (off_t i = 0; i < 4000; ++i) EXPECT_EQ(::pwrite(file.get(), "x", 1, i * 8192), 1);
    EXPECT_EQ(::fsync(file.get()), 0);
    return file;
  };
  const auto time = [](auto what) {
    const auto begun = std::chrono::steady_clock::now();
    what();
    return std::chrono::steady_clock::now() - begun;
  };
  UniqueFd one = pieces(), other = pieces();
  const auto closed = time([&] { one.reset(); });
  const auto gone = time([&] { let_go(std::move(other)); });
  EXPECT_FALSE(is_open(other.get()));
  std::cout << "closed in " << closed / std::chrono::microseconds(1) << " us, let go in "
            << gone / std::chrono::microseconds(1) << "\n";
  // Where closing takes no time there is nothing to see.
  if (closed > std::chrono::milliseconds(20)) {
    EXPECT_LT(gone, closed / 2);
  }
}

// The thread that ends with the sockets has a table of its own, and it ends a moment after let_go().
TEST(LetGo, holds_nothing_else_open) {
  for (int i = 0; i < 300; ++i) {
    auto pair = sys::socketpair(SOCK_SEQPACKET);
    auto pipe = sys::pipe();
    ASSERT_TRUE(pair && pipe);
    ASSERT_EQ(::fcntl(pipe->a.get(), F_SETFL, O_NONBLOCK), 0);
    UniqueFd last(::fcntl(pair->b.get(), F_DUPFD_CLOEXEC, 200));  // what is closed lies below it
    let_go(std::move(last));
    pipe->b.reset();
    char end = 0;
    ASSERT_EQ(::read(pipe->a.get(), &end, 1), 0) << "round " << i;
  }
}

TEST(LetGo, of_a_message_that_is_refused_is_done_at_once) {
  Lingering one;
  auto pair = sys::socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair);
  const std::vector<int> many(200, one.socket.get());
  const std::byte word{};
  ASSERT_TRUE(sys::send_message(pair->a.get(), std::span(&word, 1), many));
  one.socket.reset();
  std::byte room{};
  EXPECT_TRUE(at_once([&] { EXPECT_FALSE(sys::receive_message(pair->b.get(), std::span(&room, 1), 1)); }));
}

TEST(LetGo, the_other_side_sees_the_end_and_nothing_else_is_closed) {
  auto pair = sys::socketpair(SOCK_STREAM);
  auto pipe = sys::pipe();
  ASSERT_TRUE(pair && pipe);
  std::vector<UniqueFd> gone;
  gone.push_back(std::move(pair->a));
  gone.emplace_back();
  gone.push_back(std::move(pipe->b));
  let_go(std::move(gone));
  char byte = 0;
  EXPECT_EQ(::read(pair->b.get(), &byte, 1), 0);
  EXPECT_EQ(::read(pipe->a.get(), &byte, 1), 0);
  EXPECT_TRUE(is_open(pair->b.get()));
}

TEST(LetGo, many_times_leaves_nothing_open) {
  const UniqueFd before(::dup(0));
  for (int i = 0; i < 500; ++i) {
    auto pair = sys::socketpair(SOCK_STREAM);
    ASSERT_TRUE(pair);
    let_go(std::move(pair->a));
  }
  const UniqueFd after(::dup(0));
  EXPECT_LE(after.get(), before.get() + 1);
}

}  // namespace
}  // namespace alos
