#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/broker/files.h"

// In what primitives alone reach a name is all that an exception or a pattern goes by: no rename may take what is there
// to a name that says more of it.
namespace alos::broker::test {
namespace {

using policy::Effect;
using policy::kAll;
using policy::kRead;
using policy::kWrite;
using policy::Rights;
using testing::HasSubstr;

class FilesBrokeredRenamed : public Files {
 protected:
  static policy::FileRule excepting(policy::FileRule rule, const std::string& pattern) {
    rule.except = {{policy::Pattern::parse(pattern).value(), "", {}}};
    return rule;
  }
  static Setting brokered_rules(std::vector<policy::FileRule> files) {
    files.push_back(rule(Effect::allow, kAll, {"/w/**"}, "work"));
    return {.policy = rules(std::move(files)), .brokered = true};
  }
  explicit FilesBrokeredRenamed(std::vector<policy::FileRule> files) : Files(brokered_rules(std::move(files))) {}

  wire::Reply rename(const std::string& from, const std::string& to, bool replace = false) {
    wire::Request request;
    request.mutable_fs_rename()->set_from(from);
    request.mutable_fs_rename()->set_to(to);
    request.mutable_fs_rename()->set_replace(replace);
    return client->call(request);
  }
  void is_refused(const std::string& from, const std::string& to, const std::string& rights) {
    for (const bool replace : {false, true}) {
      const wire::Reply reply = rename(from, to, replace);
      EXPECT_EQ(reply.failed().name(), "EPERM") << from << " -> " << to << ": " << reply.DebugString();
      EXPECT_THAT(reply.failed().hint(), HasSubstr("the policy gives " + rights + " to")) << from << " -> " << to;
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
  is_refused("/v/sub/deep", "/v/out", "r");
  is_refused("/v/sub/deep", "/v/plain", "r");
  EXPECT_EQ(client->call(read_request("/v/plain")).fs_read().content(), "p");
}

TEST_F(FilesBrokeredExcepted, one_is_to_where_no_more_can_be_done_with_it) {
  EXPECT_TRUE(rename("/v/plain", "/v/other").has_fs_rename());
  EXPECT_TRUE(rename("/v/other", "/v/sub/other").has_fs_rename());
  EXPECT_TRUE(rename("/v/sub/other", "/v/sub/again").has_fs_rename());
  EXPECT_TRUE(client->call(read_request("/v/sub/again")).has_denied());
}

TEST_F(FilesBrokeredExcepted, no_link_is_renamed_to_where_it_could_be_followed) {
  std::filesystem::create_symlink("/v/plain", served.root() + ".brokered/v/sub/link");
  is_refused("/v/sub/link", "/v/link", "r");
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
  is_refused("/v/key", "/v/key.pub", "r");
  is_refused("/v/d", "/v/d.pub", "r");
  EXPECT_TRUE(rename("/v/key", "/v/d/other").has_fs_rename());
}

TEST_F(FilesBrokeredByPattern, nor_does_what_lies_in_a_directory) {
  is_refused("/v/d", "/v/open/d", "r");
  EXPECT_TRUE(rename("/v/d", "/v/e").has_fs_rename());
  EXPECT_TRUE(served.exists(".brokered/v/e/key"));
}

// Each right counts by itself, and whichever rules give it.
TEST(FilesBrokeredRights, are_those_of_all_rules_together) {
  Setting setting{.policy = rules({brokered(kRead, "/v/**", "reading"), brokered(kWrite, "/v/**", "writing"),
                                   brokered(Rights(policy::Right::execute), "/v/bin/**", "running"),
                                   brokered(kAll - kRead, "/v/in/**", "in")}),
                  .brokered = true};
  const Served served(std::move(setting));
  served.write(".brokered/v/a/file", "x");
  served.make_directory(".brokered/v/bin");
  const auto client = served.connect();
  const auto rename = [&](const std::string& from, const std::string& to) {
    wire::Request request;
    request.mutable_fs_rename()->set_from(from);
    request.mutable_fs_rename()->set_to(to);
    return client->call(request);
  };
  EXPECT_TRUE(rename("/v/a", "/v/b").has_fs_rename());
  EXPECT_TRUE(rename("/v/b/file", "/v/b/other").has_fs_rename());
  EXPECT_THAT(rename("/v/b/other", "/v/bin/tool").failed().hint(), HasSubstr("the policy gives x to it"));
  EXPECT_THAT(rename("/v/b", "/v/bin/b").failed().hint(), HasSubstr("the policy gives x to it"));
}

}  // namespace
}  // namespace alos::broker::test
