#include "shim/client/client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "peer.h"

namespace alos::client {
namespace {

using test::Asked;
using test::Peer;
using test::Talk;

const std::string kLarge(200'000, 'L');

// Every primitive that there is.
template <class Body>
void each_primitive(Body body) {
#define ALOS_CALL(Message, ...) body(wire::Message());
#include "alos/calls.inc"
#undef ALOS_CALL
}

Client connected(const Peer& peer) {
  auto client = Client::connect(peer.path());
  if (!client) throw std::runtime_error(client.error().text());
  return *std::move(client);
}

wire::FsRead read_of(const std::string& path) {
  wire::FsRead out;
  out.set_path(path);
  return out;
}

wire::FsWrite write_of(const std::string& content) {
  wire::FsWrite out;
  out.set_path("/x");
  out.set_content(content);
  return out;
}

wire::ShellRun run_of(const std::string& program) {
  wire::ShellRun out;
  out.add_argv(program);
  return out;
}

// Answers every request with `make(id)`.
Peer::Script always(wire::Reply (*make)(uint64_t)) {
  return [make](Talk& talk) {
    for (;;) talk.say(make(talk.ask().id()));
  };
}

template <class Call>
wire::Reply ok_reply(uint64_t id) {
  wire::Reply out = test::reply_to(id);
  (void)CallTraits<Call>::of(out);
  return out;
}

TEST(Client, every_primitive_ends_with_its_own_result) {
  each_primitive([]<class Call>(Call call) {
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const Peer peer([&](Talk& talk) {
      const Asked asked = talk.ask();
      wire::Request same;
      (void)CallTraits<Call>::of(same);
      EXPECT_EQ(asked.request.call_case(), same.call_case()) << CallTraits<Call>::name;
      wire::Reply reply = ok_reply<Call>(asked.id());
      reply.set_attached(std::is_same_v<Call, wire::FsOpen>);
      talk.say(reply, reply.attached() ? std::vector{file.get()} : std::vector<int>{});
    });
    Client client = connected(peer);
    EXPECT_TRUE(client.send(call).wait()) << CallTraits<Call>::name;
  });
}

TEST(Client, every_primitive_can_be_denied_fail_meet_a_limit_and_be_unknown) {
  each_primitive([]<class Call>(Call call) {
    SCOPED_TRACE(CallTraits<Call>::name);
    const auto ending = [&](wire::Reply (*make)(uint64_t)) {
      const Peer peer(always(make));
      return connected(peer).send(call).wait();
    };
    const auto denied = ending(test::denied_reply);
    ASSERT_TRUE(denied.denied());
    EXPECT_FALSE(denied);
    EXPECT_EQ(denied.denied()->rule(), "secrets");
    const auto failed = ending(test::failed_reply);
    ASSERT_TRUE(failed.failed());
    EXPECT_EQ(failed.failed()->code(), ENOENT);
    const auto limit = ending(test::limit_reply);
    ASSERT_TRUE(limit.limit());
    EXPECT_EQ(limit.limit()->value(), 64U);
    const auto unknown = ending(test::unknown_reply);
    ASSERT_TRUE(unknown.unknown());
    EXPECT_EQ(unknown.unknown()->operation(), "fs.write");
  });
}

TEST(Client, a_lost_connection_is_a_failure_only_where_nothing_can_have_happened) {
  each_primitive([]<class Call>(Call call) {
    SCOPED_TRACE(CallTraits<Call>::name);
    const Peer peer([](Talk& talk) { (void)talk.ask(); });
    const auto ending = connected(peer).send(call).wait();
    if (CallTraits<Call>::effect == EffectClass::observe) {
      ASSERT_TRUE(ending.failed());
      EXPECT_EQ(ending.failed()->code(), ECONNRESET);
      EXPECT_EQ(ending.failed()->name(), "ECONNRESET");
    } else {
      ASSERT_TRUE(ending.unknown());
      EXPECT_EQ(ending.unknown()->operation(), CallTraits<Call>::name);
      EXPECT_NE(ending.unknown()->hint(), "");
    }
  });
}

TEST(Client, what_was_never_sent_failed_whatever_its_effect) {
  const Peer peer([](Talk& talk) { (void)talk.ask(); });
  Client client = connected(peer);
  ASSERT_TRUE(client.fs_read(read_of("/x")).failed());
  const auto write = client.fs_write(write_of("x"));
  ASSERT_TRUE(write.failed());
  EXPECT_EQ(write.failed()->code(), ECONNRESET);
  EXPECT_EQ(write.failed()->object(), peer.path());
}

TEST(Client, a_broker_that_closes_with_requests_unread_loses_them_all) {
  std::atomic<int> sent = 0;
  const Peer peer([&](Talk&) {
    while (sent < 3) ::usleep(1000);
  });
  Client client = connected(peer);
  auto read = client.send(read_of("/x"));
  auto write = client.send(write_of("x"));
  auto run = client.send(run_of("true"));
  sent = 3;
  EXPECT_EQ(read.wait().failed()->code(), ECONNRESET);
  EXPECT_TRUE(write.wait().unknown());
  EXPECT_TRUE(run.wait().unknown());
}

TEST(Client, what_the_broker_said_before_it_closed_still_counts) {
  std::atomic<bool> sent = false;
  const Peer peer([&](Talk& talk) {
    talk.say(ok_reply<wire::FsRead>(talk.ask().id()));
    while (!sent) ::usleep(1000);  // with the second request unread, closing is a reset
  });
  Client client = connected(peer);
  auto read = client.send(read_of("/x"));
  auto write = client.send(write_of("x"));
  sent = true;
  ::usleep(50'000);
  EXPECT_TRUE(read.wait());
  EXPECT_TRUE(write.wait().unknown());
}

TEST(Client, a_reply_of_the_connection_ends_it_and_gives_its_reason) {
  const Peer peer([](Talk& talk) {
    (void)talk.ask();
    wire::Reply reply;
    reply.mutable_failed()->set_operation("decode");
    reply.mutable_failed()->set_hint("a field that is not listed");
    talk.say(reply);
    talk.linger();
  });
  Client client = connected(peer);
  const auto read = client.fs_read(read_of("/x"));
  ASSERT_TRUE(read.failed());
  EXPECT_THAT(read.failed()->hint(), testing::HasSubstr("a field that is not listed"));
  EXPECT_THAT(client.fs_write(write_of("")).failed()->hint(), testing::HasSubstr("a field that is not listed"));
}

TEST(Client, content_that_fits_a_frame_goes_in_it) {
  const Peer peer([](Talk& talk) {
    const Asked asked = talk.ask();
    EXPECT_FALSE(asked.request.attached());
    EXPECT_TRUE(asked.descriptors.empty());
    EXPECT_EQ(asked.request.fs_write().content(), std::string(kMaxInline, 'c'));
    talk.say(ok_reply<wire::FsWrite>(asked.id()));
  });
  EXPECT_TRUE(connected(peer).fs_write(write_of(std::string(kMaxInline, 'c'))));
}

TEST(Client, longer_content_goes_in_a_sealed_memfd) {
  const Peer peer([](Talk& talk) {
    const Asked asked = talk.ask();
    EXPECT_TRUE(asked.request.attached());
    EXPECT_EQ(asked.request.fs_write().content(), "");
    EXPECT_EQ(asked.descriptors.size(), 1U);
    constexpr int kAll = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    EXPECT_EQ(::fcntl(asked.descriptors.at(0).get(), F_GET_SEALS), kAll);
    EXPECT_EQ(asked.content(), kLarge);
    talk.say(ok_reply<wire::FsWrite>(asked.id()));
  });
  EXPECT_TRUE(connected(peer).fs_write(write_of(kLarge)));
}

TEST(Client, every_argument_that_is_content_may_be_long) {
  wire::FsAppend append;
  append.set_content(kLarge);
  wire::ShellRun run = run_of("cat");
  run.set_stdin(kLarge);
  const Peer peer([](Talk& talk) {
    for (;;) {
      const Asked asked = talk.ask();
      EXPECT_EQ(asked.content(), kLarge);
      talk.say(asked.request.has_fs_append() ? ok_reply<wire::FsAppend>(asked.id())
                                             : ok_reply<wire::ShellRun>(asked.id()));
    }
  });
  Client client = connected(peer);
  EXPECT_TRUE(client.fs_append(append));
  EXPECT_TRUE(client.shell_run(run));
}

TEST(Client, content_of_an_answer_comes_from_frame_or_memfd_alike) {
  const Peer peer([](Talk& talk) {
    wire::Reply reply = ok_reply<wire::FsRead>(talk.ask().id());
    reply.mutable_fs_read()->set_content("short");
    talk.say(reply);
    reply = ok_reply<wire::FsRead>(talk.ask().id());
    reply.set_attached(true);
    reply.mutable_fs_read()->set_version("v");
    talk.say(reply, {sys::memfd("content", kLarge, true)->get()});
  });
  Client client = connected(peer);
  EXPECT_EQ(client.fs_read(read_of("/x"))->content(), "short");
  auto large = client.fs_read(read_of("/x"));
  EXPECT_EQ(large->content(), kLarge);
  EXPECT_EQ(large->version(), "v");
}

TEST(Client, an_opened_file_is_the_descriptor_that_came) {
  const Peer peer([](Talk& talk) {
    wire::Reply reply = ok_reply<wire::FsOpen>(talk.ask().id());
    reply.set_attached(true);
    talk.say(reply, {sys::memfd("file", "what is in it", false)->get()});
  });
  auto opened = connected(peer).fs_open({});
  ASSERT_TRUE(opened);
  EXPECT_EQ(*sys::read_file(opened->descriptor.get(), 100), "what is in it");
  EXPECT_NE(::fcntl(opened->descriptor.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(Client, a_file_is_not_open_without_a_descriptor) {
  const Peer peer([](Talk& talk) {
    talk.say(ok_reply<wire::FsOpen>(talk.ask().id()));
    talk.linger();
  });
  Client client = connected(peer);
  EXPECT_EQ(client.fs_open({}).failed()->code(), EPROTO);
  EXPECT_TRUE(client.fs_mkdir({}).failed());
}

wire::Reply output(uint64_t id, const std::string& data, bool error = false) {
  wire::Reply out = test::reply_to(id);
  out.mutable_output()->set_data(data);
  out.mutable_output()->set_error(error);
  return out;
}

Peer::Script talkative() {
  return [](Talk& talk) {
    const uint64_t id = talk.ask().id();
    talk.say(output(id, "one "));
    talk.say(output(id, "oops", true));
    wire::Reply large = output(id, "");
    large.set_attached(true);
    talk.say(large, {sys::memfd("output", kLarge, true)->get()});
    wire::Reply reply = ok_reply<wire::ShellRun>(id);
    reply.mutable_shell_run()->set_code(7);
    talk.say(reply);
  };
}

TEST(Client, what_a_command_writes_is_gathered) {
  const Peer peer(talkative());
  auto run = connected(peer).shell_run(run_of("make"));
  ASSERT_TRUE(run);
  EXPECT_EQ(run->output, "one " + kLarge);
  EXPECT_EQ(run->error, "oops");
  EXPECT_EQ(run->result.code(), 7);
}

TEST(Client, what_a_command_writes_is_given_as_it_comes) {
  const Peer peer([](Talk& talk) {
    const uint64_t id = talk.ask().id();
    talk.say(output(id, "first"));
    (void)talk.ask();  // sent by the callback: the call has not ended
    talk.say(ok_reply<wire::ShellRun>(id));
    talk.linger();
  });
  Client client = connected(peer);
  auto run = client.send(run_of("make"));
  std::string seen;
  auto ended = run.wait([&](std::string_view data, bool) {
    seen += data;
    (void)client.send(read_of("/x"));
  });
  EXPECT_TRUE(ended);
  EXPECT_EQ(seen, "first");
}

TEST(Client, a_command_whose_broker_goes_away_in_its_middle_is_unknown) {
  const Peer peer([](Talk& talk) { talk.say(output(talk.ask().id(), "half")); });
  std::string seen;
  Client client = connected(peer);
  EXPECT_TRUE(client.send(run_of("make")).wait([&](std::string_view data, bool) { seen += data; }).unknown());
  EXPECT_EQ(seen, "half");
}

TEST(Client, answers_may_come_in_any_order) {
  const Peer peer([](Talk& talk) {
    std::vector<Asked> asked;
    for (int i = 0; i < 10; ++i) asked.push_back(talk.ask());
    for (; !asked.empty(); asked.pop_back()) {
      wire::Reply reply = ok_reply<wire::FsRead>(asked.back().id());
      reply.mutable_fs_read()->set_content(asked.back().request.fs_read().path());
      talk.say(reply);
    }
    talk.linger();
  });
  Client client = connected(peer);
  std::vector<Pending<wire::FsRead>> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(client.send(read_of("/" + std::to_string(i))));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(calls[i].wait()->content(), "/" + std::to_string(i));
}

TEST(Client, threads_share_a_connection) {
  const Peer peer([](Talk& talk) {
    for (;;) {
      const Asked asked = talk.ask();
      wire::Reply reply = ok_reply<wire::FsRead>(asked.id());
      reply.mutable_fs_read()->set_content(asked.request.fs_read().path());
      talk.say(reply);
    }
  });
  Client client = connected(peer);
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string path = "/" + std::to_string(t) + "/" + std::to_string(i);
        auto read = client.fs_read(read_of(path));
        if (read && read->content() == path) ++right;
      }
    });
  threads.clear();
  EXPECT_EQ(right, 800);
}

// Neither side may wait for the other for ever: the peer stops reading until its answers are read.
TEST(Client, a_broker_that_reads_no_more_until_it_is_read_is_read) {
  const Peer peer([](Talk& talk) {
    for (int i = 0; i < 200; ++i) {
      wire::Reply reply = ok_reply<wire::FsRead>(talk.ask().id());
      reply.mutable_fs_read()->set_content(std::string(40'000, 'x'));
      talk.say(reply);
    }
    talk.linger();
  });
  Client client = connected(peer);
  std::vector<Pending<wire::FsRead>> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(client.send(read_of("/" + std::string(4000, 'p'))));
  for (auto& call : calls) EXPECT_TRUE(call.wait());
}

TEST(Client, a_slow_broker_is_waited_for) {
  const Peer peer([](Talk& talk) {
    const uint64_t id = talk.ask().id();
    ::usleep(300'000);
    talk.say(ok_reply<wire::FsRead>(id));
  });
  Client client = connected(peer);
  auto read = client.send(read_of("/x"));
  EXPECT_FALSE(read.ended());
  EXPECT_TRUE(read.wait());
}

TEST(Client, a_cancelled_call_ends_as_the_broker_says) {
  const Peer peer([](Talk& talk) {
    const uint64_t id = talk.ask().id();
    const Asked cancel = talk.ask();
    EXPECT_EQ(cancel.request.cancel().call(), id);
    EXPECT_NE(cancel.id(), id);
    EXPECT_NE(cancel.id(), 0U);
    wire::Reply reply = test::reply_to(id);
    reply.mutable_failed()->set_code(ECANCELED);
    talk.say(reply);
    talk.linger();
  });
  Client client = connected(peer);
  auto sleep = client.send(wire::ClockSleep());
  sleep.cancel();
  EXPECT_EQ(sleep.wait().failed()->code(), ECANCELED);
}

TEST(Client, the_answer_of_a_call_given_up_is_thrown_away) {
  const Peer peer([](Talk& talk) {
    const uint64_t first = talk.ask().id();
    const uint64_t second = talk.ask().id();
    talk.say(output(first, "x"));
    talk.say(ok_reply<wire::ShellRun>(first));
    talk.say(ok_reply<wire::FsRead>(second));
  });
  Client client = connected(peer);
  {
    auto dropped = client.send(run_of("true"));
  }
  EXPECT_TRUE(client.fs_read(read_of("/x")));
}

TEST(Client, a_request_that_no_frame_holds_is_a_limit_and_is_not_sent) {
  const Peer peer(always([](uint64_t id) { return ok_reply<wire::FsRead>(id); }));
  Client client = connected(peer);
  const auto run = client.shell_run(run_of(std::string(kMaxFrame, 'a')));
  ASSERT_TRUE(run.limit());
  EXPECT_EQ(run.limit()->value(), kMaxFrame);
  EXPECT_TRUE(client.fs_read(read_of("/x"))) << "the connection goes on";
}

TEST(Client, no_broker_is_said_with_what_that_means) {
  const auto client = Client::connect("/nonexistent/socket");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ENOENT);
  EXPECT_THAT(client.error().text(), testing::HasSubstr("not in a box"));
  EXPECT_EQ(Client::connect(std::string(200, 'x')).error().code, ENAMETOOLONG);
}

// What a broker must never send. Nothing of it is believed, and the connection is not used again.
struct Lie {
  const char* name;
  void (*tell)(Talk& talk, uint64_t id);
};
class Lies : public testing::TestWithParam<Lie> {};

void attached_with(Talk& talk, uint64_t id, const std::vector<int>& descriptors) {
  wire::Reply reply = ok_reply<wire::FsRead>(id);
  reply.set_attached(true);
  talk.say(reply, descriptors);
}

TEST_P(Lies, end_the_connection_and_every_call_in_flight) {
  const Peer peer([](Talk& talk) {
    const uint64_t id = talk.ask().id();
    (void)talk.ask();
    GetParam().tell(talk, id);
    talk.linger();
  });
  Client client = connected(peer);
  auto read = client.send(read_of("/x"));
  auto write = client.send(write_of("x"));
  const auto answer = read.wait();
  ASSERT_TRUE(answer.failed());
  EXPECT_NE(answer.failed()->code(), 0);
  EXPECT_TRUE(write.wait().unknown());
  EXPECT_TRUE(client.fs_write(write_of("y")).failed());
}

INSTANTIATE_TEST_SUITE_P(
    , Lies,
    testing::Values(
        Lie{"garbage", [](Talk& talk, uint64_t) { talk.say_bytes("\xff\xff\xff\xff"); }},
        Lie{"a_long_frame", [](Talk& talk, uint64_t) { talk.say_bytes(std::string(kMaxFrame + 1, '\0')); }},
        Lie{"another_id", [](Talk& talk, uint64_t id) { talk.say(ok_reply<wire::FsRead>(id + 17)); }},
        Lie{"no_answer", [](Talk& talk, uint64_t id) { talk.say(test::reply_to(id)); }},
        Lie{"the_answer_to_another_call", [](Talk& talk, uint64_t id) { talk.say(ok_reply<wire::FsStat>(id)); }},
        Lie{"no_descriptor", [](Talk& talk, uint64_t id) { attached_with(talk, id, {}); }},
        Lie{"a_descriptor_unannounced",
            [](Talk& talk, uint64_t id) { talk.say(ok_reply<wire::FsRead>(id), {sys::memfd("x", "x", true)->get()}); }},
        Lie{"two_descriptors",
            [](Talk& talk, uint64_t id) {
              const auto one = sys::memfd("x", "x", true);
              attached_with(talk, id, {one->get(), one->get()});
            }},
        Lie{"many_descriptors",
            [](Talk& talk, uint64_t id) {
              const auto one = sys::memfd("x", "x", true);
              attached_with(talk, id, std::vector<int>(100, one->get()));
            }},
        Lie{"a_denial_with_a_descriptor",
            [](Talk& talk, uint64_t id) {
              wire::Reply reply = test::denied_reply(id);
              reply.set_attached(true);
              talk.say(reply, {sys::memfd("x", "x", true)->get()});
            }},
        Lie{"an_unsealed_memfd",
            [](Talk& talk, uint64_t id) { attached_with(talk, id, {sys::memfd("x", "x", false)->get()}); }},
        Lie{"a_half_sealed_memfd",
            [](Talk& talk, uint64_t id) {
              const auto half = sys::memfd("x", "x", false);
              ::fcntl(half->get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL);
              attached_with(talk, id, {half->get()});
            }},
        Lie{"a_pipe",
            [](Talk& talk, uint64_t id) {
              const auto pipe = sys::pipe();
              attached_with(talk, id, {pipe->a.get()});
            }},
        Lie{"too_much_content",
            [](Talk& talk, uint64_t id) {
              const auto huge = sys::memfd("x", "", false);
              ASSERT_EQ(::ftruncate(huge->get(), kMaxContent + 1), 0);
              ::fcntl(huge->get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
              attached_with(talk, id, {huge->get()});
            }},
        Lie{"an_answer_after_closing_its_side", [](Talk& talk, uint64_t) { ::shutdown(talk.socket(), SHUT_WR); }}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(Client, an_answer_given_twice_ends_the_connection_and_the_first_counts) {
  const Peer peer([](Talk& talk) {
    const uint64_t id = talk.ask().id();
    (void)talk.ask();
    wire::Reply reply = ok_reply<wire::FsRead>(id);
    reply.mutable_fs_read()->set_content("first");
    talk.say(reply);
    reply.mutable_fs_read()->set_content("second");
    talk.say(reply);
    talk.linger();
  });
  Client client = connected(peer);
  auto read = client.send(read_of("/x"));
  EXPECT_TRUE(client.fs_write(write_of("x")).unknown());
  EXPECT_EQ(read.wait()->content(), "first");
}

TEST(Client, no_descriptor_is_left_open_by_refused_answers) {
  const auto open_descriptors = [] {
    return sys::list(sys::open("/proc/self/fd", O_RDONLY | O_DIRECTORY)->get())->size();
  };
  const size_t before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    const Peer peer([](Talk& talk) {
      const auto one = sys::memfd("x", "x", true);
      attached_with(talk, talk.ask().id(), std::vector<int>(100, one->get()));
    });
    EXPECT_TRUE(connected(peer).fs_read(read_of("/x")).failed());
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace alos::client
