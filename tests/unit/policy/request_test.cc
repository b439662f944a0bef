#include "policy/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alos::policy {
namespace {

using testing::HasSubstr;

TEST(Request, every_operation_names_its_right_and_reads_back) {
  for (const char* word :
       {"read", "list", "stat", "write", "append", "create", "remove", "rename", "chmod", "execute"}) {
    const std::string line = std::string("fs.") + word + " /a/b c";
    const auto request = Request::parse(line);
    ASSERT_TRUE(request) << line;
    EXPECT_EQ(request->text(), line);
    EXPECT_EQ(Rights(request->right()).text(), std::string(word) == "execute" ? "x" : word);
    EXPECT_EQ(request->reached(), "/a/b c");
  }
}

TEST(Request, is_canonical_however_it_is_spelled) {
  EXPECT_EQ(Request::parse("fs.read /a//b/./c/../d/")->asked(), "/a/b/d");
  EXPECT_EQ(Request::parse("fs.read /../..")->asked(), "/");
  EXPECT_EQ(Request::file(Right::read, "/l/", "/x//y")->reached(), "/x/y");
}

TEST(Request, network_is_host_and_port) {
  const auto request = Request::parse("net.connect [::1]:443");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind(), Request::Kind::network);
  EXPECT_EQ(request->text(), "net.connect [::1]:443");
}

TEST(Request, says_what_is_wrong_with_a_line) {
  const auto hint = [](std::string_view line) { return Request::parse(line).error().hint; };
  EXPECT_THAT(hint("fs.raed /a"), HasSubstr("'fs.read'"));
  EXPECT_THAT(hint("fs.read a"), HasSubstr("absolute"));
  EXPECT_THAT(hint("fs.read"), HasSubstr("PATH"));
  EXPECT_THAT(hint("fs.read  /a"), HasSubstr("absolute"));
  EXPECT_THAT(hint(""), HasSubstr("begins with"));
  EXPECT_THAT(hint("net.connect a"), HasSubstr("HOST:PORT"));
  EXPECT_THAT(hint("net.connect :1"), HasSubstr("HOST:PORT"));
  EXPECT_THAT(hint("net.connect a:0"), HasSubstr("HOST:PORT"));
  EXPECT_THAT(hint("net.connect a:70000"), HasSubstr("HOST:PORT"));
  EXPECT_THAT(hint("net.connect a:1 b:2"), HasSubstr("HOST:PORT"));
  EXPECT_EQ(Request::parse("shell.run ls").error().code, ENOTSUP);
  EXPECT_EQ(Request::parse(std::string_view("fs.read /a\0b", 12)).error().code, EINVAL);
  EXPECT_EQ(Request::parse("fs.read /" + std::string(300, 'x')).error().code, ENAMETOOLONG);
}

}  // namespace
}  // namespace alos::policy
