#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/sys.h"
#include "tests/unit/broker/files.h"

// A write makes its file under a name beside, and gives it its own by a rename of that name: what has come to be called
// so by then would be put in its place.
namespace alos::broker::test {
namespace {

using policy::kRead;
using policy::kWrite;
using testing::HasSubstr;

constexpr const char* kFresh = "/v/.alos-0123456789abcdef";

class FilesFresh : public Files {
 protected:
  static Setting excepting_dotfiles() {
    policy::FileRule reading = brokered(kRead, "/v/**", "reading");
    reading.except.push_back({policy::Pattern::parse("/v/**/.*").value(), "", {}});
    return {.policy = rules({rule(policy::Effect::allow, policy::kAll, {"/w/**"}, "work"), std::move(reading),
                             brokered(kWrite | policy::Right::stat, "/v/**", "writing")}),
            .brokered = true};
  }
  FilesFresh() : Files(excepting_dotfiles()) {
    served.write(".brokered/v/.token", "secret");
    served.write(".brokered/v/plain", "p");
  }
  void is_kept(const wire::Request& request) {
    const wire::Reply reply = client->call(request);
    EXPECT_EQ(reply.failed().name(), "EBUSY") << reply.DebugString();
    EXPECT_THAT(reply.failed().hint(), HasSubstr("until it is put in its place"));
  }
  wire::Request onto_it(const std::string& from) {
    wire::Request request = rename_request(from, kFresh);
    request.mutable_fs_rename()->set_replace(true);
    return request;
  }
};

TEST_F(FilesFresh, nothing_gets_such_a_name_and_what_has_it_is_not_changed) {
  for (const bool there : {false, true}) {
    if (there) served.write(std::string(".brokered") + kFresh, "half");
    is_kept(onto_it("/v/.token"));
    is_kept(write_request(kFresh, "x"));
    is_kept(rename_request(kFresh, "/v/.other"));
    wire::Request append, copy, directory;
    append.mutable_fs_append()->set_path(kFresh);
    append.mutable_fs_append()->set_content("x");
    append.mutable_fs_append()->set_create(true);
    is_kept(append);
    copy.mutable_fs_copy()->set_from("/v/plain");
    copy.mutable_fs_copy()->set_to(kFresh);
    is_kept(copy);
    directory.mutable_fs_mkdir()->set_path(kFresh);
    is_kept(directory);
    EXPECT_EQ(served.exists(std::string(".brokered") + kFresh), there);
  }
  EXPECT_EQ(served.read(std::string(".brokered") + kFresh), "half");
}

TEST_F(FilesFresh, it_is_not_reached_by_a_link) {
  served.write(std::string(".brokered") + kFresh, "half");
  std::filesystem::create_symlink(kFresh, served.root() + ".brokered/v/link");
  std::filesystem::create_symlink(kFresh, served.root() + "/w/link");
  for (const char* link : {"/v/link", "/w/link"}) {
    wire::Request append;
    append.mutable_fs_append()->set_path(link);
    append.mutable_fs_append()->set_content("x");
    is_kept(append);
  }
}

TEST_F(FilesFresh, it_is_the_same_in_capitals) {
  is_kept(write_request("/v/.Alos-0123456789ABCDEF", "x"));
}

// A broker that was killed may have left it.
TEST_F(FilesFresh, it_can_be_looked_at_and_removed) {
  served.write(std::string(".brokered") + kFresh, "half");
  EXPECT_TRUE(stat(kFresh).has_fs_stat());
  wire::Request remove;
  remove.mutable_fs_remove()->set_path(kFresh);
  EXPECT_TRUE(client->call(remove).has_fs_remove());
}

TEST_F(FilesFresh, others_are_names_like_any) {
  for (const char* name : {"/v/.alos-0123456789abcde", "/v/.alos-0123456789abcdef0", "/v/.alos-0123456789abcdeg",
                           "/v/alos-0123456789abcdef"})
    EXPECT_TRUE(client->call(write_request(name, "x")).has_fs_write()) << name;
  const std::string in_box = std::string("/w/") + std::filesystem::path(kFresh).filename().string();
  EXPECT_TRUE(client->call(write_request(in_box, "x")).has_fs_write()) << "there the kernel's walls hold";
}

TEST_F(FilesFresh, no_file_takes_the_place_of_what_is_being_written) {
  const std::string tree = served.root() + ".brokered/v";
  UniqueFd content = *sys::memfd("content", std::string(16 << 20, 'x'), true);
  auto other = served.connect();
  int raced = 0;
  for (int i = 0; i < 20; ++i) {
    wire::Request request = write_request("/v/out", "");
    request.set_id(client->next_id++);
    request.set_attached(true);
    client->send(request, &content);
    std::string fresh;
    for (int k = 0; k < 10'000 && fresh.empty(); ++k)
      for (const auto& entry : std::filesystem::directory_iterator(tree))
        if (const std::string name = entry.path().filename(); name.starts_with(".alos-")) fresh = name;
    wire::Request onto = rename_request("/v/.token", "/v/" + fresh);
    onto.mutable_fs_rename()->set_replace(true);
    if (!fresh.empty()) raced += other->call(onto).failed().code() == EBUSY;
    EXPECT_TRUE(client->receive()->has_fs_write());
    ASSERT_EQ(std::filesystem::file_size(tree + "/out"), 16U << 20) << "round " << i;
    ASSERT_TRUE(std::filesystem::exists(tree + "/.token"));
  }
  EXPECT_GT(raced, 0) << "there must be something to race for";
}

}  // namespace
}  // namespace alos::broker::test
