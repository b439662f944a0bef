#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/sys.h"
#include "syscall-broker/frame.h"
#include "syscall-broker/pipeline.h"
#include "tests/unit/broker/files.h"

namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;
using testing::HasSubstr;

Setting open_rules() {
  Setting out{.policy = rules({rule(Effect::allow, kAll, {"/**"}, "all")})};
  out.policy.clock.each_ms = uint64_t{24} * 3600 * 1000;
  return out;
}

class Channels : public testing::Test {
 protected:
  Channels() { served.make_directory("/w"); }
  // Whoever speaks properly beside what a test does is served.
  ~Channels() override { EXPECT_TRUE(other->call(now()).has_clock_now()) << "another connection did not notice"; }
  static wire::Request now() {
    wire::Request out;
    out.mutable_clock_now();
    return out;
  }
  static wire::Request sleep(uint64_t ms, const std::string& key = "") {
    wire::Request out;
    out.mutable_clock_sleep()->set_duration_ms(ms);
    out.mutable_clock_sleep()->set_key(key);
    return out;
  }
  // What the broker says last, before it closes the connection.
  std::string last_words(Client& of) {
    std::string out;
    while (const auto reply = of.receive()) out = reply->id() == 0 ? reply->failed().object() : "answer";
    return out;
  }
  bool recorded(const std::string& words) const {
    for (const Recorded& record : served.journal())
      if (record.action == "channel.close" && record.reason.find(words) != std::string::npos) return true;
    return false;
  }

  Served served{open_rules()};
  std::unique_ptr<Client> client = served.connect();
  std::unique_ptr<Client> other = served.connect();
};

TEST_F(Channels, garbage_closes_with_the_reason_and_a_record) {
  client->send_bytes("\xff\xff\xff\xff");
  EXPECT_THAT(last_words(*client), HasSubstr("damaged"));
  EXPECT_TRUE(recorded("damaged"));
}

TEST_F(Channels, what_is_too_long_closes) {
  client->send_bytes(std::string(kMaxFrame + 1, 'x'));
  EXPECT_THAT(last_words(*client), HasSubstr("too long"));
}

TEST_F(Channels, an_empty_frame_is_the_end) {
  client->send_bytes("");
  EXPECT_EQ(last_words(*client), "");
}

TEST_F(Channels, a_descriptor_that_is_not_spoken_of_closes) {
  const UniqueFd fd = std::move(*sys::memfd("x", "x", true));
  wire::Request request = now();
  request.set_id(1);
  const int raw = fd.get();
  client->send_bytes(request.SerializeAsString(), std::span(&raw, 1));
  EXPECT_THAT(last_words(*client), HasSubstr("does not speak of"));
}

TEST_F(Channels, a_descriptor_that_is_missing_closes) {
  wire::Request request = write_request("/w/a", "");
  request.set_id(1);
  request.set_attached(true);
  client->send(request);
  EXPECT_THAT(last_words(*client), HasSubstr("missing"));
}

TEST_F(Channels, more_than_one_descriptor_closes) {
  const UniqueFd fd = std::move(*sys::memfd("x", "x", true));
  wire::Request request = write_request("/w/a", "");
  request.set_id(1);
  request.set_attached(true);
  const std::array<int, 3> fds{fd.get(), fd.get(), fd.get()};
  client->send_bytes(request.SerializeAsString(), fds);
  EXPECT_THAT(last_words(*client), HasSubstr("more descriptors"));
}

TEST_F(Channels, content_that_can_still_change_closes) {
  UniqueFd unsealed = std::move(*sys::memfd("x", "x", false));
  UniqueFd file = std::move(*sys::open("/dev/null", O_RDONLY));
  for (const UniqueFd* fd : {&unsealed, &file}) {
    auto mine = served.connect();
    wire::Request request = write_request("/w/a", "");
    request.set_id(1);
    request.set_attached(true);
    mine->send(request, fd);
    EXPECT_THAT(last_words(*mine), HasSubstr("sealed"));
  }
}

// It would be held for as long as the call is under way, and of sleeps there may be 100,000.
TEST_F(Channels, a_descriptor_with_a_call_that_takes_no_content_closes) {
  const UniqueFd fd = std::move(*sys::memfd("x", "x", true));
  wire::Request request;
  request.mutable_clock_sleep()->set_duration_ms(60'000);
  request.set_id(1);
  request.set_attached(true);
  client->send(request, &fd);
  EXPECT_THAT(last_words(*client), HasSubstr("takes no content"));
}

TEST_F(Channels, no_descriptor_of_refused_frames_stays) {
  const auto count = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  ASSERT_TRUE(client->call(now()).has_clock_now() && other->call(now()).has_clock_now());
  const auto before = count();
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd = std::move(*sys::memfd("x", "x", false));
    auto mine = served.connect();
    const std::array<int, 2> fds{fd.get(), fd.get()};
    mine->send_bytes(i % 2 ? "garbage" : read_request("/x").SerializeAsString(), std::span(fds).first(i % 2 + 1));
    last_words(*mine);
  }
  for (int i = 0; i < 500 && count() > before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_LE(count(), before);
}

TEST_F(Channels, an_id_that_is_under_way_is_refused) {
  wire::Request request = sleep(300);
  request.set_id(5);
  client->send(request);
  client->send(request);
  EXPECT_EQ(client->receive()->failed().name(), "EEXIST");
  EXPECT_TRUE(client->receive()->has_clock_sleep());
}

TEST_F(Channels, leaving_in_the_middle_of_calls_ends_them) {
  for (int i = 0; i < 20; ++i) {
    auto mine = served.connect();
    for (uint64_t id = 1; id <= 30; ++id) {
      wire::Request request = id % 3 == 0   ? sleep(3'600'000)
                              : id % 3 == 1 ? write_request("/w/a", "x")
                                            : read_request("/w/a");
      request.set_id(id);
      mine->send(request);
    }
  }
  EXPECT_TRUE(other->call(write_request("/w/b", "x")).has_fs_write());
}

TEST_F(Channels, a_call_that_waits_can_be_given_up) {
  wire::Request request = sleep(3'600'000);
  request.set_id(9);
  client->send(request);
  wire::Request cancel;
  cancel.set_id(10);
  cancel.mutable_cancel()->set_call(9);
  client->send(cancel);
  const auto reply = client->receive();
  EXPECT_EQ(reply->id(), 9U);
  EXPECT_EQ(reply->failed().name(), "ECANCELED");
}

TEST_F(Channels, answers_that_nobody_reads_stop_the_reading) {
  served.write("/w/big", std::string(1 << 20, 'x'));
  for (uint64_t id = 1; id <= 40; ++id) {
    wire::Request request = read_request("/w/big");
    request.set_id(id);
    client->send(request);
  }
  // Another is served at once while the first is held back.
  EXPECT_TRUE(other->call(read_request("/w/big")).has_fs_read());
  size_t ends = 0, bytes = 0;
  while (ends < 40) {
    const auto reply = client->receive();
    ASSERT_TRUE(reply.has_value());
    bytes += reply->has_output() ? reply->output().data().size() : reply->fs_read().content().size();
    ends += reply->has_output() ? 0 : 1;
  }
  EXPECT_EQ(bytes, size_t{40} << 20);
}

TEST_F(Channels, calls_at_once_are_bounded_and_sleeps_are_not_counted_among_them) {
  served.write("/w/big", std::string(1 << 20, 'x'));
  for (uint64_t id = 1; id <= 1000; ++id) {
    wire::Request request = sleep(3'600'000);
    request.set_id(id);
    client->send(request);
  }
  EXPECT_TRUE(client->call(now()).id() > 0);
}

// Calls that wait for room in a connection end with it, whatever came in before its end.
TEST_F(Channels, calls_that_wait_for_room_are_given_back_when_the_connection_breaks) {
  served.write("/w/big", std::string(4 << 20, 'x'));
  // What is wrong has to come in while the answer waits: the next frame was asked for before there was any.
  for (uint64_t round = 0; round < Pipeline::kCalls + 8; ++round) {
    auto breaking = served.connect();
    wire::Request request = read_request("/w/big");
    request.set_id(1);
    breaking->send(request);
    const auto first = breaking->receive();
    ASSERT_TRUE(first && first->has_output()) << "round " << round << (first ? first->DebugString() : "");
    int before = -1, waiting = 0;  // until its socket is full, and the rest waits in the broker
    for (int same = 0; same < 4; before = waiting) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ASSERT_EQ(::ioctl(breaking->socket(), FIONREAD, &waiting), 0);
      same = waiting == before && waiting > 100'000 ? same + 1 : 0;
    }
    breaking->send_bytes("\xff\xff garbage");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  wire::Reply reply;
  for (int i = 0; i < 200 && !reply.has_fs_stat(); ++i) {  // the last one's end may still be on its way
    wire::Request request;
    request.mutable_fs_stat()->set_path("/w/big");
    reply = other->call(request);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(reply.has_fs_stat()) << reply.DebugString();
}

TEST(Sleeps, that_cannot_be_recorded_are_none) {
  Setting unrecorded = open_rules();
  unrecorded.fail_journal = EDQUOT;
  const Served served(std::move(unrecorded));
  wire::Request request;
  request.mutable_clock_sleep()->set_duration_ms(1);
  EXPECT_EQ(served.connect()->call(request).limit().which(), "audit");
}

class SilentJournal : public testing::Test {
 protected:
  Served served{{.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work")}), .silent = true}};
};

// Calls go on when their connection has ended, and whoever connects again and again has no more of them for that.
TEST_F(SilentJournal, calls_of_connections_that_ended_are_bounded) {
  served.make_directory("/w");
  const auto limit_of = [&] {
    wire::Request request = write_request("/w/a", "x");
    request.set_id(1);
    for (;;) {  // until the ends of those before have been seen
      const auto client = served.connect();
      client->send(request);
      client->send(request);  // if it is under way, that is said at once
      const auto first = client->receive();
      if (first) return first->has_limit() ? first->limit().value() : 0;
    }
  };
  uint64_t begun = 0;
  while (limit_of() == 0 && begun < 2 * Pipeline::kMostCalls) ++begun;
  EXPECT_EQ(begun, Pipeline::kMostCalls);
  EXPECT_EQ(limit_of(), Pipeline::kCalls);
}

// A denial waits for its record: so many wait, and no more.
TEST_F(SilentJournal, denials_that_wait_are_bounded_like_calls) {
  const auto client = served.connect();
  constexpr uint64_t kSent = Pipeline::kCallsOfChannel + 100;
  for (uint64_t id = 1; id <= kSent; ++id) {
    wire::Request request = read_request("/elsewhere");
    request.set_id(id);
    client->send(request);
  }
  for (uint64_t i = 0; i < 100; ++i) {
    const auto reply = client->receive();
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->limit().value(), Pipeline::kCallsOfChannel) << reply->DebugString();
  }
}

TEST_F(Channels, a_connection_has_one_call_however_many_others_have) {
  served.write("/w/big", std::string(4 << 20, 'x'));
  std::vector<std::unique_ptr<Client>> many;
  for (uint64_t sent = 0; sent < 2 * Pipeline::kCalls; ++sent) {
    if (sent % Pipeline::kCallsOfChannel == 0) many.push_back(served.connect());
    wire::Request request = read_request("/w/big");
    request.set_id(1 + sent);
    many.back()->send(request);
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(other->call(now()).has_clock_now());
    EXPECT_TRUE(served.connect()->call(now()).has_clock_now());
  }
}

TEST_F(Channels, connections_at_once_are_bounded) {
  std::vector<std::unique_ptr<Client>> many;
  for (size_t i = 0; i < Broker::kChannels + 10; ++i) many.push_back(served.connect());
  int refused = 0;
  for (auto& mine : many) {
    wire::Request request = now();
    request.set_id(1);
    mine->send(request);
    refused += mine->receive() ? 0 : 1;
  }
  EXPECT_EQ(refused, 12);  // two are the test's own
  many.clear();
  // As soon as their end has been seen.
  bool taken = false;
  for (int i = 0; i < 500 && !taken; ++i, ::usleep(10'000)) {
    auto next = served.connect();
    wire::Request request = now();
    request.set_id(1);
    next->send(request);
    taken = next->receive().has_value();
  }
  EXPECT_TRUE(taken);
}

// A client leaves its own end in what the broker does not receive, because answers wait: so that never ends.
TEST_F(Channels, connections_that_nobody_can_read_any_more_give_up_their_place) {
  served.write("/w/big", std::string(2 << 20, 'x'));
  int full = 0;
  const auto leave = [&](bool broken) {
    auto mine = served.connect();
    wire::Request request = read_request("/w/big");
    request.set_id(1);
    mine->send(request);
    // Until its socket is full, and the rest waits in the broker; how full that is the first one takes its time to see.
    for (int before = -1, waiting = 0, same = 0; full == 0 || waiting < full; before = waiting) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (::ioctl(mine->socket(), FIONREAD, &waiting) != 0) return;
      same = waiting == before && waiting > 100'000 ? same + 1 : 0;
      if (full == 0 && same == 200) full = waiting;
    }
    request.set_id(2);
    mine->send(request);  // the next frame was asked for before there was any
    if (broken) mine->send_bytes("\xff\xff garbage");
    mine->send_bytes("x", std::array{mine->socket()});
  };
  for (size_t i = 0; i < Broker::kChannels - 2; ++i) leave(i % 2 == 0);  // two are the test's own
  const auto is_served = [&] {
    const auto next = served.connect();
    wire::Request request = now();
    request.set_id(1);
    next->send(request);
    return next->receive().has_value();
  };
  EXPECT_FALSE(is_served()) << "all places are taken";
  bool taken = false;
  for (int i = 0; i < 300 && !taken; ++i, ::usleep(100'000)) taken = is_served();
  EXPECT_TRUE(taken);
  EXPECT_TRUE(recorded("its place was needed"));
  for (const Recorded& one : served.journal())
    if (one.reason.find("its place was needed") != std::string::npos) {
      EXPECT_EQ(one.decision, Effect::allow) << "to read slowly is no fault";
    }
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(is_served());
}

// Descriptors in a socket count for the user of the broker until they are received or their receiver is gone
// (net/core/scm.c), who ended the connection or not.
TEST_F(Channels, descriptors_left_unread_in_connections_that_ended_are_bounded) {
  served.write("/w/file", "x");
  const auto open_request = [] {
    wire::Request out;
    out.mutable_fs_open()->set_path("/w/file");
    out.mutable_fs_open()->set_access(wire::OPEN_READ);
    return out;
  };
  std::vector<std::unique_ptr<Client>> many;
  const auto all_there = [](const Client& of) {
    int bytes = 0;
    return ::ioctl(of.socket(), FIONREAD, &bytes) == 0 && bytes >= 8 * 4;
  };
  bool refused = false;
  for (int i = 0; i < 200 && !refused; ++i) {
    auto mine = served.connect();
    for (uint64_t id = 1; id <= 8; ++id) {
      wire::Request request = open_request();
      request.set_id(id);
      mine->send(request);
    }
    for (int wait = 0; wait < 1000 && !all_there(*mine); ++wait) ::usleep(1000);
    ::usleep(5000);
    mine->send_bytes("\xff\xff garbage");
    refused = other->call(open_request()).has_limit();
    many.push_back(std::move(mine));
  }
  EXPECT_TRUE(refused);
  EXPECT_LE(many.size(), 20U);
  EXPECT_EQ(other->call(open_request()).limit().which(), "descriptors not received");
  EXPECT_TRUE(other->call(read_request("/w/file")).has_fs_read());
  many.pop_back();
  for (size_t i = 0; i < 10; ++i) many.pop_back();
  EXPECT_TRUE(other->call(open_request()).attached()) << "who is gone holds none";
}

// A link in what primitives alone reach: its use is recorded before the answer is sent, and others are carried out
// meanwhile.
TEST(Descriptors, of_answers_that_wait_for_their_record_count_as_unread) {
  Setting setting{.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "all"), brokered(kAll, "/b/**", "vault")}),
                  .brokered = true};
  setting.together = 12;
  const Served served(setting);
  served.make_directory("/w");
  served.write("/w/file", "x");
  served.make_directory(".brokered/b");
  std::filesystem::create_symlink("/w/file", served.root() + ".brokered/b/link");
  const auto client = served.connect();
  for (uint64_t id = 1; id <= 12; ++id) {
    wire::Request request;
    request.mutable_fs_open()->set_path("/b/link");
    request.mutable_fs_open()->set_access(wire::OPEN_READ);
    request.set_id(id);
    client->send(request);
  }
  int attached = 0, limited = 0;
  for (int i = 0; i < 12; ++i) {
    const auto reply = client->receive();
    ASSERT_TRUE(reply);
    attached += reply->attached();
    limited += reply->has_limit();
  }
  EXPECT_EQ(attached, Channel::kDescriptors);
  EXPECT_EQ(limited, 12 - Channel::kDescriptors);
}

// The only buffer is in the first one's hands when the second is told that there is none, and it ends before it hears.
TEST(Channel, that_ends_while_there_is_no_buffer_for_it_is_over) {
  struct Owner final : Channel::Owner {
    void received(Channel&, Received) override {
      ++frames;
      other->end();
    }
    void closed(Channel&, const Error&) override {}
    void idle(Channel& channel) override { over.push_back(&channel); }
    void may_write(Channel&) override {}
    void left_unread(UniqueFd) override {}
    bool takes_descriptors() override { return true; }
    void not_passed(Channel&, const Error&) override {}
    Channel* other = nullptr;
    int frames = 0;
    std::vector<Channel*> over;
  } owner;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  auto reactor = Reactor::create(file_ring(8));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(reactor);
  auto first = *sys::socketpair(SOCK_SEQPACKET), second = *sys::socketpair(SOCK_SEQPACKET);
  auto one = std::make_shared<Channel>(**reactor, std::move(first.a), owner);
  auto two = std::make_shared<Channel>(**reactor, std::move(second.a), owner);
  owner.other = two.get();
  wire::Request request;
  request.set_id(1);
  request.mutable_clock_now();
  const std::string words = request.SerializeAsString();
  ASSERT_EQ(::send(first.b.get(), words.data(), words.size(), 0), static_cast<ssize_t>(words.size()));
  ASSERT_EQ(::send(second.b.get(), words.data(), words.size(), 0), static_cast<ssize_t>(words.size()));
  one->start();
  two->start();
  const Reactor::Time time{.now_ns = boot_ns};
  (*reactor)->wait({}, time, boot_ns() + 50'000'000);
  EXPECT_EQ(owner.frames, 1);
  EXPECT_THAT(owner.over, testing::ElementsAre(two.get()));
  one->end();
  (*reactor)->wait({}, time, boot_ns() + 50'000'000);
  EXPECT_EQ(owner.over.size(), 2U);
}

TEST(Sleeps, of_an_earlier_broker_count_in_the_total) {
  Setting setting = open_rules();
  setting.policy.clock.total_ms = 5000;
  setting.slept_ms = 4990;
  const Served served(setting);
  const auto client = served.connect();
  wire::Request request;
  request.mutable_clock_sleep()->set_duration_ms(11);
  EXPECT_THAT(client->call(request).limit().hint(), HasSubstr("10 ms of it are left"));
  request.mutable_clock_sleep()->set_duration_ms(10);
  EXPECT_TRUE(client->call(request).has_clock_sleep());
}

TEST(Clock, elapsed_is_of_the_run_and_not_of_its_broker) {
  Setting setting = open_rules();
  setting.ran_ns = 7'000'000'000;
  const Served served(setting);
  wire::Request request;
  request.mutable_clock_now();
  EXPECT_GE(served.connect()->call(request).clock_now().elapsed_ns(), 7'000'000'000U);
}

// Of this process.
int64_t processor_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000'000 + used.tv_nsec;
}

TEST(Connections, those_for_which_no_descriptor_is_left_wait_and_cost_nothing) {
  const Served served(open_rules());
  const std::string path = served.socket_path();
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd client(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  wire::Request request;
  request.mutable_clock_now();
  EXPECT_TRUE(served.connect()->call(request).has_clock_now());  // and all that it opens for itself is open
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const int64_t used = processor_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_LT(processor_ns() - used, 100'000'000);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(served.connect()->call(request).has_clock_now());
}

TEST_F(Channels, sleeping_takes_its_time_and_no_more) {
  const int64_t before = boot_ns();
  EXPECT_TRUE(client->call(sleep(120)).has_clock_sleep());
  const int64_t took = boot_ns() - before;
  EXPECT_GE(took, 120'000'000);
  EXPECT_TRUE(client->call(sleep(0)).has_clock_sleep());
}

TEST_F(Channels, a_sleep_with_a_key_is_the_same_sleep) {
  const int64_t before = boot_ns();
  wire::Request first = sleep(300, "night");
  first.set_id(100);
  client->send(first);
  EXPECT_TRUE(other->call(sleep(5'000'000, "night")).has_clock_sleep()) << "what is left of the first";
  EXPECT_LT(boot_ns() - before, 5'000'000'000);
  EXPECT_TRUE(other->call(sleep(5'000'000, "night")).clock_sleep().over_before());
}

TEST_F(Channels, the_time_is_told_in_utc_or_an_offset) {
  EXPECT_THAT(client->call(now()).clock_now().text(), testing::MatchesRegex("20..-..-..T..:..:...*Z"));
  wire::Request request = now();
  request.mutable_clock_now()->set_zone("+05:30");
  EXPECT_THAT(client->call(request).clock_now().text(), testing::EndsWith("+05:30"));
  request.mutable_clock_now()->set_zone("Europe/Berlin");
  EXPECT_EQ(client->call(request).failed().name(), "EINVAL");
}

TEST_F(Channels, why_gives_the_evaluators_own_answer) {
  wire::Request request;
  request.mutable_policy_why()->set_request("fs.read /w/a");
  EXPECT_EQ(client->call(request).policy_why().effect(), "allow");
  EXPECT_EQ(client->call(request).policy_why().rule(), "all");
  request.mutable_policy_why()->set_request("nonsense");
  EXPECT_EQ(client->call(request).failed().name(), "EINVAL");
}

}  // namespace
}  // namespace alos::broker::test
