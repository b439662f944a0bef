#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "tests/unit/broker/files.h"
#include "tests/unit/broker/script_lines.h"

// What primitives alone reach below what a rule takes.
namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;

// A deny that excepts the tree has nothing against the way there.
class FilesBrokeredByException : public Files {
 protected:
  static Setting rules_with_exceptions() {
    policy::FileRule books = brokered(kAll, "/v/books/**", "books");
    books.except = {{policy::Pattern::parse("/v/books/priv/*.key").value(), "", {}}};
    policy::FileRule others = rule(Effect::deny, kAll, {"/v/**"}, "others");
    others.except = {{policy::Pattern::parse("/v/books/**").value(), "", {}}};
    return {.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work"), books, others}), .brokered = true};
  }
  FilesBrokeredByException() : Files(rules_with_exceptions()) {
    served.write(".brokered/v/books/a", "kept");
    served.write(".brokered/v/books/priv/a.key", "k");
  }
};

TEST_F(FilesBrokeredByException, what_is_excepted_from_a_deny_is_made_and_told_as_it_is) {
  EXPECT_EQ(client->call(read_request("/v/books/none")).failed().name(), "ENOENT");
  EXPECT_EQ(client->call(read_request("/v/books/a/zz")).failed().name(), "ENOTDIR");
  EXPECT_TRUE(client->call(write_request("/v/books/new", "x")).has_fs_write());
  wire::Request make;
  make.mutable_fs_mkdir()->set_path("/v/books/directory");
  EXPECT_TRUE(client->call(make).has_fs_mkdir());
  EXPECT_TRUE(client->call(rename_request("/v/books/a", "/v/books/b")).has_fs_rename());
  EXPECT_EQ(client->call(read_request("/v/others/none")).denied().rule(), "others");
}

// As what a deny names on the way.
TEST_F(FilesBrokeredByException, what_an_allow_excepts_is_not_told_by_how_a_way_ends) {
  const std::string priv = served.root() + ".brokered/v/books/priv/";
  std::filesystem::create_symlink("/w", priv + "link.key");
  std::filesystem::create_directory(priv + "directory.key");
  std::set<std::string> answers;
  for (const std::string name : {"a", "none", "link", "directory"}) {
    wire::Denied denied = client->call(read_request("/v/books/priv/" + name + ".key/zz")).denied();
    EXPECT_EQ(denied.rule(), "default") << name;
    for (size_t at; (at = denied.remedy().find(name + ".key")) != std::string::npos;)
      denied.mutable_remedy()->replace(at, name.size(), "NAME");
    answers.insert(denied.remedy());
  }
  EXPECT_EQ(answers.size(), 1U) << testing::PrintToString(answers);
}

// A deny that excepts the ends of paths denies the directories that they go by.
class FilesBrokeredBelowDenied : public Files {
 protected:
  static Setting rules_with_ends() {
    policy::FileRule priv = rule(Effect::deny, kAll, {"/k/priv/**"}, "priv");
    priv.except = {{policy::Pattern::parse("/k/priv/**/*.pub").value(), "", {}}};
    return {.policy = rules({rule(Effect::allow, kAll, {"/w/**"}, "work"), brokered(kAll, "/k/**", "keys"), priv}),
            .brokered = true};
  }
  FilesBrokeredBelowDenied() : FilesBrokeredBelowDenied(rules_with_ends()) {}
  explicit FilesBrokeredBelowDenied(Setting setting)
      : Files(std::move(setting)), priv_(served.root() + ".brokered/k/priv/") {
    served.write(".brokered/k/plain", "p");
    served.write(".brokered/k/other/x.pub", "o");
    served.write(".brokered/k/priv/file", "f");
    served.write(".brokered/k/priv/tree/there.pub", "public");
    for (const char* directory : {"tree", "shut"}) std::filesystem::create_directories(priv_ + directory);
    std::filesystem::create_symlink("../other", priv_ + "link");
    std::filesystem::create_symlink("loop", priv_ + "loop");
    std::filesystem::permissions(priv_ + "shut", std::filesystem::perms::none);
  }
  ~FilesBrokeredBelowDenied() override { std::filesystem::permissions(priv_ + "shut", std::filesystem::perms::all); }

  // A failure, but for the directory's own name.
  static std::string said(wire::Reply reply, const std::string& directory) {
    EXPECT_EQ(reply.failed().name(), "ENOENT") << directory;
    reply.set_id(0);
    std::string out = reply.SerializeAsString();
    for (size_t at; (at = out.find("priv/" + directory)) != std::string::npos;) out.replace(at, 9, "NAME");
    return out;
  }
  // What is answered of such an end in each directory.
  std::set<std::string> answers(const std::string& end, const std::set<std::string>& directories,
                                const std::function<wire::Request(const std::string&)>& request) {
    std::set<std::string> out;
    for (const std::string& directory : directories)
      out.insert(said(client->call(request("/k/priv/" + directory + end)), directory));
    return out;
  }

  const std::string priv_;
};

TEST_F(FilesBrokeredBelowDenied, nothing_is_told_of_a_directory_by_what_is_not_in_it) {
  using Asks = std::function<wire::Request(const std::string&)>;
  const auto of = [](const auto& fill) -> Asks {
    return [fill](const std::string& path) {
      wire::Request out;
      fill(out, path);
      return out;
    };
  };
  const std::map<std::string, Asks> all{
      {"read", read_request},
      {"stat", of([](auto& r, const auto& path) { r.mutable_fs_stat()->set_path(path); })},
      {"lstat", of([](auto& r, const auto& path) {
         r.mutable_fs_stat()->set_path(path);
         r.mutable_fs_stat()->set_no_follow(true);
       })},
      {"list", of([](auto& r, const auto& path) { r.mutable_fs_list()->set_path(path); })},
      {"remove", of([](auto& r, const auto& path) { r.mutable_fs_remove()->set_path(path); })},
      {"append", of([](auto& r, const auto& path) { r.mutable_fs_append()->set_path(path); })},
      {"replace", of([](auto& r, const auto& path) {
         r = write_request(path, "x");
         r.mutable_fs_write()->set_mode(wire::REPLACE);
       })},
      {"rename", of([](auto& r, const auto& path) {
         r.mutable_fs_rename()->set_from(path);
         r.mutable_fs_rename()->set_to("/k/new");
       })},
      {"copy", of([](auto& r, const auto& path) {
         r.mutable_fs_copy()->set_from(path);
         r.mutable_fs_copy()->set_to("/k/new");
       })},
      {"replaced by a copy", of([](auto& r, const auto& path) {
         r.mutable_fs_copy()->set_from("/k/plain");
         r.mutable_fs_copy()->set_to(path);
         r.mutable_fs_copy()->set_mode(wire::REPLACE);
       })}};
  const std::set<std::string> directories{"none", "file", "link", "loop", "tree", "shut"};
  const std::vector<std::string> ends{"/x.pub", "/deep/x.pub", "/" + std::string(251, 'l') + ".pub"};
  for (const auto& [name, request] : all)
    for (const std::string& end : ends)
      EXPECT_EQ(answers(end, directories, request).size(), 1U) << name << " " << end.substr(0, 12);
}

TEST_F(FilesBrokeredBelowDenied, what_is_there_is_reached_and_made) {
  EXPECT_EQ(client->call(read_request("/k/priv/tree/there.pub")).fs_read().content(), "public");
  EXPECT_TRUE(client->call(write_request("/k/priv/tree/new.pub", "n")).has_fs_write());
  EXPECT_EQ(answers("/new.pub", {"none", "file", "link", "loop"},
                    [](const std::string& path) { return write_request(path, "n"); })
                .size(),
            1U);
  EXPECT_EQ(client->call(read_request("/k/priv/tree/secret")).denied().rule(), "priv");
  EXPECT_EQ(client->call(read_request("/k/none")).failed().hint(), "");
}

// What a wildcard stands for is told by what is reached in it.
class FilesBrokeredByWildcard : public Files {
 protected:
  static Setting rules_with_wildcard() {
    return {.policy = rules(
                {rule(Effect::allow, kAll, {"/w/**"}, "work"), brokered(kAll, "/t/*/books/**", "books"),
                 rule(Effect::deny, policy::Rights(policy::Right::create) | policy::Right::write, {"/t/*"}, "fixed")}),
            .brokered = true};
  }
  FilesBrokeredByWildcard() : Files(rules_with_wildcard()) {}
};

TEST_F(FilesBrokeredByWildcard, what_is_allowed_by_its_own_name_is_told_and_made) {
  const std::string tree = served.root() + ".brokered/t/";
  served.write(".brokered/t/a/books/file", "f");
  std::filesystem::create_directory(tree + "a/books/shut");
  std::filesystem::permissions(tree + "a/books/shut", std::filesystem::perms::none);
  std::filesystem::create_symlink("a", tree + "link");
  EXPECT_EQ(client->call(read_request("/t/a/books/file/x")).failed().name(), "ENOTDIR");
  EXPECT_EQ(client->call(read_request("/t/a/books/shut/x")).failed().name(), "EACCES");
  EXPECT_EQ(client->call(read_request("/t/a/books/none/x")).failed().hint(), "");
  EXPECT_TRUE(client->call(write_request("/t/a/books/new", "n")).has_fs_write());
  const wire::Reply absent = client->call(read_request("/t/none/books/file"));
  const wire::Reply link = client->call(read_request("/t/link/books/file"));
  EXPECT_EQ(absent.failed().name(), "ENOENT");
  EXPECT_EQ(link.failed().name(), "ENOENT");
  EXPECT_NE(absent.failed().hint(), "");
  EXPECT_EQ(link.failed().hint(), absent.failed().hint());
  std::filesystem::permissions(tree + "a/books/shut", std::filesystem::perms::all);
}

class FilesBrokeredBelowDeniedScripted : public FilesBrokeredBelowDenied {
 protected:
  static Setting scripted() {
    Setting out = rules_with_ends();
    out.script.push_back(line_of_file("fs.read", "/k/priv/**", EIO));
    return out;
  }
  FilesBrokeredBelowDeniedScripted() : FilesBrokeredBelowDenied(scripted()) {}
};

TEST_F(FilesBrokeredBelowDeniedScripted, a_line_answers_there_too) {
  for (const char* directory : {"none", "link", "tree"})
    EXPECT_EQ(client->call(read_request(std::string("/k/priv/") + directory + "/x.pub")).failed().name(), "EIO")
        << directory;
}

// By a link of its own, in a place where it may.
class FilesBrokeredBelowDeniedUnmade : public FilesBrokeredBelowDenied {
 protected:
  static Setting without_making() {
    Setting out = rules_with_ends();
    out.policy.files.push_back(rule(Effect::deny, policy::Right::create, {"/k/priv/**"}, "fixed"));
    return out;
  }
  FilesBrokeredBelowDeniedUnmade() : FilesBrokeredBelowDenied(without_making()) {}
};

TEST_F(FilesBrokeredBelowDeniedUnmade, nor_by_what_may_be_made_elsewhere) {
  std::set<std::string> answers;
  for (const std::string directory : {"none", "file", "link", "loop", "tree", "shut"}) {
    const std::string link = served.root() + "/w/link";
    std::filesystem::remove(link);
    std::filesystem::create_symlink("/k/priv/" + directory, link);
    answers.insert(said(client->call(write_request("/w/link/x.pub", "n")), directory));
  }
  EXPECT_EQ(answers.size(), 1U);
}

// Whoever reads the audit is told.
TEST_F(FilesBrokeredBelowDenied, the_record_says_where_it_ended) {
  const auto stopped = [&](const std::string& path) {
    client->call(read_request(path));
    const std::vector<Recorded> all = served.journal();
    for (const auto& [name, value] : all.back().details)
      if (name == "stopped") return value;
    return std::string();
  };
  EXPECT_EQ(stopped("/k/priv/link/x.pub"), "/k/priv/link (a link)");
  EXPECT_EQ(stopped("/k/priv/file/x.pub"), "/k/priv/file (Not a directory)");
  EXPECT_EQ(stopped("/k/priv/none/deep/x.pub"), "/k/priv/none (No such file or directory)");
  EXPECT_EQ(stopped("/k/priv/shut/x.pub"), "/k/priv/shut/x.pub (Permission denied)");
  EXPECT_EQ(stopped("/k/priv/tree/x.pub"), "/k/priv/tree/x.pub (No such file or directory)");
  EXPECT_EQ(stopped("/k/none"), "");
}

}  // namespace
}  // namespace alos::broker::test
