#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/broker/files.h"

// A condition holds for the act that it is of: between the two no other call changes the file.
namespace alos::broker::test {
namespace {

constexpr const char* kFile = "/w/file";
constexpr int kRounds = 150;

class FilesConditional : public Files {
 protected:
  static wire::Request write(const std::string& content, bool in_place = false) {
    wire::Request out = write_request(kFile, content);
    out.mutable_fs_write()->set_in_place(in_place);
    return out;
  }
  static wire::Request append(const std::string& content) {
    wire::Request out;
    out.mutable_fs_append()->set_path(kFile);
    out.mutable_fs_append()->set_content(content);
    return out;
  }
  static wire::Request remove() {
    wire::Request out;
    out.mutable_fs_remove()->set_path(kFile);
    return out;
  }
  static wire::Request only_if(wire::Request request, const std::string& version) {
    if (request.has_fs_write()) request.mutable_fs_write()->set_if_version(version);
    if (request.has_fs_append()) request.mutable_fs_append()->set_if_version(version);
    if (request.has_fs_remove()) request.mutable_fs_remove()->set_if_version(version);
    return request;
  }
  std::string version() { return client->call(read_request(kFile)).fs_read().version(); }
  std::string content() { return served.exists(kFile) ? served.read(kFile) : "gone"; }

  // Both at the same moment, by two clients.
  std::array<bool, 2> at_once(std::array<wire::Request, 2> requests) {
    std::array<Client*, 2> clients{client.get(), other.get()};
    for (size_t i = 0; i < 2; ++i) {
      requests[i].set_id(clients[i]->next_id++);
      clients[i]->send(requests[i]);
    }
    std::array<bool, 2> out{};
    for (size_t i = 0; i < 2; ++i) {
      const auto reply = clients[i]->receive();
      out[i] = reply && !reply->has_failed();
      if (reply && reply->has_failed()) {
        EXPECT_THAT(reply->failed().name(), testing::AnyOf("ESTALE", "ENOENT"));
      }
    }
    return out;
  }
  std::unique_ptr<Client> other = served.connect();
};

TEST_F(FilesConditional, of_two_calls_with_one_version_one_is_done) {
  const std::array<wire::Request, 4> calls{write("whole"), write("place", true), append("added"), remove()};
  for (int round = 0; round < kRounds; ++round)
    for (const wire::Request& first : calls)
      for (const wire::Request& second : calls) {
        served.write(kFile, fmt::format("{}", round));
        const std::string was = version();
        const auto done = at_once({only_if(first, was), only_if(second, was)});
        ASSERT_EQ(done[0] + done[1], 1) << first.ShortDebugString() << " | " << second.ShortDebugString();
      }
}

// What is done without one comes before or after it, not between.
TEST_F(FilesConditional, nothing_that_was_done_is_lost_to_a_condition_that_held_before) {
  for (int round = 0; round < kRounds; ++round)
    for (const bool in_place : {false, true}) {
      served.write(kFile, "old");
      const auto done = at_once({only_if(write("new", in_place), version()), append("+")});
      ASSERT_TRUE(done[1]);
      ASSERT_EQ(content(), done[0] ? "new+" : "old+") << "in place: " << in_place;
    }
}

// The version that a write answers stands for what that wrote: of a file to which another added at the same moment it
// is none, or the condition fails.
TEST_F(FilesConditional, a_version_that_a_write_was_told_is_not_of_what_another_wrote) {
  int beside = 0;
  for (int round = 0; round < kRounds; ++round)
    for (const bool in_place : {false, true}) {
      served.write(kFile, "long enough to be cut");
      std::array<wire::Request, 2> both{write("mine", in_place), append("+theirs")};
      for (size_t i = 0; i < 2; ++i) {
        both[i].set_id(i + 1);
        (i == 0 ? *client : *other).send(both[i]);
      }
      const auto told = client->receive();
      const auto added = other->receive();
      ASSERT_TRUE(told && !told->has_failed() && added && !added->has_failed());
      const bool is_mine_alone = content() == "mine";
      const bool changed =
          !client->call(only_if(write("mine, and more", in_place), told->fs_write().version())).has_failed();
      ASSERT_TRUE(!changed || is_mine_alone) << "what was added is lost; in place: " << in_place;
      beside += is_mine_alone ? 0 : 1;
    }
  EXPECT_GT(beside, 0) << "there must be something to race for";
}

TEST_F(FilesConditional, what_replaces_what_is_there_makes_nothing) {
  wire::Request replace = write("new");
  replace.mutable_fs_write()->set_mode(wire::REPLACE);
  for (int round = 0; round < kRounds; ++round) {
    served.write(kFile, "old");
    const auto done = at_once({replace, remove()});
    ASSERT_TRUE(done[1]);
    ASSERT_EQ(content(), "gone") << "replaced: " << done[0];
  }
}

TEST_F(FilesConditional, a_counter_that_all_count_up_misses_none) {
  constexpr int kClients = 4, kEach = 25;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(served.connect());
  served.write(kFile, "0");
  std::array<int, kClients> left{};
  left.fill(kEach);
  int conflicts = 0;
  while (std::ranges::any_of(left, [](int n) { return n > 0; })) {
    std::array<wire::Request, kClients> next;
    for (int i = 0; i < kClients; ++i) {
      const wire::Reply read = clients[i]->call(read_request(kFile));
      next[i] = only_if(write(std::to_string(std::stoi(read.fs_read().content()) + 1)), read.fs_read().version());
      next[i].set_id(clients[i]->next_id++);
    }
    for (int i = 0; i < kClients; ++i)
      if (left[i] > 0) clients[i]->send(next[i]);
    for (int i = 0; i < kClients; ++i) {
      if (left[i] == 0) continue;
      const bool counted = !clients[i]->receive()->has_failed();
      left[i] -= counted;
      conflicts += !counted;
    }
  }
  EXPECT_EQ(content(), std::to_string(kClients * kEach));
  EXPECT_GT(conflicts, 0) << "there must be something to race for";
}

}  // namespace
}  // namespace alos::broker::test
