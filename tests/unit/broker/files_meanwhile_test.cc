#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/unit/broker/files.h"

// What happens to a call in its middle, and what its record says then.
namespace alos::broker::test {
namespace {

class FilesMeanwhile : public Files {};

TEST_F(FilesMeanwhile, names_that_look_the_same_are_told_apart_in_records) {
  std::set<std::string> targets;
  for (const std::string name : {"a\n", "a\\x0a", "a\\\\x0a", "\xff", "\\xff"}) {
    const std::string path = "/w/secret/" + name;
    targets.insert(client->call(read_request(path)).denied().request());
    client->call(write_request("/w/" + name, "x"));
  }
  for (const Recorded& one : served.journal()) targets.insert(one.target);
  EXPECT_EQ(targets.size(), 10U) << "five of denials, five of files that were written";
}

// "Make it if it is not there" is no "only if it is not there", whoever else makes it at the same moment.
TEST_F(FilesMeanwhile, what_others_make_at_the_same_moment_is_added_to) {
  constexpr int kClients = 4, kFiles = 100;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(served.connect());
  served.write("/w/source", "copied");
  for (int file = 0; file < kFiles; ++file) {
    const std::string path = fmt::format("/w/all-{}", file);
    wire::Request append, write, copy;
    append.mutable_fs_append()->set_path(path);
    append.mutable_fs_append()->set_content("x");
    append.mutable_fs_append()->set_create(true);
    write = write_request(path + "-written", "y");
    copy.mutable_fs_copy()->set_from("/w/source");
    copy.mutable_fs_copy()->set_to(path + "-copied");
    uint64_t id = 0;
    for (wire::Request* request : {&append, &write, &copy}) {
      request->set_id(++id);
      for (auto& mine : clients) mine->send(*request);
    }
    for (auto& mine : clients)
      for (uint64_t i = 0; i < id; ++i) {
        const auto reply = mine->receive();
        ASSERT_TRUE(reply);
        EXPECT_FALSE(reply->has_failed()) << reply->failed().operation() << " " << reply->failed().name();
      }
    EXPECT_EQ(served.read(path), std::string(kClients, 'x'));
    EXPECT_EQ(served.read(path + "-copied"), "copied");
  }
}

TEST_F(FilesMeanwhile, a_copy_that_cannot_be_taken_away_again_is_said) {
  served.write("/w/big", std::string(32 << 20, 'x'));
  served.make_directory("/w/d");
  const std::string directory = served.root() + "/w/d";
  wire::Reply reply;
  for (int i = 0; i < 50 && !reply.has_failed(); ++i) {  // until it was not done before
    ::chmod(directory.c_str(), 0755);
    wire::Request copy;
    copy.set_id(1);
    copy.mutable_fs_copy()->set_from("/w/big");
    copy.mutable_fs_copy()->set_to(fmt::format("/w/d/{}", i));
    client->send(copy);
    const auto begun = [&] {
      const auto all = std::filesystem::directory_iterator(directory);
      return std::ranges::any_of(all,
                                 [](const auto& one) { return one.path().filename().string().starts_with(".alos-"); });
    };
    for (int j = 0; j < 100'000 && !begun() && !served.exists(copy.fs_copy().to()); ++j) continue;
    ::chmod(directory.c_str(), 0555);
    reply = client->receive().value_or(wire::Reply());
  }
  EXPECT_EQ(reply.failed().name(), "EACCES");
  EXPECT_TRUE(reply.failed().partial());
  EXPECT_THAT(reply.failed().hint(), testing::HasSubstr(" is left beside it"));
  ::chmod(directory.c_str(), 0755);
}

TEST_F(FilesMeanwhile, what_is_given_up_when_its_file_was_made_is_done_in_part) {
  int made = 0;
  for (uint64_t i = 1; i <= 200; ++i) {
    const std::string path = fmt::format("/w/new-{}", i);
    wire::Request append, cancel;
    append.set_id(2 * i);
    append.mutable_fs_append()->set_path(path);
    append.mutable_fs_append()->set_content("x");
    append.mutable_fs_append()->set_create(true);
    cancel.set_id(2 * i + 1);
    cancel.mutable_cancel()->set_call(2 * i);
    client->send(append);
    client->send(cancel);
    const auto reply = client->receive();
    ASSERT_TRUE(reply);
    if (!reply->has_failed()) continue;  // it was too late
    EXPECT_EQ(reply->failed().name(), "ECANCELED");
    EXPECT_EQ(reply->failed().partial(), served.exists(path));
    made += served.exists(path) ? 1 : 0;
  }
  EXPECT_GT(made, 0);
}

}  // namespace
}  // namespace alos::broker::test
