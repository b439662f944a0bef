#include "policy/usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "policy/request.h"

namespace alos::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Usage usage(const std::string& text) {
  auto out = Usage::parse("/opt/x " + text);
  EXPECT_TRUE(out) << text << ": " << (out ? "" : out.error().text());
  return out ? *out : Usage();
}

// Words without spaces, as a shell would split them.
std::vector<std::string> words(const std::string& line) {
  const auto request = Request::parse("shell.run /opt/x " + line);
  EXPECT_TRUE(request) << line;
  return {request->argv().begin() + 1, request->argv().end()};
}

bool fits(const std::string& text, const std::string& line) {
  return usage(text).match(words(line)).has_value();
}

// "name=value@position" of each binding; or "position: reason".
std::vector<std::string> bound(const std::string& text, const std::string& line) {
  const auto out = usage(text).match(words(line));
  if (!out) return {std::to_string(out.error().position) + ": " + out.error().reason};
  std::vector<std::string> shown;
  for (const Binding& b : *out) shown.push_back(b.name + "=" + b.value + "@" + std::to_string(b.position));
  return shown;
}

TEST(Usage, words_are_literal) {
  EXPECT_TRUE(fits("staging", "staging"));
  for (const char* line : {"", "stagin", "staging staging", "STAGING", "staging2", "'staging '"})
    EXPECT_FALSE(fits("staging", line)) << line;
  EXPECT_TRUE(fits("", ""));
  EXPECT_FALSE(fits("", "a"));
  EXPECT_TRUE(fits("a\\ b \\<c\\> d\\[1\\]", "'a b' '<c>' 'd[1]'"));
}

TEST(Usage, brackets_may_be_left_out_and_alternatives_are_one_of_them) {
  for (const char* line : {"", "a", "a b"}) EXPECT_TRUE(fits("[a [b]]", line)) << line;
  EXPECT_FALSE(fits("[a [b]]", "b"));
  for (const char* text : {"start|stop", "(start | stop)", "(start|stop)"}) {
    EXPECT_TRUE(fits(text, "start")) << text;
    EXPECT_TRUE(fits(text, "stop")) << text;
    EXPECT_FALSE(fits(text, "")) << text;
    EXPECT_FALSE(fits(text, "start stop")) << text;
  }
  EXPECT_TRUE(fits("(add <n:word> | list)", "add x"));
  EXPECT_TRUE(fits("(add <n:word> | list)", "list"));
  EXPECT_FALSE(fits("(add <n:word> | list)", "list x"));
}

TEST(Usage, dots_repeat) {
  for (const char* line : {"a", "a b c"}) EXPECT_TRUE(fits("<n:word>...", line)) << line;
  EXPECT_FALSE(fits("<n:word>...", ""));
  EXPECT_TRUE(fits("[<n:word>]...", ""));
  EXPECT_TRUE(fits("[a b]...", "a b a b"));
  EXPECT_FALSE(fits("[a b]...", "a b a"));
  EXPECT_THAT(bound("<from:word>... <to:path:w>", "a b /c"), ElementsAre("from=a@0", "from=b@1", "to=/c@2"));
}

TEST(Usage, options_come_in_any_order_and_at_most_once) {
  const std::string text = "[--dry-run] [-n <count:int>] [-v]... staging <service:word>";
  for (const char* line : {"staging web", "--dry-run staging web", "staging --dry-run web",
                           "staging web --dry-run -n 3", "-n 3 staging -v web -v --dry-run"})
    EXPECT_TRUE(fits(text, line)) << line;
  for (const char* line :
       {"--dry-run --dry-run staging web", "staging -n web", "staging web -n", "staging web -n x", "staging web --dry",
        "staging web -n3", "staging web -vn 3", "staging web --verbose", "staging -- web", "--dry-run=1 staging web"})
    EXPECT_FALSE(fits(text, line)) << line;
  EXPECT_THAT(bound(text, "staging -n 3 web"), ElementsAre("count=3@2", "service=web@3"));
}

TEST(Usage, an_option_stands_after_the_subcommand_that_is_written_before_it) {
  EXPECT_TRUE(fits("[-v] commit [-m <text:word>] <file:path:r>", "commit -v a -m x"));
  EXPECT_FALSE(fits("[-v] commit [-m <text:word>] <file:path:r>", "-m x commit a"));
  EXPECT_TRUE(fits("(add|remove) [-f] <n:word>", "add -f x"));
  EXPECT_FALSE(fits("(add|remove) [-f] <n:word>", "-f add x"));
}

TEST(Usage, options_that_must_be_given_and_options_that_exclude_each_other) {
  EXPECT_TRUE(fits("(--env <e:word>) <s:word>", "--env prod web"));
  EXPECT_FALSE(fits("(--env <e:word>) <s:word>", "web"));
  EXPECT_TRUE(fits("<s:word> --force [-a]", "-a --force web"));
  EXPECT_FALSE(fits("<s:word> --force [-a]", "web"));
  EXPECT_TRUE(fits("[--from <x:word> | --all]", "--all"));
  EXPECT_TRUE(fits("[--from <x:word> | --all]", "--from a"));
  EXPECT_FALSE(fits("[--from <x:word> | --all]", "--from a --all"));
  EXPECT_FALSE(fits("(-a | -b)", ""));
  EXPECT_TRUE(fits("[-a|-b]", "-b"));
  EXPECT_THAT(bound("[--color=<when:word>] [--level=low|--level=high]", "--color=never"), ElementsAre("when=never@0"));
  EXPECT_FALSE(fits("[--color=<when:word>]", "--color never"));
  EXPECT_FALSE(fits("[--color=<when:word>]", "--color="));
  EXPECT_FALSE(fits("[--color=<when:word>]", "--color=-x"));
  EXPECT_THAT(bound("[-I <dir:path:r>]... <f:path:r>", "-I a b -I c"), ElementsAre("dir=a@1", "f=b@2", "dir=c@4"));
}

TEST(Usage, two_dashes_end_the_options_where_the_line_has_them) {
  EXPECT_TRUE(fits("[-v] -- <f:path:r>", "-v -- a"));
  EXPECT_FALSE(fits("[-v] -- <f:path:r>", "-- a -v"));
  EXPECT_FALSE(fits("[-v] -- <f:path:r>", "-- -v")) << "a value never begins with '-'";
  EXPECT_FALSE(fits("[-v] <f:path:r>", "-- a"));
  EXPECT_TRUE(fits("[-v] [--] <f:path:r>", "a"));
  EXPECT_TRUE(fits("[-v] [-- <f:path:r>...]", "-- a b"));
  EXPECT_TRUE(fits("-- -x", "-- -x"));
  EXPECT_TRUE(fits("<f:path:r>|-", "-"));
}

struct Value {
  const char* type;
  std::vector<std::string> fit, do_not;
};

TEST(Usage, values_are_what_their_type_says_and_never_an_option) {
  const std::vector<Value> all{
      {"int", {"0", "7", "123456789012345678"}, {"1.5", "+1", "0x1", "1234567890123456789"}},
      {"word", {"a", ".a", "a@b", "a=b", "a:b", "1.2.3", "_x"}, {".", "..", "a b", "a/b", "@file", "+x", "a;b", "$a"}},
      {"ref",
       {"main", "feature/x-1", "v1.2", "a@b"},
       {"a..b", "a:b", "+main", "a/", "a//b", "a/.b", "a.lock", "a~1", "a^", "@{u}", "a.", "x.lock/y", "/a"}},
      {"path:r", {"a", "/a b", "../x", "a:b"}, {"a\nb"}},
      {"path:w", {"a", "/etc/x"}, {}},
      {"host", {"a.example.com", "10.0.0.1", "::1", "a:443"}, {"a b", "a/b", "user@host", ".a"}},
      {"*.txt", {"a.txt", ".txt", "a b.txt"}, {"a.tx", "d/a.txt", "a.txt\n"}},
      {"*", {"a", "a;b"}, {".", "..", "a/b"}},
  };
  for (const Value& each : all) {
    const Usage line = usage(std::string("<x:") + each.type + ">");
    for (const std::string& value : each.fit) EXPECT_TRUE(line.match(std::vector{value})) << each.type << " " << value;
    for (const std::string& value : each.do_not)
      EXPECT_FALSE(line.match(std::vector{value})) << each.type << " " << value;
    for (const char* never : {"", "-", "-x", "--", "--x"})
      EXPECT_FALSE(line.match(std::vector<std::string>{never})) << each.type << " " << never;
  }
}

TEST(Usage, bindings_carry_name_type_and_place) {
  const auto out = usage("[-o <to:path:w>] <from:path:r> key=<k:int>").match(words("a -o b key=4"));
  ASSERT_TRUE(out);
  ASSERT_EQ(out->size(), 3U);
  EXPECT_EQ((*out)[0].type, ArgumentType::path_read);
  EXPECT_EQ((*out)[1].name, "to");
  EXPECT_EQ((*out)[1].type, ArgumentType::path_write);
  EXPECT_EQ((*out)[1].position, 2U);
  EXPECT_EQ((*out)[2].value, "4");
}

TEST(Usage, says_which_word_does_not_fit_and_what_would) {
  const std::string text = "[--dry-run] [-n <count:int>] staging|canary <service:word>";
  EXPECT_THAT(bound(text, "production web"), ElementsAre("0: expected: staging or canary"));
  EXPECT_THAT(bound(text, "staging"), ElementsAre(HasSubstr("1: expected: <service:word> (letters")));
  EXPECT_THAT(bound(text, "staging web more"), ElementsAre("2: nothing more is allowed"));
  EXPECT_THAT(bound(text, "staging web --wet"), ElementsAre("2: the options are --dry-run or -n"));
  EXPECT_THAT(bound(text, "staging web -n x"), ElementsAre("3: the option -n takes <count:int> (digits)"));
  EXPECT_THAT(bound(text, "staging web -n"), ElementsAre("3: the option -n lacks <count:int> (digits)"));
  EXPECT_THAT(bound("a", "a -x"), ElementsAre("1: no options are allowed"));
  EXPECT_THAT(bound("(--env <e:word>) a", "a"), ElementsAre("1: the option --env is missing"));
  EXPECT_THAT(bound("a [-f]", "-f a"), ElementsAre("0: the option -f stands too early"));
}

TEST(Usage, what_cannot_be_meant_is_refused_with_what_to_write) {
  const auto hint = [](const std::string& text) {
    const auto out = Usage::parse(text);
    return out ? "it parses" : out.error().hint;
  };
  EXPECT_THAT(hint(""), HasSubstr("absolute path"));
  EXPECT_THAT(hint("npm ci"), HasSubstr("as in /usr/bin/npm: a bare name is a spelling"));
  EXPECT_THAT(hint("./npm ci"), HasSubstr("absolute path"));
  EXPECT_THAT(hint("/opt/../x"), HasSubstr("without '.', '..'"));
  EXPECT_THAT(hint("/opt/x/"), HasSubstr("without '.', '..'"));
  EXPECT_THAT(hint("<p:path:r> a"), HasSubstr("absolute path"));
  EXPECT_THAT(hint("/x <a>"), HasSubstr("<name:type>"));
  EXPECT_THAT(hint("/x <a:"), HasSubstr("<name:type>"));
  EXPECT_THAT(hint("/x <a:path>"), HasSubstr("path:r"));
  EXPECT_THAT(hint("/x <a:string>"), HasSubstr("'string' is none"));
  EXPECT_THAT(hint("/x <a:**>"), HasSubstr("one component"));
  EXPECT_THAT(hint("/x <a:*/b>"), HasSubstr("one component"));
  EXPECT_THAT(hint("/x [a"), HasSubstr("']' at the end"));
  EXPECT_THAT(hint("/x [a)"), HasSubstr("write a"));
  EXPECT_THAT(hint("/x a]"), HasSubstr("write a word"));
  EXPECT_THAT(hint("/x []"), HasSubstr("something between brackets"));
  EXPECT_THAT(hint("/x [a | ]"), HasSubstr("something between brackets"));
  EXPECT_THAT(hint("/x [a|]"), HasSubstr("write a word"));
  EXPECT_THAT(hint("/x a | b"), HasSubstr("write a word"));
  EXPECT_THAT(hint("/x (a b|c d)"), HasSubstr("' | '"));
  EXPECT_THAT(hint("/x a|b..."), HasSubstr("(a|b)..."));
  EXPECT_THAT(hint("/x ... a"), HasSubstr("at the very end"));
  EXPECT_THAT(hint("/x --color[=<w:word>]"), HasSubstr("[--when | --when=<x:word>]"));
  EXPECT_THAT(hint("/x <a:word>b"), HasSubstr("ends its word"));
  EXPECT_THAT(hint("/x [-a -b]"), HasSubstr("[-a] [-b"));
  EXPECT_THAT(hint("/x [a -b]"), HasSubstr("[-a] [-b"));
  EXPECT_THAT(hint("/x [-a | b]"), HasSubstr("[-a] [-b"));
  EXPECT_THAT(hint("/x [-a [<b:int>]]"), HasSubstr("none optional"));
  EXPECT_THAT(hint("/x --env <e:word>"), HasSubstr("(--env <name:type>)"));
  EXPECT_THAT(hint("/x [--] [-a]"), HasSubstr("options before '--'"));
  EXPECT_THAT(hint("/x [-a] [-a]"), HasSubstr("-a and -a can be the same word"));
  EXPECT_THAT(hint("/x [-n<c:int>] [-name]"), HasSubstr("can be the same word"));
  EXPECT_THAT(hint("/x \\-a"), HasSubstr("does not begin with '-'"));
  EXPECT_THAT(hint("/x a\\"), HasSubstr("a character after"));
  EXPECT_THAT(hint("/x a\nb"), HasSubstr("one line"));
}

TEST(Usage, has_bounds) {
  std::string deep = "a", wide;
  for (int i = 0; i < 9; ++i) deep = "[" + deep + "]";
  for (int i = 0; i < 200; ++i) wide += " a";
  EXPECT_EQ(Usage::parse("/x " + deep).error().code, E2BIG);
  EXPECT_EQ(Usage::parse("/x" + wide).error().code, E2BIG);
  EXPECT_EQ(Usage::parse("/x " + std::string(3000, 'a')).error().code, E2BIG);
  const auto many = usage("[<a:word>]...").match(std::vector<std::string>(2000, "a"));
  ASSERT_FALSE(many);
  EXPECT_THAT(many.error().reason, HasSubstr("more arguments"));
  EXPECT_TRUE(usage("b").covers(std::vector<std::string>(2000, "a"))) << "a deny is on the safe side";
}

TEST(Usage, that_was_never_parsed_fits_nothing) {
  EXPECT_FALSE(Usage().match({}));
  EXPECT_FALSE(Usage().covers({}));
}

TEST(Usage, an_escaped_text_stands_for_itself) {
  for (const std::string literal :
       {"a b", "[x]", "a|b", "<n:int>", "a...", "..", "back\\slash", "a.b", "$x", "(", "\"'"}) {
    const auto line = Usage::parse("/x " + Usage::escape(literal) + " end");
    ASSERT_TRUE(line) << literal << ": " << line.error().text();
    EXPECT_TRUE(line->match(std::vector<std::string>{literal, "end"})) << literal;
  }
  EXPECT_FALSE(Usage::parse("/x " + Usage::escape("-rf")));
}

// Lines on which a matcher that goes back would take years: every state is looked at once a word.
TEST(Usage, matching_takes_a_bounded_time) {
  const std::vector<std::string> patterns{
      "[[a]...]... [[[a]...]...]... b",
      "[<a:word>]... [<b:word>]... [<c:word>]... [<d:word>]... [<e:word>]... [<f:word>]... end!",
      "(a | [a]... | [a a]... | ([a] [a] [a]))... b",
      "[<a:*a*a*a*a*a*a*a*b>]... <x:*a*a*a*a*a*c>",
  };
  for (const std::string& text : patterns) {
    const Usage line = usage(text);
    const std::vector<std::string> arguments(Usage::kMaxArguments, std::string(200, 'a'));
    const std::vector<std::string> single(Usage::kMaxArguments, "a");
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(line.match(arguments)) << text;
    EXPECT_FALSE(line.match(single)) << text;
    EXPECT_FALSE(line.covers(single)) << text;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << text;
  }
}

TEST(Usage, a_deny_passes_over_options_that_it_does_not_name) {
  const Usage deny = usage("production ...");
  EXPECT_TRUE(deny.open_ended());
  for (const char* line : {"production", "production web", "--dry-run production", "--message production web",
                           "-m fix production web", "production --x -- -y", "-- production", "--a b c production"})
    EXPECT_TRUE(deny.covers(words(line))) << line;
  for (const char* line : {"", "staging production", "staging"}) EXPECT_FALSE(deny.covers(words(line))) << line;
  const Usage named = usage("[--message <m:word>] production ...");
  EXPECT_FALSE(named.covers(words("--message production staging"))) << "its value, and no word of its own";
  EXPECT_TRUE(named.covers(words("--message '' production"))) << "what does not fit may be anything";
  const Usage force = usage("--force ...");
  EXPECT_TRUE(force.covers(words("web --force")));
  EXPECT_FALSE(force.covers(words("web -- --force")));
  EXPECT_FALSE(usage("production").covers(words("production web")));
  EXPECT_TRUE(usage("...").covers({}));
}

}  // namespace
}  // namespace alos::policy
