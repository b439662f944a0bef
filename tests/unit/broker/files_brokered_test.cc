#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>
#include <thread>

#include "base/sys.h"
#include "tests/unit/broker/files.h"

// What primitives alone reach.
namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;
using policy::kRead;

class FilesBrokered : public Files {
 protected:
  static Setting brokered_rules() {
    return {.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work"), brokered(kRead, "/v/**", "vault"),
                             rule(Effect::deny, kAll, {"/v/secret/**"}, "secrets"),
                             rule(Effect::deny, kAll, {"/v/keys/*.key"}, "keys")}),
            .brokered = true};
  }
  FilesBrokered() : Files(brokered_rules()) {
    served.write(".brokered/v/file", "kept");
    served.write(".brokered/v/secret/d/key", "k");
  }
  void link(const std::string& name, const std::string& to) const {
    std::filesystem::create_symlink(to, served.root() + "/w/" + name);
  }
  // By such a link, and without a word of where a link that is denied leads.
  void is_secret(const std::string& name, const std::string& to) {
    link(name, to);
    const wire::Reply reply = client->call(read_request("/w/" + name));
    EXPECT_EQ(reply.denied().rule(), "secrets") << name << ": " << reply.DebugString();
    EXPECT_THAT(reply.SerializeAsString(), testing::Not(testing::HasSubstr("/somewhere"))) << name;
  }
};

TEST_F(FilesBrokered, nothing_of_a_long_file_is_given_before_its_use_is_recorded) {
  const std::string kLong(200'000, 'x');
  served.write(".brokered/v/long", kLong);
  const wire::Reply reply = client->call(read_request("/v/long"));
  EXPECT_EQ(client->gathered + reply.fs_read().content(), kLong);
  const std::vector<Recorded> all = served.journal();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(all[0].waited_for);
  EXPECT_EQ(all[0].outcome, "");
  EXPECT_EQ(all[1].parent, 1U);
  EXPECT_EQ(all[1].outcome, "ok");
  for (const int error : {EDQUOT, EIO}) {
    Setting setting = brokered_rules();
    setting.fail_journal = error;
    const Served unrecorded(std::move(setting));
    unrecorded.write(".brokered/v/long", kLong);
    unrecorded.write("/w/long", kLong);
    const auto other = unrecorded.connect();
    EXPECT_FALSE(other->call(read_request("/v/long")).has_fs_read());
    EXPECT_EQ(other->gathered, "");
    for (const Recorded& one : unrecorded.journal()) EXPECT_EQ(one.parent, 0U) << "the end of what never was";
    EXPECT_TRUE(other->call(read_request("/w/long")).has_fs_read()) << "of which no use is recorded";
  }
}

TEST_F(FilesBrokered, the_record_of_what_was_given_up_says_that_part_of_it_was_sent) {
  served.write(".brokered/v/long", std::string(4 << 20, 'x'));
  wire::Request request = read_request("/v/long");
  request.set_id(7);
  client->send(request);
  ASSERT_TRUE(client->receive().value_or(wire::Reply()).has_output());
  wire::Request cancel;
  cancel.mutable_cancel()->set_call(7);
  cancel.set_id(8);
  client->send(cancel);
  wire::Reply last;
  while (auto next = client->receive()) {
    last = std::move(*next);
    if (last.id() == 7 && !last.has_output()) break;
  }
  EXPECT_EQ(last.failed().name(), "ECANCELED");
  EXPECT_TRUE(last.failed().partial());
  const Recorded record = served.journal().back();
  EXPECT_EQ(record.outcome, "failed ECANCELED");
  EXPECT_THAT(record.details, testing::Contains(testing::Pair("partial", "true")));
}

TEST_F(FilesBrokered, each_use_is_recorded_and_no_descriptor_is_given) {
  EXPECT_EQ(client->call(read_request("/v/file")).fs_read().content(), "kept");
  ASSERT_EQ(served.journal().size(), 1U);
  EXPECT_TRUE(served.journal()[0].waited_for);
  wire::Request open;
  open.mutable_fs_open()->set_path("/v/file");
  EXPECT_EQ(client->call(open).denied().layer(), "broker");
  EXPECT_FALSE(client->descriptor);
  const std::vector<Recorded> all = served.journal();
  const auto refusal = std::ranges::find(all, Effect::deny, &Recorded::decision);
  ASSERT_NE(refusal, all.end()) << "what the broker itself refuses is recorded as any denial";
  EXPECT_EQ(refusal->target + ", " + refusal->rule, "fs.open /v/file, broker");
}

TEST_F(FilesBrokered, a_denial_on_the_way_is_one_also_where_no_more_can_be_recorded) {
  Setting setting = brokered_rules();
  setting.fail_journal = EDQUOT;
  const Served unrecorded(std::move(setting));
  unrecorded.write(".brokered/v/file", "kept");
  const auto other = unrecorded.connect();
  wire::Request open;
  open.mutable_fs_open()->set_path("/v/file");
  const wire::Reply reply = other->call(open);
  EXPECT_EQ(reply.denied().layer(), "broker") << reply.DebugString();
  const std::vector<Recorded> all = unrecorded.journal();
  EXPECT_EQ(std::ranges::count(all, Effect::deny, &Recorded::decision), 1) << "what --fail-on deny counts";
}

class FilesBrokeredToWrite : public Files {
 protected:
  static Setting writable(bool with_denial) {
    Setting out{.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work"), brokered(kAll, "/v/**", "vault")}),
                .brokered = true};
    if (with_denial) out.policy.files.push_back(rule(Effect::deny, kAll, {"/v/*/*.key"}, "keys"));
    return out;
  }
  explicit FilesBrokeredToWrite(bool with_denial = true) : Files(writable(with_denial)) {
    served.write(".brokered/v/d/plain", "kept");
    served.write(".brokered/v/d/new.key", "made by the host after the launch");
  }
  wire::Reply rename(const std::string& from, const std::string& to) { return client->call(rename_request(from, to)); }
};
class FilesBrokeredWithoutDenial : public FilesBrokeredToWrite {
 protected:
  FilesBrokeredWithoutDenial() : FilesBrokeredToWrite(false) {}
};

TEST_F(FilesBrokeredToWrite, no_directory_is_renamed_from_under_a_denial) {
  EXPECT_EQ(client->call(read_request("/v/d/new.key")).denied().rule(), "keys");
  const wire::Reply reply = rename("/v/d", "/v/e");
  EXPECT_EQ(reply.failed().name(), "EPERM") << reply.DebugString();
  EXPECT_THAT(reply.failed().hint(), testing::HasSubstr("'keys'"));
  EXPECT_TRUE(rename("/v/d/plain", "/v/d/other").has_fs_rename()) << "a file has but its own name";
}

// What may be made by one name would come to be there by one that is denied.
TEST_F(FilesBrokeredToWrite, no_directory_is_renamed_to_where_a_denial_reaches_into_it) {
  served.write(".brokered/v/d/in/a.key", "made by the agent");
  served.write(".brokered/v/d/in/deep/a", "made by the agent");
  const wire::Reply reply = rename("/v/d/in", "/v/in");
  EXPECT_EQ(reply.failed().name(), "EPERM") << reply.DebugString();
  EXPECT_THAT(reply.failed().hint(), testing::HasSubstr("'keys'"));
  EXPECT_TRUE(rename("/v/d/in/deep", "/v/d/in/other").has_fs_rename()) << "no pattern reaches there";
}

// What is looked at and what is moved are two calls of the kernel, and names change in between: a directory that takes
// a file's place must not be moved as that.
TEST_F(FilesBrokeredToWrite, no_directory_takes_a_files_place_to_be_renamed_as_one) {
  const std::string tree = served.root() + ".brokered/v/";
  const auto call = [this](const std::string& from, const std::string& to) {
    wire::Request request = rename_request(from, to);
    request.set_id(client->next_id++);
    return request;
  };
  served.write(".brokered/v/d/in/a.key", "made by the agent");
  int moved = 0;
  for (int i = 0; i < 300; ++i) {
    served.write(".brokered/v/d/a", "x");
    client->send(call("/v/d/a", "/v/d/f"));
    client->send(call("/v/d/in", "/v/d/a"));
    client->send(call("/v/d/a", "/v/q"));
    for (int k = 0; k < 3; ++k) moved += client->receive()->has_fs_rename() ? 1 : 0;
    ASSERT_FALSE(std::filesystem::is_directory(tree + "q")) << "round " << i;
    if (std::filesystem::is_directory(tree + "d/a")) std::filesystem::rename(tree + "d/a", tree + "d/in");
    for (const char* name : {"d/a", "d/f", "q"}) std::filesystem::remove(tree + name);
  }
  EXPECT_GT(moved, 300) << "there must be something to race for";
}

// Nor one that takes the place of what a write is made in.
TEST_F(FilesBrokeredToWrite, no_directory_takes_the_place_of_what_is_being_written) {
  const std::string tree = served.root() + ".brokered/v/";
  served.write(".brokered/v/in/a.key", "made by the agent");
  UniqueFd content = *sys::memfd("content", std::string(16 << 20, 'x'), true);
  int swapped = 0;
  for (int i = 0; i < 20; ++i) {
    wire::Request request = write_request("/v/d/q", "");
    request.set_id(client->next_id++);
    request.set_attached(true);
    client->send(request, &content);
    std::error_code gone;
    for (int k = 0; k < 10'000 && std::filesystem::exists(tree + "in"); ++k)
      for (const auto& entry : std::filesystem::directory_iterator(tree + "d", gone))
        if (const std::string name = entry.path().filename(); name.starts_with(".alos-"))
          if (std::filesystem::remove(entry.path(), gone)) std::filesystem::rename(tree + "in", entry.path(), gone);
    const wire::Reply reply = *client->receive();
    if (reply.has_fs_write()) continue;
    // Or between one and the other, when nothing was there.
    EXPECT_THAT(reply.failed().name(), testing::AnyOf("EACCES", "ENOENT")) << reply.DebugString();
    swapped += reply.failed().name() == "EACCES";
    ASSERT_FALSE(std::filesystem::is_directory(tree + "d/q"));
    for (const auto& entry : std::filesystem::directory_iterator(tree + "d"))
      if (entry.is_directory()) std::filesystem::rename(entry.path(), tree + "in");
  }
  EXPECT_GT(swapped, 0) << "there must be something to race for";
  EXPECT_FALSE(std::filesystem::is_directory(tree + "d/q"));
}

TEST(FilesBrokeredWithoutLandlock, a_file_is_not_renamed_where_nothing_keeps_a_directory_from_its_place) {
  Served served({.policy = rules({brokered(kAll, "/v/**", "vault")}), .brokered = true, .no_landlock = true});
  served.write(".brokered/v/d/plain", "kept");
  Client client(served.socket_path());
  const wire::Reply reply = client.call(write_request("/v/d/plain", "new"));
  EXPECT_EQ(reply.failed().code(), ENOTSUP) << reply.DebugString();
  EXPECT_THAT(reply.failed().hint(), testing::HasSubstr("Landlock"));
  wire::Request in_place = write_request("/v/d/plain", "new");
  in_place.mutable_fs_write()->set_in_place(true);
  EXPECT_TRUE(client.call(in_place).has_fs_write());
}

TEST_F(FilesBrokeredWithoutDenial, directories_are_renamed) {
  EXPECT_TRUE(rename("/v/d", "/v/e").has_fs_rename());
}

TEST_F(FilesBrokered, links_lead_there_however_they_are_written) {
  link("absolute", "/v/file");
  link("relative", "../v/file");
  link("round", "/w/../v/./file");
  for (const char* name : {"absolute", "relative", "round"})
    EXPECT_EQ(client->call(read_request(std::string("/w/") + name)).fs_read().content(), "kept") << name;
  EXPECT_EQ(served.journal().size(), 3U);
}

TEST_F(FilesBrokered, a_link_does_not_tell_what_is_there_that_is_denied) {
  for (const auto& [name, to] : {std::pair("there", "/v/secret/d/key"),
                                 {"missing", "/v/secret/d/none"},
                                 {"nowhere", "/v/secret/none/none"},
                                 {"no_directory", "/v/secret/d/key/none"},
                                 {"relative", "../v/secret/none/none"},
                                 {"back", "/v/secret/none/../d/key"}}) {
    is_secret(name, to);
  }
}

// A link that is denied is not looked at: neither that it is one, nor where it leads.
TEST_F(FilesBrokered, a_denied_link_does_not_tell_where_it_leads) {
  const std::string tree = served.root() + ".brokered/v/";
  served.write("/w/file", "in the box");
  std::filesystem::create_symlink("/w/file", tree + "secret/to_box");
  std::filesystem::create_symlink("/somewhere/else", tree + "secret/to_nothing");
  std::filesystem::create_directory_symlink("secret", tree + "allowed");
  std::filesystem::create_directory_symlink("/w", tree + "secret/d/way");
  for (const auto& [name, to] : {std::pair("box", "/v/secret/to_box"),
                                 {"nothing", "/v/secret/to_nothing"},
                                 {"below", "/v/secret/to_nothing/none"},
                                 {"by_a_link", "/v/allowed/to_box"},
                                 {"on_the_way", "/v/secret/d/way/file"},
                                 {"on_the_way_by_a_link", "/v/allowed/d/way/file"}})
    is_secret(name, to);
}

// Also where what it leads to is in the box.
TEST_F(FilesBrokered, a_link_that_is_followed_is_a_use) {
  const std::string tree = served.root() + ".brokered/v/";
  served.write("/w/file", "in the box");
  std::filesystem::create_symlink("/w/file", tree + "last");
  std::filesystem::create_directory_symlink("/w", tree + "first");
  size_t uses = 0;
  for (const auto& [name, to, by] :
       {std::tuple("a", "/v/last", "/v/last"), std::tuple("b", "/v/first/file", "/v/first")}) {
    link(name, to);
    const wire::Reply reply = client->call(read_request(std::string("/w/") + name));
    EXPECT_EQ(reply.fs_read().content(), "in the box") << name << ": " << reply.DebugString();
    ASSERT_EQ(served.journal().size(), ++uses) << name;
    EXPECT_EQ(served.journal().back().rule, "vault");
    EXPECT_THAT(served.journal().back().details, testing::Contains(testing::Pair("by", std::string(by) + " (vault)")));
  }
  EXPECT_EQ(client->call(read_request("/v/first/file")).fs_read().content(), "in the box");
  EXPECT_EQ(served.journal().size(), 3U);
}

// What the words drop is not looked at: it tells nothing of what is denied there.
TEST_F(FilesBrokered, what_goes_out_of_the_words_is_no_way) {
  const std::string tree = served.root() + ".brokered/v/";
  served.write("/w/file", "in the box");
  served.write(".brokered/v/secret/is_file", "k");
  std::filesystem::create_symlink("d", tree + "secret/is_link");
  std::filesystem::create_directory_symlink("/w", tree + "first");
  for (const char* name : {"is_file", "is_link", "d", "none"})
    is_secret(name, std::string("/v/secret/") + name + "/../../first/file");
}

// What ".." is of a link of the box only a walk says: the file is the one that the agent's own programs find.
TEST_F(FilesBrokered, dots_after_a_link_are_the_kernels) {
  served.write("/w/q/v/file", "own");
  std::filesystem::create_directories(served.root() + "/w/q/b/c");
  link("qd", "q/b/c");
  link("through", "qd/../../v/file");
  EXPECT_EQ(client->call(read_request("/w/through")).fs_read().content(), "own");
  EXPECT_EQ(served.journal().size(), 0U);
}

// Where the box has a directory of that name, too.
TEST_F(FilesBrokered, what_a_directory_of_the_box_leads_to_is_looked_for_in_the_other_tree) {
  std::filesystem::create_directory(served.root() + "/v");
  link("way", "/v");
  EXPECT_EQ(client->call(read_request("/w/way/file")).fs_read().content(), "kept");
  EXPECT_EQ(served.journal().size(), 1U);
}

// Nor where they leave the tree: a path of the box is walked in the box.
TEST_F(FilesBrokered, what_leaves_the_tree_by_dots_is_no_way_through_it) {
  const std::string tree = served.root() + ".brokered/v/";
  served.write("/w/file", "in the box");
  served.write(".brokered/v/secret/is_file", "k");
  std::filesystem::create_symlink("/somewhere/else", tree + "secret/is_link");
  for (const char* name : {"is_file", "is_link", "d", "none"})
    is_secret(name, std::string("/v/secret/") + name + "/../../../q/q/q/q/q/q/t");
  const size_t before = served.journal().size();
  std::filesystem::create_directory_symlink("/w/dd/ee", tree + "way");
  std::filesystem::create_directories(served.root() + "/w/dd/ee");
  link("through", "/v/way/../../w/./././././././file");
  EXPECT_EQ(client->call(read_request("/w/through")).failed().name(), "ENOENT");
  EXPECT_EQ(served.journal().size(), before) << "nothing was looked at there";
}

// What a deny names on the way tells nothing by how a way ends there.
TEST_F(FilesBrokered, a_denied_name_on_the_way_is_denied) {
  served.write(".brokered/v/keys/a.key", "k");
  std::filesystem::create_symlink("/w/file", served.root() + ".brokered/v/keys/b.key");
  // As the box's masks are.
  const std::string closed = served.root() + ".brokered/v/keys/closed.key";
  std::filesystem::create_directory(closed);
  std::filesystem::permissions(closed, std::filesystem::perms::none);
  std::filesystem::create_directory(served.root() + ".brokered/v/keys/later.key");  // made since, by the host
  for (const char* name : {"a.key", "b.key", "none.key", "closed.key", "later.key"})
    EXPECT_EQ(client->call(read_request(std::string("/v/keys/") + name + "/zz")).denied().rule(), "keys") << name;
  std::filesystem::permissions(closed, std::filesystem::perms::all);  // to be removed
}

// Two names change places, over and over.
class Exchanging {
 public:
  Exchanging(const std::string& a, const std::string& b)
      : thread_([this, a, b] {
          for (; !over_; std::this_thread::sleep_for(std::chrono::microseconds(50)))
            ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
        }) {}
  ~Exchanging() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

// Also where one name leads to the one and then to the other.
TEST_F(FilesBrokered, both_sides_of_a_copy_are_recorded) {
  link("a", "/v/file");
  link("b", "own");
  served.write("/w/own", "own");
  wire::Request copy;
  copy.mutable_fs_copy()->set_from("/w/a");
  copy.mutable_fs_copy()->set_to("/w/a");
  int copied = 0;
  const Exchanging links(served.root() + "/w/a", served.root() + "/w/b");
  for (int i = 0; i < 20'000 && copied < 3; ++i) {
    if (!client->call(copy).has_fs_copy() || served.read("/w/own") != "kept") continue;
    ++copied;
    EXPECT_THAT(served.journal().back().details,
                testing::IsSupersetOf({testing::Pair("reached", "/v/file"), testing::Pair("to_reached", "/w/own")}));
    served.write("/w/own", "own");
  }
  EXPECT_EQ(copied, 3) << "there must be something to race for";
}

// What a search came by before it came back to what was asked for is no place that was reached.
TEST_F(FilesBrokered, what_was_reached_is_where_the_search_ended) {
  const std::string tree = served.root() + ".brokered/v/";
  constexpr int kLong = 15;  // for the race
  for (int i = 0; i < kLong; ++i)
    std::filesystem::create_directory_symlink(i == kLong - 1 ? "/w/d1" : "l" + std::to_string(i + 1),
                                              tree + "l" + std::to_string(i));
  link("d1", "/v/l0");
  served.write("/w/d2/file", "own");
  int by_the_link = 0;
  const Exchanging directories(served.root() + "/w/d1", served.root() + "/w/d2");
  for (int i = 0; i < 20'000 && by_the_link < 3; ++i) {
    const size_t before = served.journal().size();
    if (!client->call(read_request("/w/d1/file")).has_fs_read() || served.journal().size() == before) continue;
    const auto details = served.journal().back().details;
    for (const auto& [name, value] : details) {
      ASSERT_FALSE(name == "reached" && value.starts_with("/v/")) << value;
      by_the_link += name == "by";
    }
  }
  EXPECT_EQ(by_the_link, 3) << "there must be something to race for";
}

TEST_F(FilesBrokered, a_denied_link_is_not_read_however_long_it_is) {
  std::filesystem::create_directory_symlink(std::string(4090, 'a'), served.root() + ".brokered/v/secret/long");
  for (const char* name : {"long", "long/z"}) {
    std::filesystem::remove(served.root() + "/w/link");
    link("link", std::string("/v/secret/") + name);
    EXPECT_EQ(client->call(read_request("/w/link")).denied().rule(), "secrets") << name;
  }
}

TEST_F(FilesBrokered, a_link_of_the_box_leads_there_as_a_directory_too) {
  served.write(".brokered/v/sub/1/z", "deep");
  link("directory", "/v/sub");
  EXPECT_EQ(client->call(read_request("/w/directory/1/z")).fs_read().content(), "deep");
  ASSERT_EQ(served.journal().size(), 1U);
  EXPECT_EQ(served.journal()[0].rule, "vault");
  EXPECT_EQ(client->call(read_request("/w/directory/../secret/d/key")).failed().name(), "ENOENT") << "by its words";
}

class FilesBrokeredByTwo : public Files {
 protected:
  static Setting rules_of_two() {
    return {
        .policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work"), brokered(kRead, "/v/**", "public"),
                         brokered(kRead, "/p/**", "payroll"),
                         brokered(policy::Rights(policy::Right::append) | policy::Right::write, "/log/**", "log"),
                         brokered(policy::Rights(policy::Right::rename) | policy::Right::create, "/drop/**", "drop")}),
        .brokered = true};
  }
  FilesBrokeredByTwo() : Files(rules_of_two()) {
    served.write("/w/file", "in the box");
    served.write(".brokered/p/secret", "paid");
    served.write(".brokered/log/2024", "first");
    std::filesystem::create_directory(served.root() + ".brokered/v");
  }
};

TEST_F(FilesBrokeredByTwo, the_record_has_the_rule_of_what_was_reached_and_the_way) {
  const std::string tree = served.root() + ".brokered/v/";
  std::filesystem::create_symlink("/p/secret", tree + "cross");
  std::filesystem::create_symlink("/w/file", tree + "last");
  std::filesystem::create_symlink("last", tree + "hop");
  EXPECT_EQ(client->call(read_request("/v/cross")).fs_read().content(), "paid");
  EXPECT_EQ(served.journal().back().rule, "public") << "what was asked for";
  std::filesystem::create_symlink("/v/cross", served.root() + "/w/x");
  EXPECT_EQ(client->call(read_request("/w/x")).fs_read().content(), "paid");
  EXPECT_EQ(served.journal().back().rule, "payroll");
  EXPECT_THAT(served.journal().back().details, testing::Contains(testing::Pair("reached", "/p/secret")));
  EXPECT_THAT(served.journal().back().details, testing::Contains(testing::Pair("by", "/v/cross (public)")));
  std::filesystem::create_symlink("/v/hop", served.root() + "/w/y");
  EXPECT_EQ(client->call(read_request("/w/y")).fs_read().content(), "in the box");
  EXPECT_EQ(served.journal().back().rule, "public");
  EXPECT_THAT(served.journal().back().details, testing::IsSupersetOf({testing::Pair("by", "/v/hop (public)"),
                                                                      testing::Pair("by2", "/v/last (public)")}));
}

// A record is one of keys, each once, and no longer than its length.
TEST_F(FilesBrokeredByTwo, a_long_way_is_counted) {
  const std::string tree = served.root() + ".brokered/v/";
  served.write(".brokered/v/end", "far");
  for (int i = 0; i < 20; ++i)
    std::filesystem::create_symlink(i == 19 ? "end" : "l" + std::to_string(i + 1), tree + "l" + std::to_string(i));
  std::filesystem::create_symlink("/v/l0", served.root() + "/w/x");
  EXPECT_EQ(client->call(read_request("/w/x")).fs_read().content(), "far");
  std::set<std::string> keys;
  const auto details = served.journal().back().details;
  for (const auto& [name, value] : details) EXPECT_TRUE(keys.insert(name).second) << name;
  EXPECT_TRUE(keys.contains("by8"));
  EXPECT_THAT(details, testing::Contains(testing::Pair("by_more", "12")));
}

// Nothing is created where something is there, nor asked for where nothing is.
TEST_F(FilesBrokeredByTwo, a_link_is_passed_by_the_right_that_is_asked_for) {
  std::filesystem::create_symlink("2024", served.root() + ".brokered/log/current");
  std::filesystem::create_symlink("/log/current", served.root() + "/w/log");
  for (const char* path : {"/log/current", "/w/log"}) {
    wire::Request append;
    append.mutable_fs_append()->set_path(path);
    append.mutable_fs_append()->set_content("more");
    EXPECT_TRUE(client->call(append).has_fs_append()) << path;
    wire::Request write = write_request(path, "new");
    write.mutable_fs_write()->set_mode(wire::REPLACE);
    write.mutable_fs_write()->set_in_place(true);
    EXPECT_TRUE(client->call(write).has_fs_write()) << path;
  }
  std::filesystem::create_symlink("/log/none", served.root() + "/w/none");
  wire::Request append;
  append.mutable_fs_append()->set_path("/w/none");
  append.mutable_fs_append()->set_content("more");
  EXPECT_EQ(client->call(append).failed().name(), "ENOENT");
}

// Who may not stat a link is not told by a remedy or an error where it leads. The record has it.
TEST_F(FilesBrokeredByTwo, a_link_that_may_not_be_looked_at_does_not_tell_where_it_leads) {
  const std::string tree = served.root() + ".brokered/log/";
  std::filesystem::create_symlink("/somewhere/else", tree + "denied");
  std::filesystem::create_directory_symlink("/log/somewhere", tree + "way");
  std::filesystem::create_symlink("/p/somewhere", tree + "payroll");
  std::filesystem::create_directory(tree + "somewhere");
  for (const char* name : {"denied", "payroll", "way/none", "way/none/none", "way"}) {
    wire::Request append;
    append.mutable_fs_append()->set_path(std::string("/log/") + name);
    append.mutable_fs_append()->set_content("more");
    const wire::Reply reply = client->call(append);
    EXPECT_THAT(reply.SerializeAsString(), testing::Not(testing::HasSubstr("somewhere"))) << name;
    EXPECT_TRUE(reply.has_denied() || reply.failed().object() == std::string("/log/") + name)
        << reply.SerializeAsString();
    EXPECT_THAT(served.journal().back().details,
                testing::Contains(testing::Pair("reached", testing::HasSubstr("/somewhere"))))
        << name;
  }
  std::filesystem::create_directory_symlink("/w", tree + "box");
  wire::Request append;
  append.mutable_fs_append()->set_path("/log/box/none/none");
  append.mutable_fs_append()->set_content("more");
  EXPECT_EQ(client->call(append).failed().object(), "/log/box/none/none");
  EXPECT_THAT(served.journal().back().details, testing::Contains(testing::Pair("reached", "/w/none/none")));
  std::filesystem::create_symlink("2024", tree + "current");
  wire::Request open;
  open.mutable_fs_open()->set_path("/log/current");
  open.mutable_fs_open()->set_access(wire::OPEN_APPEND);
  EXPECT_THAT(client->call(open).denied().remedy(), testing::HasSubstr("fs.write")) << "a remedy that names no path";
  std::filesystem::create_symlink("/somewhere/else", served.root() + ".brokered/v/told");
  EXPECT_THAT(client->call(read_request("/v/told")).denied().remedy(), testing::HasSubstr("/somewhere/else"));
}

// Nor by which of two paths an error names, to who guesses.
TEST_F(FilesBrokeredByTwo, an_error_does_not_tell_of_which_of_two_paths_it_is) {
  std::filesystem::create_directories(served.root() + ".brokered/drop/somewhere");
  std::filesystem::create_directory_symlink("/drop/somewhere", served.root() + ".brokered/drop/way");
  for (const std::string guess : {"/drop/somewhere/none", "/drop/elsewhere/none"}) {
    wire::Request rename;
    rename.mutable_fs_rename()->set_from("/drop/way/none");
    rename.mutable_fs_rename()->set_to(guess);
    const wire::Reply reply = client->call(rename);
    EXPECT_EQ(reply.failed().name(), "ENOENT");
    EXPECT_EQ(reply.failed().object(), "/drop/way/none -> " + guess);
  }
}

// As many as the kernel's own walk.
TEST_F(FilesBrokered, forty_links_lead_somewhere) {
  for (const auto& [name, to] : {std::pair(std::string("a"), "/v/file"), {"b", "none/none"}})
    for (int i = 0; i < 40; ++i) link(name + std::to_string(i), i == 39 ? to : name + std::to_string(i + 1));
  EXPECT_EQ(client->call(read_request("/w/a0")).fs_read().content(), "kept");
  EXPECT_EQ(client->call(read_request("/w/b0")).failed().name(), "ENOENT");
}

TEST_F(FilesBrokered, links_go_round_to_an_end) {
  const std::string tree = served.root() + ".brokered/v/";
  std::filesystem::create_directory_symlink("round", tree + "round");
  std::filesystem::create_directory_symlink("/v/b", tree + "a");
  std::filesystem::create_directory_symlink("/v/a", tree + "b");
  for (const char* path : {"/v/round/x", "/v/a/x", "/v/round"})
    EXPECT_EQ(client->call(read_request(path)).failed().name(), "ELOOP") << path;
}

}  // namespace
}  // namespace alos::broker::test
