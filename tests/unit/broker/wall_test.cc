// The wall behind the policy: a broker whose decisions always allow, for every primitive that takes a path. What is
// outside of the agent's rights fails all the same, by Landlock, by modes and owners, or because it is not in its view;
// and a request that goes out under the broker's own identity reaches nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/skip.h"
#include "tests/unit/broker/served.h"

namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;

constexpr uint64_t kEverything = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr uint64_t kReading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

Setting allows_everything() {
  return {.policy = rules({rule(Effect::allow, kAll, {"/**"}, "all")}),
          .landlock = {{"/mine", kEverything}, {"/seen", kReading}}};
}

struct PathPrimitive {
  const char* name;
  std::function<wire::Request(const std::string& directory)> request;
};

std::vector<PathPrimitive> path_primitives() {
  using Request = wire::Request;
  return {
      {"fs.read", [](const std::string& d) { return read_request(d + "/file"); }},
      {"fs.write", [](const std::string& d) { return write_request(d + "/file", "x"); }},
      {"fs.write new", [](const std::string& d) { return write_request(d + "/new", "x"); }},
      {"fs.write in place",
       [](const std::string& d) {
         Request out = write_request(d + "/file", "x");
         out.mutable_fs_write()->set_in_place(true);
         return out;
       }},
      {"fs.append",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_append()->set_path(d + "/file");
         out.mutable_fs_append()->set_content("x");
         return out;
       }},
      {"fs.list",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_list()->set_path(d);
         return out;
       }},
      {"fs.mkdir",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_mkdir()->set_path(d + "/directory");
         return out;
       }},
      {"fs.remove",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_remove()->set_path(d + "/file");
         return out;
       }},
      {"fs.rename",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_rename()->set_from(d + "/file");
         out.mutable_fs_rename()->set_to(d + "/other");
         return out;
       }},
      {"fs.rename away",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_rename()->set_from(d + "/file");
         out.mutable_fs_rename()->set_to("/mine/taken");
         return out;
       }},
      {"fs.copy from",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_copy()->set_from(d + "/file");
         out.mutable_fs_copy()->set_to("/mine/copy");
         return out;
       }},
      {"fs.copy to",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_copy()->set_from("/mine/own");
         out.mutable_fs_copy()->set_to(d + "/file");
         return out;
       }},
      {"fs.open",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_open()->set_path(d + "/file");
         return out;
       }},
      {"fs.open to write",
       [](const std::string& d) {
         Request out;
         out.mutable_fs_open()->set_path(d + "/file");
         out.mutable_fs_open()->set_access(wire::OPEN_WRITE);
         return out;
       }},
  };
}

// All that a test may find changed.
std::string all_of(const Served& served, const std::string& directory) {
  std::string out;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(served.root() + directory))
    paths.push_back(entry.path());
  std::ranges::sort(paths);
  for (const auto& path : paths) {
    struct stat st{};
    ::lstat(path.c_str(), &st);
    out += path.string() + " " + std::to_string(st.st_size) + " " + std::to_string(st.st_ino) + "\n";
  }
  return out;
}

TEST(Wall, landlock_refuses_what_the_policy_let_through) {
  Served served(allows_everything());
  served.write("/closed/file", "secret");
  served.write("/mine/own", "mine");
  const auto client = served.connect();
  const std::string before = all_of(served, "/closed");
  for (const PathPrimitive& primitive : path_primitives()) {
    const wire::Reply reply = client->call(primitive.request("/closed"));
    ASSERT_TRUE(reply.has_failed()) << primitive.name;
    EXPECT_TRUE(reply.failed().name() == "EACCES" || reply.failed().name() == "EXDEV")
        << primitive.name << reply.failed().name();
    EXPECT_THAT(client->gathered, testing::Not(testing::HasSubstr("secret")));
  }
  EXPECT_EQ(all_of(served, "/closed"), before);
  EXPECT_FALSE(served.exists("/mine/copy"));
  // The same requests succeed where the agent has its rights, so that it was the wall that stopped them.
  served.write("/mine/d/file", "mine");
  for (const PathPrimitive& primitive : path_primitives()) {
    served.write("/mine/d/file", "mine");
    std::filesystem::remove_all(served.root() + "/mine/d/other");
    const wire::Reply reply = client->call(primitive.request("/mine/d"));
    // Landlock lets no file into another directory by its first ABI, which this domain is of (landlock(7), REFER).
    EXPECT_EQ(reply.has_failed(), primitive.name == std::string("fs.rename away")) << primitive.name;
  }
}

TEST(Wall, a_right_to_read_is_none_to_write) {
  Served served(allows_everything());
  served.write("/seen/file", "theirs");
  served.write("/mine/own", "mine");
  const auto client = served.connect();
  const std::string before = all_of(served, "/seen");
  int read = 0;
  for (const PathPrimitive& primitive : path_primitives()) {
    const wire::Reply reply = client->call(primitive.request("/seen"));
    read += reply.has_failed() ? 0 : 1;
  }
  EXPECT_EQ(read, 4) << "read, list, copy from, open";
  EXPECT_EQ(all_of(served, "/seen"), before);
  EXPECT_EQ(served.read("/seen/file"), "theirs");
}

TEST(Wall, owners_and_modes_refuse_what_the_policy_let_through) {
  if (::geteuid() != 0) ALOS_SKIP("an agent has an id of its own only as root");
  Setting setting = allows_everything();
  setting.landlock.clear();
  Served served(std::move(setting));
  served.write("/mine/own", "mine");
  std::filesystem::create_directory(served.root() + "/roots");
  served.write("/roots/file", "secret");
  ASSERT_EQ(::chown((served.root() + "/roots/file").c_str(), 0, 0), 0);
  ::chmod((served.root() + "/roots/file").c_str(), 0600);
  ASSERT_EQ(::chown((served.root() + "/roots").c_str(), 0, 0), 0);
  ::chmod((served.root() + "/roots").c_str(), 0700);
  const auto client = served.connect();
  const std::string before = all_of(served, "/roots");
  for (const PathPrimitive& primitive : path_primitives())
    EXPECT_EQ(client->call(primitive.request("/roots")).failed().name(), "EACCES") << primitive.name;
  EXPECT_EQ(all_of(served, "/roots"), before);
}

TEST(Wall, what_is_outside_of_the_view_is_not_there) {
  Setting setting = allows_everything();
  setting.landlock.clear();
  Served served(std::move(setting));
  served.write("/mine/own", "mine");
  const std::string outside = served.root() + "-outside";
  std::filesystem::create_directory(outside);
  ::chmod(outside.c_str(), 0777);
  std::filesystem::create_directory_symlink(outside, served.root() + "/mine/out");
  std::filesystem::create_directory_symlink("../../" + std::filesystem::path(outside).filename().string(),
                                            served.root() + "/mine/up");
  const auto client = served.connect();
  for (const char* way : {"/mine/out", "/mine/up", "/../outside", "/proc/self/root"})
    for (const PathPrimitive& primitive : path_primitives())
      EXPECT_TRUE(client->call(primitive.request(way)).has_failed()) << primitive.name << " " << way;
  EXPECT_TRUE(std::filesystem::is_empty(outside));
  std::filesystem::remove_all(outside);
}

TEST(Wall, a_request_without_a_personality_reaches_nothing) {
  Setting setting = allows_everything();
  setting.landlock.clear();
  setting.no_personality = true;
  Served served(std::move(setting));
  served.make_directory("/open", 0777);
  served.write("/open/file", "anybody's", 0666);
  served.write("/mine/own", "mine", 0666);
  const auto client = served.connect();
  const std::string before = all_of(served, "/");
  for (const PathPrimitive& primitive : path_primitives()) {
    const wire::Reply reply = client->call(primitive.request("/open"));
    EXPECT_EQ(reply.failed().name(), "EACCES") << primitive.name;
  }
  EXPECT_EQ(all_of(served, "/"), before);
}

}  // namespace
}  // namespace alos::broker::test
