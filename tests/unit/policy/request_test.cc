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

TEST(Request, a_command_is_its_words_whatever_is_in_them) {
  const std::vector<std::string> argv{"/opt/x", "a b", "it's", "", "\\", "\"", "a\nb", "$x", "-n", "*", "a=b,c"};
  const auto request = Request::command(argv);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind(), Request::Kind::command);
  EXPECT_EQ(request->argv(), argv);
  const auto again = Request::parse(request->text());
  ASSERT_TRUE(again) << request->text();
  EXPECT_EQ(again->argv(), argv);
  EXPECT_EQ(Request::parse("shell.run /opt/x  a\\ b  'it'\\''s' ''")->text(), "shell.run /opt/x 'a b' 'it'\\''s' ''");
  EXPECT_EQ(Request::parse("shell.run /opt//y/../x a")->program(), "/opt/x");
  EXPECT_FALSE(Request::command({}));
  EXPECT_FALSE(Request::command({"x"}));
  EXPECT_FALSE(Request::command({"/x", std::string("a\0b", 3)}));
}

TEST(Request, a_sleep_is_a_duration) {
  EXPECT_EQ(Request::parse("clock.sleep 90m")->milliseconds(), 5'400'000U);
  EXPECT_EQ(Request::parse("clock.sleep 90m")->text(), "clock.sleep 1h30m");
  EXPECT_EQ(Request::parse("clock.now")->text(), "clock.now");
  for (const uint64_t ms : {uint64_t{0}, uint64_t{1}, uint64_t{86'399'999}, ~uint64_t{0}}) {
    const Request request = Request::sleep(ms);
    const auto again = Request::parse(request.text());
    ASSERT_TRUE(again) << request.text();
    EXPECT_EQ(again->milliseconds(), request.milliseconds());
  }
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
  EXPECT_EQ(Request::parse("human.ask x").error().code, ENOTSUP);
  EXPECT_EQ(Request::parse("clock.forward 1h").error().code, EINVAL);
  EXPECT_THAT(hint("shell.run ls"), HasSubstr("absolute path, as in shell.run /usr/bin/env"));
  EXPECT_THAT(hint("shell.run"), HasSubstr("PROGRAM"));
  EXPECT_THAT(hint("shell.run "), HasSubstr("PROGRAM"));
  EXPECT_THAT(hint("shell.run /a \"b\""), HasSubstr("single quotes"));
  EXPECT_THAT(hint("shell.run /a 'b"), HasSubstr("a single quote is open"));
  EXPECT_THAT(hint("shell.run /a b\\"), HasSubstr("backslash"));
  EXPECT_THAT(hint("clock.now UTC"), HasSubstr("alone"));
  EXPECT_THAT(hint("clock.sleep"), HasSubstr("clock.sleep 90s"));
  EXPECT_THAT(hint("clock.sleep 90"), HasSubstr("write 90s"));
  EXPECT_EQ(Request::parse(std::string_view("fs.read /a\0b", 12)).error().code, EINVAL);
  EXPECT_EQ(Request::parse("fs.read /" + std::string(300, 'x')).error().code, ENAMETOOLONG);
}

TEST(Request, is_shown_as_no_other_is) {
  const auto shown = [](const std::string& path) { return Request::file(Right::read, path)->shown(); };
  EXPECT_EQ(shown("/w/a b"), "fs.read /w/a b");
  EXPECT_EQ(shown("/w/a\nb"), "fs.read /w/a\\x0ab");
  EXPECT_EQ(shown("/w/a\\x0ab"), "fs.read /w/a\\\\x0ab");
  const auto run = [](const std::string& word) { return Request::command({"/usr/bin/echo", word})->shown(); };
  EXPECT_EQ(run("plain"), "shell.run /usr/bin/echo plain");
  EXPECT_EQ(run("two words"), "shell.run /usr/bin/echo 'two words'");
  EXPECT_EQ(run("a\nb"), "shell.run /usr/bin/echo 'a\\x0ab'");
  EXPECT_EQ(run("a\\x0ab"), "shell.run /usr/bin/echo 'a\\\\x0ab'");
}

}  // namespace
}  // namespace alos::policy
