#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/broker/files.h"

// In what primitives alone reach a name is all that an exception or a pattern goes by: no rename may take a file to a
// name that says more of it, and no directory to one that says anything else.
namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;
using policy::kRead;
using policy::kWrite;
using policy::Rights;
using testing::HasSubstr;

constexpr const char* kMore = "the policy gives r to it";
constexpr const char* kLess = "the policy does not give read to it";
constexpr const char* kOther = "the policy allows other things in it";

class FilesBrokeredRenamed : public Files {
 protected:
  static policy::FileRule excepting(policy::FileRule rule, const std::string& pattern) {
    rule.except.push_back({policy::Pattern::parse(pattern).value(), "", {}});
    return rule;
  }
  static Setting brokered_rules(std::vector<policy::FileRule> files) {
    files.push_back(rule(Effect::allow, kAll, {"/w/**"}, "work"));
    return {.policy = rules(std::move(files)), .brokered = true};
  }
  explicit FilesBrokeredRenamed(std::vector<policy::FileRule> files) : Files(brokered_rules(std::move(files))) {}

  wire::Reply rename(const std::string& from, const std::string& to, bool replace = false) {
    wire::Request request = rename_request(from, to);
    request.mutable_fs_rename()->set_replace(replace);
    return client->call(request);
  }
  void is_refused(const std::string& from, const std::string& to, const std::string& why) {
    for (const bool replace : {false, true}) {
      const wire::Reply reply = rename(from, to, replace);
      EXPECT_EQ(reply.failed().name(), "EPERM") << from << " -> " << to << ": " << reply.DebugString();
      EXPECT_THAT(reply.failed().hint(), HasSubstr(why)) << from << " -> " << to;
      EXPECT_TRUE(served.exists(".brokered" + from));
    }
  }
};

class FilesBrokeredExcepted : public FilesBrokeredRenamed {
 protected:
  FilesBrokeredExcepted()
      : FilesBrokeredRenamed(
            {excepting(brokered(kRead, "/v/**", "reading"), "/v/sub/**"), brokered(kWrite, "/v/**", "writing")}) {
    served.write(".brokered/v/sub/deep", "kept from readers");
    served.write(".brokered/v/plain", "p");
  }
};

TEST_F(FilesBrokeredExcepted, no_file_is_renamed_to_where_it_could_be_read) {
  EXPECT_TRUE(client->call(read_request("/v/sub/deep")).has_denied());
  is_refused("/v/sub/deep", "/v/out", kMore);
  is_refused("/v/sub/deep", "/v/plain", kMore);
  EXPECT_EQ(client->call(read_request("/v/plain")).fs_read().content(), "p");
}

TEST_F(FilesBrokeredExcepted, one_is_to_where_the_same_can_be_done_with_it) {
  EXPECT_TRUE(rename("/v/plain", "/v/other").has_fs_rename());
  EXPECT_TRUE(rename("/v/sub/deep", "/v/sub/again").has_fs_rename());
  EXPECT_TRUE(client->call(read_request("/v/sub/again")).has_denied());
}

// Who reads it by then goes on, and is shown what it becomes.
TEST_F(FilesBrokeredExcepted, no_file_is_renamed_to_where_it_could_not_be_read_any_more) {
  is_refused("/v/plain", "/v/sub/plain", kLess);
  wire::Request copy;
  copy.mutable_fs_copy()->set_from("/v/plain");
  copy.mutable_fs_copy()->set_to("/v/sub/plain");
  EXPECT_TRUE(client->call(copy).has_fs_copy()) << "what the refusal says to do instead";
}

TEST_F(FilesBrokeredExcepted, no_link_is_renamed_to_where_it_could_be_followed) {
  std::filesystem::create_symlink("/v/plain", served.root() + ".brokered/v/sub/link");
  is_refused("/v/sub/link", "/v/link", kMore);
}

// What is done stays as it is: what was being added to it by its name before would be added to it all the same.
class FilesBrokeredSealed : public FilesBrokeredRenamed {
 protected:
  FilesBrokeredSealed() : FilesBrokeredRenamed({brokered(kAll, "/v/**", "working"), sealed(), kept()}) {
    served.write(".brokered/v/x", "x");
  }
  static policy::FileRule sealed() {
    return rule(Effect::deny, Rights(policy::Right::write) | policy::Right::append, {"/v/*.done"}, "sealed");
  }
  static policy::FileRule kept() {
    return rule(Effect::deny, Rights(policy::Right::remove) | policy::Right::rename, {"/v/*.kept"}, "kept");
  }
};

TEST_F(FilesBrokeredSealed, no_file_is_renamed_to_where_it_could_not_be_written_any_more) {
  const wire::Reply reply = rename("/v/x", "/v/x.done");
  EXPECT_EQ(reply.failed().name(), "EPERM") << reply.DebugString();
  EXPECT_THAT(reply.failed().hint(), HasSubstr("the policy does not give write+append to it"));
  EXPECT_TRUE(rename("/v/x", "/v/x.kept").has_fs_rename()) << "nothing goes on by these rights";
}

// The kernel leaves both names, and says that it was done.
TEST_F(FilesBrokeredSealed, one_name_of_a_file_does_not_take_the_place_of_another) {
  std::filesystem::create_hard_link(served.root() + ".brokered/v/x", served.root() + ".brokered/v/y");
  const wire::Reply reply = rename("/v/x", "/v/y", true);
  EXPECT_EQ(reply.failed().name(), "EMLINK") << reply.DebugString();
  EXPECT_TRUE(rename("/v/x", "/v/x", true).has_fs_rename()) << "to its own name it is done";
}

// What a pattern of an allow gives, it gives by the name.
class FilesBrokeredByPattern : public FilesBrokeredRenamed {
 protected:
  FilesBrokeredByPattern()
      : FilesBrokeredRenamed({brokered(kRead, "/v/*.pub", "public"), brokered(kRead, "/v/open/*/**", "open"),
                              brokered(kWrite, "/v/**", "writing")}) {
    served.write(".brokered/v/key", "secret");
    served.write(".brokered/v/d/key", "secret");
    served.make_directory(".brokered/v/open");
  }
};

TEST_F(FilesBrokeredByPattern, nothing_gets_a_name_that_it_matches) {
  is_refused("/v/key", "/v/key.pub", kMore);
  is_refused("/v/d", "/v/d.pub", kOther);
  EXPECT_TRUE(rename("/v/key", "/v/d/other").has_fs_rename());
}

TEST_F(FilesBrokeredByPattern, nor_does_what_lies_in_a_directory) {
  is_refused("/v/d", "/v/open/d", kOther);
  EXPECT_TRUE(rename("/v/d", "/v/e").has_fs_rename());
  EXPECT_TRUE(served.exists(".brokered/v/e/key"));
}

// An exception that names a directory takes away what lies in it, though it matches none of that.
class FilesBrokeredExceptedDirectory : public FilesBrokeredRenamed {
 protected:
  FilesBrokeredExceptedDirectory()
      : FilesBrokeredRenamed({excepting(excepting(brokered(kRead, "/v/**", "reading"), "/v/sub"), "/v/box"),
                              brokered(kRead | kWrite, "/v/box/*/*", "box"), brokered(kWrite, "/v/**", "writing")}) {
    served.write(".brokered/v/sub/d/key", "secret");
    served.write(".brokered/v/p/f", "f");
    served.make_directory(".brokered/v/box/x");
  }
};

TEST_F(FilesBrokeredExceptedDirectory, nothing_in_it_is_renamed_out_of_it) {
  EXPECT_TRUE(client->call(read_request("/v/sub/d/key")).has_denied());
  is_refused("/v/sub/d", "/v/box/e", "rule 'reading' takes away");
  is_refused("/v/sub/d", "/v/e", "rule 'reading' takes away");
  is_refused("/v/sub/d/key", "/v/box/x/e", kMore);
}

// A call that has found /v/p/f has decided on it by that name.
TEST_F(FilesBrokeredExceptedDirectory, no_directory_is_renamed_into_it) {
  is_refused("/v/p", "/v/sub/p", "rule 'reading' takes away what may lie in it then");
}

TEST_F(FilesBrokeredExceptedDirectory, directories_that_it_is_not_about_are_renamed) {
  EXPECT_TRUE(rename("/v/p", "/v/q").has_fs_rename());
}

// What patterns of so many components give is the same at the same depth, and nowhere else.
class FilesBrokeredByDepth : public FilesBrokeredRenamed {
 protected:
  FilesBrokeredByDepth() : FilesBrokeredRenamed({depths()}) { served.write(".brokered/v/a/out/file", "x"); }
  static policy::FileRule depths() {
    policy::FileRule out = brokered(kRead | kWrite, "/v/*", "depths");
    for (const char* path : {"/v/*/*", "/v/*/out/**"})
      out.paths.push_back({policy::Pattern::parse(path).value(), "", {}});
    return out;
  }
};

TEST_F(FilesBrokeredByDepth, directories_are_renamed_at_their_depth) {
  EXPECT_TRUE(rename("/v/a", "/v/b").has_fs_rename());
  is_refused("/v/b/out", "/v/b/in", kOther);
  is_refused("/v/b/out", "/v/out", kOther);
  EXPECT_TRUE(rename("/v/b/out/file", "/v/b/out/other").has_fs_rename());
}

class FilesBrokeredRights : public FilesBrokeredRenamed {
 protected:
  FilesBrokeredRights()
      : FilesBrokeredRenamed({brokered(kRead, "/v/**", "reading"), brokered(kWrite, "/v/**", "writing"),
                              brokered(Rights(policy::Right::execute), "/v/bin/**", "running"),
                              brokered(kAll - kRead, "/v/in/**", "in")}) {
    served.write(".brokered/v/a/file", "x");
    served.make_directory(".brokered/v/bin");
  }
};

// Each right counts by itself, and whichever rules give it.
TEST_F(FilesBrokeredRights, are_those_of_all_rules_together) {
  EXPECT_TRUE(rename("/v/a", "/v/b").has_fs_rename());
  EXPECT_TRUE(rename("/v/b/file", "/v/b/other").has_fs_rename());
  EXPECT_THAT(rename("/v/b/other", "/v/bin/tool").failed().hint(), HasSubstr("the policy gives x to it"));
  EXPECT_THAT(rename("/v/b", "/v/bin/b").failed().hint(), HasSubstr(kOther));
}

}  // namespace
}  // namespace alos::broker::test
