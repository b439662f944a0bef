#include "tests/unit/broker/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/sys.h"
#include "tests/skip.h"

namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;
using policy::kRead;

TEST_F(Files, reading_gives_content_size_and_version) {
  served.write("/w/a", "hello");
  const wire::Reply reply = client->call(read_request("/w/a"));
  ASSERT_TRUE(reply.has_fs_read()) << reply.failed().operation() << reply.failed().name();
  EXPECT_EQ(reply.fs_read().content(), "hello");
  EXPECT_EQ(reply.fs_read().size(), 5U);
  EXPECT_FALSE(reply.fs_read().truncated());
  EXPECT_NE(reply.fs_read().version(), "");
  EXPECT_EQ(reply.fs_read().version(), stat("/w/a").fs_stat().version());
}

TEST_F(Files, a_part_of_a_file_says_that_there_is_more) {
  served.write("/w/a", "0123456789");
  wire::Request request = read_request("/w/a");
  request.mutable_fs_read()->set_offset(2);
  request.mutable_fs_read()->set_length(3);
  const wire::Reply reply = client->call(request);
  EXPECT_EQ(reply.fs_read().content(), "234");
  EXPECT_EQ(reply.fs_read().size(), 10U);
  EXPECT_TRUE(reply.fs_read().truncated());
  request.mutable_fs_read()->set_offset(20);
  EXPECT_EQ(client->call(request).fs_read().content(), "");
}

TEST_F(Files, a_large_file_comes_in_parts) {
  std::string content(3'000'000, 'x');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 % 251);
  served.write("/w/a", content);
  const wire::Reply reply = client->call(read_request("/w/a"));
  ASSERT_TRUE(reply.has_fs_read());
  EXPECT_EQ(client->gathered + reply.fs_read().content(), content);
  EXPECT_FALSE(reply.fs_read().truncated());
}

TEST_F(Files, more_than_the_most_is_cut_and_said) {
  served.write("/w/a", "");
  ASSERT_EQ(::truncate((served.root() + "/w/a").c_str(), int64_t{8} << 40), 0);
  const wire::Reply reply = client->call(read_request("/w/a"));
  EXPECT_EQ(client->gathered.size() + reply.fs_read().content().size(), 64U << 20);
  EXPECT_EQ(reply.fs_read().size(), uint64_t{8} << 40);
  EXPECT_TRUE(reply.fs_read().truncated());
}

// As most of /proc is.
TEST(FilesOfNoSize, are_read_to_their_end) {
  if (::geteuid() != 0) ALOS_SKIP("mounts a file of /proc into the tree, as root alone can");
  // Of this thread, and of those that it makes.
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  const Served served(workspace_rules());
  served.write("/w/all", "");
  ASSERT_EQ(::mount("/proc/kallsyms", (served.root() + "/w/all").c_str(), nullptr, MS_BIND, nullptr), 0);
  const auto client = served.connect();
  const wire::Reply reply = client->call(read_request("/w/all"));
  // Addresses in it are as long whoever reads it, and others than for root.
  EXPECT_EQ((client->gathered + reply.fs_read().content()).size(), served.read("/w/all").size());
  EXPECT_GT(client->gathered.size(), 100'000U);
  EXPECT_EQ(reply.fs_read().size(), 0U);
  EXPECT_EQ(::umount((served.root() + "/w/all").c_str()), 0);
}

TEST_F(Files, what_no_rule_allows_is_denied_with_rule_layer_and_reason) {
  served.write("/w/secret/key", "k");
  const wire::Reply reply = client->call(read_request("/w/secret/key"));
  ASSERT_TRUE(reply.has_denied());
  EXPECT_EQ(reply.denied().rule(), "secrets");
  EXPECT_EQ(reply.denied().layer(), "policy");
  EXPECT_EQ(reply.denied().request(), "fs.read /w/secret/key");
  EXPECT_NE(reply.denied().remedy(), "");
  EXPECT_EQ(client->call(read_request("/etc/shadow")).denied().rule(), "default");
  EXPECT_EQ(client->call(read_request("/w/../w/secret/key")).denied().rule(), "secrets");
  EXPECT_EQ(client->call(read_request("w/secret//key")).denied().rule(), "secrets");
}

TEST_F(Files, what_is_denied_is_not_told_apart_by_whether_it_is_there) {
  served.write("/w/secret/key", "k");
  wire::Reply there = client->call(read_request("/w/secret/key"));
  wire::Reply missing = client->call(read_request("/w/secret/gone"));
  there.mutable_denied()->clear_request();
  missing.mutable_denied()->clear_request();
  there.clear_id();
  missing.clear_id();
  EXPECT_EQ(there.SerializeAsString(), missing.SerializeAsString());
}

TEST_F(Files, a_link_to_a_denied_file_is_denied_by_what_it_leads_to) {
  served.write("/w/secret/key", "k");
  std::filesystem::create_symlink("secret/key", served.root() + "/w/link");
  std::filesystem::create_symlink("/w/secret", served.root() + "/w/dir");
  for (const char* path : {"/w/link", "/w/dir/key"}) {
    const wire::Reply reply = client->call(read_request(path));
    ASSERT_TRUE(reply.has_denied()) << path;
    EXPECT_EQ(reply.denied().rule(), "secrets");
  }
}

TEST_F(Files, links_lead_to_what_is_allowed) {
  served.write("/r/file", "there");
  std::filesystem::create_symlink("/r/file", served.root() + "/w/absolute");
  std::filesystem::create_symlink("../r/file", served.root() + "/w/relative");
  std::filesystem::create_symlink("relative", served.root() + "/w/twice");
  for (const char* path : {"/w/absolute", "/w/relative", "/w/twice"})
    EXPECT_EQ(client->call(read_request(path)).fs_read().content(), "there") << path;
  EXPECT_EQ(stat("/w/twice").fs_stat().type(), wire::REGULAR);
  EXPECT_EQ(stat("/w/twice", true).fs_stat().type(), wire::LINK);
  EXPECT_EQ(stat("/w/twice", true).fs_stat().target(), "relative");
}

TEST_F(Files, a_link_out_of_the_box_stays_in_it) {
  std::filesystem::create_symlink("../../../../../../etc/passwd", served.root() + "/w/out");
  const wire::Reply reply = client->call(read_request("/w/out"));
  EXPECT_FALSE(reply.has_fs_read());
}

TEST_F(Files, links_in_a_circle_end) {
  std::filesystem::create_symlink("b", served.root() + "/w/a");
  std::filesystem::create_symlink("a", served.root() + "/w/b");
  EXPECT_EQ(client->call(read_request("/w/a")).failed().name(), "ELOOP");
}

TEST_F(Files, only_regular_files_have_content) {
  ASSERT_EQ(::mkfifo((served.root() + "/w/fifo").c_str(), 0666), 0);
  EXPECT_EQ(client->call(read_request("/w/fifo")).failed().name(), "EOPNOTSUPP");
  EXPECT_EQ(client->call(read_request("/w")).failed().name(), "EISDIR");
  EXPECT_EQ(client->call(write_request("/w/fifo", "x")).failed().name(), "EOPNOTSUPP");
  EXPECT_EQ(client->call(read_request("/w/none")).failed().name(), "ENOENT");
  EXPECT_EQ(client->call(read_request("/w/none/below")).failed().name(), "ENOENT");
}

TEST_F(Files, paths_at_and_past_the_limits_are_answered) {
  EXPECT_EQ(client->call(read_request("")).failed().name(), "EINVAL");
  EXPECT_EQ(client->call(read_request(std::string("/w/a\0b", 6))).failed().name(), "EINVAL");
  EXPECT_EQ(client->call(read_request("/w/" + std::string(256, 'n'))).failed().name(), "ENAMETOOLONG");
  std::string deep = "/w";
  while (deep.size() < 5000) deep += "/d";
  EXPECT_EQ(client->call(read_request(deep)).failed().name(), "ENAMETOOLONG");
  served.write("/w/\xff\n\x01", "odd");
  EXPECT_EQ(client->call(read_request("/w/\xff\n\x01")).fs_read().content(), "odd");
}

TEST_F(Files, writing_makes_and_replaces_whole) {
  const wire::Reply made = client->call(write_request("/w/new", "one"));
  ASSERT_TRUE(made.has_fs_write()) << made.failed().operation() << " " << made.failed().name();
  EXPECT_TRUE(made.fs_write().created());
  EXPECT_EQ(served.read("/w/new"), "one");
  struct stat before{}, after{};
  ::stat((served.root() + "/w/new").c_str(), &before);
  EXPECT_EQ(before.st_mode & 07777, 0644U);
  EXPECT_EQ(before.st_uid, served.agent());
  const wire::Reply again = client->call(write_request("/w/new", "two"));
  EXPECT_FALSE(again.fs_write().created());
  ::stat((served.root() + "/w/new").c_str(), &after);
  EXPECT_EQ(served.read("/w/new"), "two");
  EXPECT_NE(before.st_ino, after.st_ino);
  EXPECT_NE(again.fs_write().version(), made.fs_write().version());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(served.root() + "/w"), {}), 1)
      << "nothing is left beside";
}

TEST_F(Files, the_mode_says_whether_it_may_be_there) {
  wire::Request request = write_request("/w/a", "x");
  request.mutable_fs_write()->set_mode(wire::REPLACE);
  EXPECT_EQ(client->call(request).failed().name(), "ENOENT");
  request.mutable_fs_write()->set_mode(wire::CREATE);
  EXPECT_TRUE(client->call(request).has_fs_write());
  EXPECT_EQ(client->call(request).failed().name(), "EEXIST");
  request.mutable_fs_write()->set_mode(static_cast<wire::WriteMode>(9));
  EXPECT_EQ(client->call(request).failed().name(), "EINVAL");
}

TEST_F(Files, a_write_on_a_version_that_is_gone_is_a_conflict) {
  served.write("/w/a", "one");
  const std::string version = client->call(read_request("/w/a")).fs_read().version();
  wire::Request request = write_request("/w/a", "three");
  request.mutable_fs_write()->set_if_version(version);
  served.write("/w/a", "other");
  EXPECT_EQ(client->call(request).failed().name(), "ESTALE");
  EXPECT_EQ(served.read("/w/a"), "other");
  request.mutable_fs_write()->set_if_version(client->call(read_request("/w/a")).fs_read().version());
  EXPECT_TRUE(client->call(request).has_fs_write());
}

TEST_F(Files, writing_in_place_keeps_the_file_and_refuses_one_with_further_names) {
  served.write("/w/a", "something long");
  struct stat before{}, after{};
  ::stat((served.root() + "/w/a").c_str(), &before);
  wire::Request request = write_request("/w/a", "short");
  request.mutable_fs_write()->set_in_place(true);
  ASSERT_TRUE(client->call(request).has_fs_write());
  ::stat((served.root() + "/w/a").c_str(), &after);
  EXPECT_EQ(served.read("/w/a"), "short");
  EXPECT_EQ(before.st_ino, after.st_ino);
  std::filesystem::create_hard_link(served.root() + "/w/a", served.root() + "/r/b");
  EXPECT_EQ(client->call(request).failed().name(), "EMLINK");
  // Replacing gives this name a file of its own.
  EXPECT_TRUE(client->call(write_request("/w/a", "new")).has_fs_write());
  EXPECT_EQ(served.read("/r/b"), "short");
}

TEST_F(Files, appending_adds_and_makes_only_when_asked) {
  wire::Request request;
  request.mutable_fs_append()->set_path("/w/log");
  request.mutable_fs_append()->set_content("a");
  EXPECT_EQ(client->call(request).failed().name(), "ENOENT");
  request.mutable_fs_append()->set_create(true);
  EXPECT_EQ(client->call(request).fs_append().size(), 1U);
  EXPECT_EQ(client->call(request).fs_append().size(), 2U);
  EXPECT_EQ(served.read("/w/log"), "aa");
}

TEST_F(Files, a_file_that_is_not_there_has_no_version_and_is_not_made_for_one) {
  wire::Request request;
  request.mutable_fs_append()->set_path("/w/log");
  request.mutable_fs_append()->set_content("a");
  request.mutable_fs_append()->set_create(true);
  request.mutable_fs_append()->set_if_version("1.2.3.4");
  EXPECT_EQ(client->call(request).failed().name(), "ESTALE");
  EXPECT_FALSE(served.exists("/w/log"));
}

TEST_F(Files, a_directory_may_be_called_as_if_it_were_deleted) {
  served.write("/w/d (deleted)/a", "there");
  EXPECT_EQ(client->call(read_request("/w/d (deleted)/a")).fs_read().content(), "there");
}

TEST_F(Files, a_link_with_a_slash_at_its_end_leads_to_directories_alone) {
  served.write("/w/file", "content");
  served.make_directory("/w/d");
  std::filesystem::create_symlink("file/", served.root() + "/w/to_file");
  std::filesystem::create_symlink("d/", served.root() + "/w/to_directory");
  EXPECT_EQ(client->call(read_request("/w/to_file")).failed().name(), "ENOTDIR");
  EXPECT_EQ(stat("/w/to_directory").fs_stat().type(), wire::DIRECTORY);
}

TEST_F(Files, a_fifo_without_a_reader_is_refused_for_what_it_is) {
  ASSERT_EQ(::mkfifo((served.root() + "/w/fifo").c_str(), 0666), 0);
  ASSERT_EQ(::lchown((served.root() + "/w/fifo").c_str(), served.agent(), served.agent()), 0);
  std::filesystem::create_symlink("fifo", served.root() + "/w/link");
  for (const char* path : {"/w/fifo", "/w/link"}) {
    wire::Request append, open;
    append.mutable_fs_append()->set_path(path);
    open.mutable_fs_open()->set_path(path);
    open.mutable_fs_open()->set_access(wire::OPEN_WRITE);
    EXPECT_EQ(client->call(append).failed().name(), "EOPNOTSUPP");
    EXPECT_EQ(client->call(open).failed().name(), "EOPNOTSUPP");
  }
}

TEST_F(Files, attached_content_is_written) {
  const std::string content(1'000'000, 'y');
  const UniqueFd attached = std::move(*sys::memfd("content", content, true));
  wire::Request request = write_request("/w/big", "");
  request.set_attached(true);
  EXPECT_EQ(client->call(request, &attached).fs_write().size(), content.size());
  EXPECT_EQ(served.read("/w/big"), content);
}

// Its holes would become pages of the broker's, which no limit of the agent's counts.
TEST_F(Files, attached_content_with_holes_is_refused) {
  for (const off_t size : {off_t{1}, off_t{4096}, off_t{1} << 20, off_t{64} << 20}) {
    const UniqueFd attached(::memfd_create("sparse", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(attached.get(), size), 0);
    if (size > 4096) {
      ASSERT_EQ(::pwrite(attached.get(), "x", 1, size - 1), 1);
    }
    ASSERT_EQ(::fcntl(attached.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
    struct stat before{}, after{};
    ASSERT_EQ(::fstat(attached.get(), &before), 0);
    for (const bool append : {false, true}) {
      wire::Request request = write_request("/w/big", "");
      if (append) {
        request.mutable_fs_append()->set_path("/w/own");
        request.mutable_fs_append()->set_create(true);
      }
      request.set_attached(true);
      const wire::Reply reply = client->call(request, &attached);
      EXPECT_EQ(reply.failed().name(), "EINVAL") << size << reply.DebugString();
      EXPECT_THAT(reply.failed().hint(), testing::HasSubstr("holes"));
    }
    ASSERT_EQ(::fstat(attached.get(), &after), 0);
    EXPECT_EQ(before.st_blocks, after.st_blocks);
  }
  EXPECT_FALSE(served.exists("/w/big"));
}

TEST_F(Files, a_copy_and_a_new_name_are_recorded_with_where_they_lead) {
  served.write("/w/from", "x");
  wire::Request copy;
  copy.mutable_fs_copy()->set_from("/w/from");
  copy.mutable_fs_copy()->set_to("/w/to");
  EXPECT_TRUE(client->call(copy).has_fs_copy());
  wire::Request rename;
  rename.mutable_fs_rename()->set_from("/w/from");
  rename.mutable_fs_rename()->set_to("/w/renamed");
  EXPECT_TRUE(client->call(rename).has_fs_rename());
  std::vector<std::string> told;
  for (const Recorded& record : served.journal())
    for (const auto& [name, value] : record.details) told.push_back(record.action + " " + name + " " + value);
  EXPECT_THAT(told, testing::ElementsAre("fs.copy to /w/to", "fs.rename to /w/renamed"));
}

TEST_F(Files, listing_is_in_order_and_in_pages) {
  for (int i = 0; i < 3000; ++i) served.write("/w/many/" + std::to_string(i) + std::string(60, 'n'), "");
  std::vector<std::string> names;
  wire::Request request;
  request.mutable_fs_list()->set_path("/w/many");
  int pages = 0;
  for (bool more = true; more; ++pages) {
    if (!names.empty()) request.mutable_fs_list()->set_after(names.back());
    const wire::Reply reply = client->call(request);
    ASSERT_TRUE(reply.has_fs_list());
    for (const auto& entry : reply.fs_list().entries()) names.push_back(entry.name());
    more = reply.fs_list().more();
  }
  EXPECT_EQ(names.size(), 3000U);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_GT(pages, 1);
}

TEST_F(Files, names_are_made_changed_and_removed) {
  wire::Request make;
  make.mutable_fs_mkdir()->set_path("/w/d");
  EXPECT_TRUE(client->call(make).has_fs_mkdir());
  EXPECT_EQ(client->call(make).failed().name(), "EEXIST");
  served.write("/w/a", "1");
  wire::Request rename;
  rename.mutable_fs_rename()->set_from("/w/a");
  rename.mutable_fs_rename()->set_to("/w/d/b");
  EXPECT_TRUE(client->call(rename).has_fs_rename());
  EXPECT_EQ(served.read("/w/d/b"), "1");
  served.write("/w/a", "2");
  EXPECT_EQ(client->call(rename).failed().name(), "EEXIST");
  rename.mutable_fs_rename()->set_replace(true);
  EXPECT_TRUE(client->call(rename).has_fs_rename());
  wire::Request remove;
  remove.mutable_fs_remove()->set_path("/w/d");
  EXPECT_EQ(client->call(remove).failed().name(), "EISDIR");
  remove.mutable_fs_remove()->set_directory(true);
  EXPECT_EQ(client->call(remove).failed().name(), "ENOTEMPTY");
  remove.mutable_fs_remove()->set_path("/w/d/b");
  remove.mutable_fs_remove()->set_directory(false);
  EXPECT_TRUE(client->call(remove).has_fs_remove());
  EXPECT_FALSE(served.exists("/w/d/b"));
}

TEST_F(Files, removing_a_link_leaves_what_it_leads_to) {
  served.write("/r/file", "stays");
  std::filesystem::create_symlink("/r/file", served.root() + "/w/link");
  wire::Request remove;
  remove.mutable_fs_remove()->set_path("/w/link");
  EXPECT_TRUE(client->call(remove).has_fs_remove());
  EXPECT_FALSE(served.exists("/w/link"));
  EXPECT_EQ(served.read("/r/file"), "stays");
}

TEST_F(Files, writing_needs_the_right_where_the_name_leads) {
  served.write("/r/file", "theirs");
  std::filesystem::create_symlink("/r/file", served.root() + "/w/link");
  EXPECT_EQ(client->call(write_request("/w/link", "mine")).denied().rule(), "default");
  EXPECT_EQ(client->call(write_request("/r/file", "mine")).denied().rule(), "default");
  EXPECT_EQ(served.read("/r/file"), "theirs");
}

TEST_F(Files, copying_needs_both_rights) {
  served.write("/r/file", "content");
  served.write("/w/secret/key", "k");
  wire::Request copy;
  copy.mutable_fs_copy()->set_from("/r/file");
  copy.mutable_fs_copy()->set_to("/w/copy");
  EXPECT_EQ(client->call(copy).fs_copy().size(), 7U);
  EXPECT_EQ(served.read("/w/copy"), "content");
  copy.mutable_fs_copy()->set_from("/w/secret/key");
  EXPECT_EQ(client->call(copy).denied().rule(), "secrets");
  copy.mutable_fs_copy()->set_from("/r/file");
  copy.mutable_fs_copy()->set_to("/r/copy");
  EXPECT_TRUE(client->call(copy).has_denied());
}

TEST_F(Files, a_descriptor_has_the_access_asked_for_and_no_more) {
  served.write("/w/a", "text");
  wire::Request open;
  open.mutable_fs_open()->set_path("/w/a");
  wire::Reply reply = client->call(open);
  ASSERT_TRUE(reply.has_fs_open() && reply.attached());
  char buffer[8] = {};
  EXPECT_EQ(::read(client->descriptor.get(), buffer, sizeof buffer), 4);
  EXPECT_EQ(::write(client->descriptor.get(), "x", 1), -1);
  open.mutable_fs_open()->set_access(wire::OPEN_WRITE);
  reply = client->call(open);
  ASSERT_TRUE(reply.has_fs_open());
  EXPECT_EQ(::write(client->descriptor.get(), "x", 1), 1);
  EXPECT_EQ(::read(client->descriptor.get(), buffer, 1), -1);
}

TEST_F(Files, what_changes_is_recorded_before_it_happens) {
  ASSERT_TRUE(client->call(write_request("/w/a", "x")).has_fs_write());
  ASSERT_TRUE(client->call(read_request("/w/secret/x")).has_denied());
  ASSERT_TRUE(client->call(read_request("/w/a")).has_fs_read());
  const std::vector<Recorded> all = served.journal();
  ASSERT_EQ(all.size(), 3U) << "looking at what the box itself could look at leaves no record";
  EXPECT_EQ(all[0].action + " " + all[0].target + all[0].outcome, "fs.write fs.write /w/a");
  EXPECT_TRUE(all[0].waited_for);
  EXPECT_EQ(all[1].outcome, "ok");
  EXPECT_EQ(all[1].parent, 1U);
  EXPECT_EQ(all[2].decision, Effect::deny);
  EXPECT_EQ(all[2].rule, "secrets");
}

// The directory cannot be opened to be synced, and the write is on disk nevertheless.
TEST(FilesSynced, where_the_directory_may_not_be_listed) {
  constexpr uint64_t kFile = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
  Served served({.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work")}), .landlock = {{"/w", kFile}}});
  Client client(served.socket_path());
  wire::Request write = write_request("/w/a", "x");
  write.mutable_fs_write()->set_sync(true);
  wire::Reply reply = client.call(write);
  EXPECT_TRUE(reply.has_fs_write()) << reply.DebugString();
  wire::Request append;
  append.mutable_fs_append()->set_path("/w/b");
  append.mutable_fs_append()->set_create(true);
  append.mutable_fs_append()->set_sync(true);
  reply = client.call(append);
  EXPECT_TRUE(reply.has_fs_append()) << reply.DebugString();
}

TEST_F(Files, what_a_path_was_led_to_is_in_its_record) {
  served.write("/w/v2", "x");
  served.write("/w/v3", "x");
  std::filesystem::create_symlink("v2", served.root() + "/w/current");
  std::filesystem::create_symlink("v3", served.root() + "/w/other");
  ASSERT_TRUE(client->call(write_request("/w/current", "y")).has_fs_write());
  wire::Request copy;
  copy.mutable_fs_copy()->set_from("/w/current");
  copy.mutable_fs_copy()->set_to("/w/other");
  ASSERT_TRUE(client->call(copy).has_fs_copy());
  using Details = std::vector<std::pair<std::string, std::string>>;
  const std::vector<Recorded> all = served.journal();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[1].details, (Details{{"reached", "/w/v2"}}));
  EXPECT_EQ(all[3].details, (Details{{"reached", "/w/v2"}, {"to_reached", "/w/v3"}}));
}

// Only what the call ends by is denied.
TEST(FilesSearched, a_denied_place_of_a_search_that_goes_on_is_no_denial) {
  Served served({.policy = rules({rule(Effect::allow, kAll, {"/first/**", "/bin/**"}, "system"),
                                  rule(Effect::deny, kAll, {"/bin/denied"}, "denied")})});
  served.make_directory("/first");
  served.write("/bin/denied", "#!", 0755);
  served.write("/bin/tool", "#!", 0755);
  std::filesystem::create_symlink("/bin/denied", served.root() + "/first/tool");
  Client client(served.socket_path());
  wire::Request request;
  request.mutable_shell_run()->add_argv("tool");
  EXPECT_EQ(client.call(request).failed().name(), "ENOSYS") << "there are no boxes, but it got so far";
  for (const Recorded& one : served.journal()) EXPECT_EQ(one.decision, Effect::allow) << one.rule;
}

TEST_F(Files, what_a_link_leads_to_is_denied_where_it_cannot_even_be_looked_at) {
  if (::geteuid() != 0) ALOS_SKIP("makes a directory that the agent has no right to search");
  served.make_directory("/w/secret", 0600);
  std::filesystem::create_symlink("/w/secret/key", served.root() + "/w/link");
  EXPECT_EQ(client->call(read_request("/w/link")).denied().rule(), "secrets");
}

TEST_F(Files, a_time_that_no_number_of_nanoseconds_is_is_the_last_one) {
  served.write("/w/far", "x");
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 15'000'000'000, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (served.root() + "/w/far").c_str(), times, 0), 0);
  EXPECT_EQ(stat("/w/far").fs_stat().modified_ns(), INT64_MAX);
}

// Of a new file nothing is there when it is taken away again; of one that is written in place something is.
TEST_F(Files, what_fails_in_the_middle_is_partial_only_where_something_is_left) {
  served.write("/w/old", "old");
  served.write("/w/place", "old");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit bound{.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &bound), 0);
  const auto fails = [&](const std::string& path, bool in_place) {
    ::setrlimit(RLIMIT_FSIZE, &before);
    UniqueFd content = *sys::memfd("content", std::string(3 << 20, 'x'), true);
    ::setrlimit(RLIMIT_FSIZE, &bound);
    wire::Request request = write_request(path, "");
    request.mutable_fs_write()->set_in_place(in_place);
    request.set_attached(true);
    const wire::Reply reply = client->call(request, &content);
    EXPECT_EQ(reply.failed().name(), "EFBIG") << reply.DebugString();
    return reply.failed().partial();
  };
  EXPECT_FALSE(fails("/w/new", false));
  EXPECT_FALSE(fails("/w/old", false));
  EXPECT_TRUE(fails("/w/place", true));
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(served.exists("/w/new"));
  EXPECT_EQ(served.read("/w/old"), "old");
  const std::vector<Recorded> all = served.journal();
  for (const auto& [name, value] : all.at(1).details) EXPECT_NE(name, "partial") << value;
}

// Whoever may have no thread more, be it by the agent's doing, is told of it, and served in all else.
TEST(FilesWithoutThreads, what_needs_one_fails_alone) {
  Setting setting = workspace_rules();
  setting.no_threads = true;
  const Served served(std::move(setting));
  served.write("/w/a", "longer");
  const auto client = served.connect();
  wire::Request list, copy, shorten = write_request("/w/a", "x");
  list.mutable_fs_list()->set_path("/w");
  copy.mutable_fs_copy()->set_from("/w/a");
  copy.mutable_fs_copy()->set_to("/w/b");
  shorten.mutable_fs_write()->set_in_place(true);
  for (const wire::Request& request : {list, copy, shorten}) {
    const wire::Failed failed = client->call(request).failed();
    EXPECT_EQ(failed.operation() + " " + failed.name(), "pthread_create EAGAIN");
    EXPECT_EQ(failed.partial(), request.has_fs_write()) << failed.DebugString();
  }
  EXPECT_FALSE(served.exists("/w/b"));
  EXPECT_EQ(client->call(read_request("/w/a")).fs_read().content(), "xonger");
}

TEST(FilesUnrecorded, nothing_is_changed_that_cannot_be_recorded) {
  for (const int error : {ENOSPC, EDQUOT}) {
    Setting setting = workspace_rules();
    setting.fail_journal = error;
    const Served served(std::move(setting));
    served.make_directory("/w");
    const auto client = served.connect();
    const wire::Reply reply = client->call(write_request("/w/a", "x"));
    if (error == EDQUOT)
      EXPECT_EQ(reply.limit().which(), "audit");
    else
      EXPECT_EQ(reply.failed().name(), "ENOSPC");
    EXPECT_FALSE(served.exists("/w/a"));
  }
}

// Of what a deny names nothing is covered that an agent has made itself: there a mode is what refuses.
TEST_F(Files, a_mode_that_refuses_below_a_name_that_is_denied_is_no_denial) {
  served.make_directory("/w/.env");
  served.write("/w/.env/closed", "x");
  ::chmod((served.root() + "/w/.env/closed").c_str(), 0);
  EXPECT_EQ(client->call(read_request("/w/.env/closed")).failed().name(), "EACCES");
}

}  // namespace
}  // namespace alos::broker::test
