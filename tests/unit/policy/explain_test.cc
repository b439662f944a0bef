#include "policy/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/lint.h"
#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::string explained(const Whole& policy, const std::string& line) {
  return explain(policy.compiled, policy.plan, policy.sources, *Request::parse(line)).text();
}

const std::string kPolicy = with_rules(
    "  sources: {allow: rw, path: $workspace/**}\n"
    "  secrets: {deny: rwx, path: $workspace/**/.env*, reason: secrets stay out}\n"
    "  tools: {allow: rx, path: /usr/**}\n");

TEST(Explain, a_denial_teaches) {
  EXPECT_EQ(
      explained(whole(kPolicy), "fs.read /w/a/.env"),
      "denied  fs.read /w/a/.env\n"
      "        by rule 'secrets' (./p.yaml:5:3), layer policy: \"secrets stay out\"\n"
      "          5 |   secrets: {deny: rwx, path: $workspace/**/.env*, reason: secrets stay out}\n"
      "            |   ^\n"
      "        also    allow rw by rule 'sources' (./p.yaml:4:3)\n"
      "        kept by box: what exists at launch is covered, opening it fails (EACCES); layer: what is made later is "
      "the "
      "agent's own and cannot leave the layer\n"
      "        change  nothing in this run can allow it; an operator could add the path to the rule's 'except'\n");
}

TEST(Explain, a_missing_right_names_the_rule_that_could_have_it) {
  const std::string text = explained(whole(kPolicy), "fs.execute /w/tool");
  EXPECT_THAT(text, HasSubstr("by the default: no rule allows it"));
  EXPECT_THAT(text, HasSubstr("kept by box: mounted there with rw only"));
  EXPECT_THAT(text, HasSubstr("rule 'sources' (./p.yaml:4:3) allows rw there; an operator could add x to it"));
}

TEST(Explain, never_proposes_what_would_not_load) {
  const Whole policy = whole(kPolicy);
  EXPECT_THAT(explained(policy, "fs.write /usr/bin/x"), HasSubstr("no policy can allow it"));
  EXPECT_THAT(explained(policy, "fs.write /etc/x"), HasSubstr("no policy can allow it"));
  EXPECT_THAT(explained(policy, "fs.read /sys/kernel/x"), HasSubstr("no policy can allow it"));
  EXPECT_THAT(explained(policy, "fs.write /proc/1/mem"), HasSubstr("no policy can allow it"));
}

TEST(Explain, what_primitives_alone_reach_is_denied_with_a_directory_on_its_way) {
  const Whole policy =
      whole(with_rules("  a: {allow: rwx, path: $workspace/**}\n"
                       "  v: {allow: rw, path: /v/**, except: /v/priv, audit: each}\n"
                       "  b: {deny: w, path: /v/*, reason: as it is}\n"));
  std::string text = explained(policy, "fs.create /v/d/new");
  EXPECT_THAT(
      text, StartsWith("denied  fs.create /v/d/new\n        by rule 'b' (./p.yaml:6:3), layer policy: \"as it is\"\n"));
  EXPECT_THAT(text,
              HasSubstr("kept by broker: the directory /v/d is denied, and everything below it with it\n"
                        "        change  nothing in this run can allow it; an operator could write '/v/*/**' in the "
                        "rule, and add the path to its 'except'\n"));
  text = explained(policy, "fs.read /v/priv/f");
  EXPECT_THAT(text, StartsWith("denied  fs.read /v/priv/f\n        by the default"));
  EXPECT_THAT(text, HasSubstr("kept by broker: the directory /v/priv is excepted, and everything below it with it\n"
                              "        change  rule 'v' (./p.yaml:5:3) excepts a directory on its way; an operator "
                              "could add another, as in  "
                              "NAME: {allow: r, path: '/v/priv/f', audit: each}"));
  EXPECT_THAT(explained(policy, "fs.read /v/d/f"), StartsWith("allowed"));
  EXPECT_THAT(explained(policy, "fs.write /v/d"), HasSubstr("kept by broker: primitives refuse it"));
}

TEST(Explain, what_lies_below_a_directory_that_is_covered_is_denied_with_it) {
  const Whole policy =
      whole(with_rules("  a: {allow: rwx, path: $workspace/**}\n"
                       "  b: {deny: wx, path: $workspace/a, reason: as it is}\n"
                       "  c: {deny: rwx, path: $workspace/**/p*, except: $workspace/p/public}\n"));
  const std::string text = explained(policy, "fs.write /w/a/d/x");
  EXPECT_THAT(text,
              StartsWith("denied  fs.write /w/a/d/x\n        by rule 'b' (./p.yaml:5:3), layer policy: \"as it is\""));
  EXPECT_THAT(text, HasSubstr("also    allow rwx by rule 'a'"));
  EXPECT_THAT(text, HasSubstr("kept by box: the directory /w/a is covered, and everything below it with it\n"
                              "        kept by box: what exists at launch is mounted without wx; layer: "));
  EXPECT_THAT(text, HasSubstr("an operator could write '/w/a/**' in the rule, and add the path to its 'except'"));
  EXPECT_THAT(explained(policy, "fs.read /w/a/d/x"), StartsWith("allowed"));
  EXPECT_THAT(explained(policy, "fs.read /w/p/other"), StartsWith("allowed")) << "a directory with an exception below";
  const Explanation whole_answer =
      explain(policy.compiled, policy.plan, policy.sources, *Request::parse("fs.write /w/a/x"));
  EXPECT_EQ(whole_answer.decision.effect, Effect::deny);
  EXPECT_EQ(whole_answer.decision.rule_name(), "b");
}

TEST(Explain, names_in_what_is_mounted_are_visible) {
  const Whole policy =
      whole(with_rules("  a: {allow: r, path: $workspace/**}\n"
                       "  b: {deny: rwx, path: $workspace/private/**, except: $workspace/private/for-all}\n"
                       "  c: {deny: rwx, path: $workspace/closed/**}\n"
                       "  d: {allow: r, path: /srv/data/set/**}\n"));
  const char* const visible = "kept by nothing, for names: those in a directory that the box mounts are visible";
  EXPECT_THAT(explained(policy, "fs.list /w/private"), HasSubstr(visible));
  EXPECT_THAT(explained(policy, "fs.list /w/private/d"), Not(HasSubstr(visible)));
  EXPECT_THAT(explained(policy, "fs.read /w/private/x"), Not(HasSubstr(visible)));
  EXPECT_THAT(explained(policy, "fs.list /w/closed"), Not(HasSubstr(visible)));
  EXPECT_THAT(
      explained(policy, "fs.list /srv"),
      HasSubstr("kept by box: a directory of its own, which shows nothing but the way to what is mounted below"));
  EXPECT_THAT(explained(policy, "fs.list /elsewhere"), HasSubstr("(ENOENT)"));
}

TEST(Explain, the_rule_that_it_proposes_loads_and_allows) {
  const std::string text = explained(whole(kPolicy), "fs.write /srv/odd*name");
  const size_t begin = text.find("{allow"), end = text.find('}');
  ASSERT_NE(begin, text.npos) << text;
  const CompiledPolicy changed = compiled(with_rules("  fresh: " + text.substr(begin, end + 1 - begin) + "\n"));
  EXPECT_EQ(decided(changed, "fs.write /srv/odd*name"), Effect::allow);
}

TEST(Explain, shows_what_an_agent_named_without_its_tricks) {
  const std::string text = explained(whole(kPolicy), "fs.read /srv/a\x1b[2J\nallowed\u202e");
  EXPECT_THAT(text, HasSubstr("/srv/a\\x1b[2J\\x0aallowed\\u{202e}"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(Explain, tells_the_name_asked_from_the_file_reached) {
  const Whole policy = whole(kPolicy);
  const std::string text =
      explain(policy.compiled, policy.plan, policy.sources, *Request::file(Right::read, "/w/.env", "/w/plain")).text();
  EXPECT_THAT(text, HasSubstr("denied"));
  EXPECT_THAT(text, HasSubstr("by rule 'sources' (./p.yaml:4:3), on the file reached"));
}

TEST(Explain, network_has_no_rules_yet) {
  const std::string text = explained(whole(kPolicy), "net.connect evil.com:443");
  EXPECT_THAT(text, HasSubstr("denied  net.connect evil.com:443"));
  EXPECT_THAT(text, HasSubstr("enforces no network rules"));
}

std::string findings(const std::string& yaml) {
  const Whole policy = whole(yaml);
  return render(lint(policy.compiled, policy.plan));
}

const std::string kBounds = "limits: {memory: 1GiB, processes: 10, wall: 1h}\n";

TEST(Lint, finds_nothing_in_a_careful_policy) {
  EXPECT_THAT(findings(kPolicy + kBounds), IsEmpty());
}

TEST(Lint, finds_missing_limits) {
  EXPECT_THAT(findings(kPolicy), HasSubstr("no limit on memory"));
  EXPECT_THAT(findings(kPolicy), HasSubstr("no limit on processes"));
  EXPECT_THAT(findings(kPolicy), HasSubstr("no limit on wall"));
}

TEST(Lint, finds_whole_homes) {
  for (const char* path : {"/home/**", "/root/**", "/home/alice/**", "\"/home/*/**\""})
    EXPECT_THAT(findings(kPolicy + kBounds + "")
                    .append(findings(with_rules(std::string("  a: {allow: r, path: ") + path + "}\n", kBounds))),
                HasSubstr("whole home directory"))
        << path;
  EXPECT_THAT(findings(with_rules(
                  "  a: {allow: r, path: /home/alice/project/**}\n  b: {allow: r, path: $workspace/**}\n", kBounds)),
              IsEmpty());
}

TEST(Lint, finds_secrets_in_the_environment) {
  EXPECT_THAT(findings(kPolicy + kBounds + "env: {pass: [TERM, GITHUB_TOKEN]}\n"), HasSubstr("hands 'GITHUB_TOKEN'"));
}

TEST(Lint, finds_a_degrade_that_gives_nothing_up) {
  EXPECT_THAT(findings(with_rules(
                  "  a: {allow: rw, path: $workspace/**}\n  b: {deny: r, path: $workspace/**/.env, degrade: allow}\n",
                  kBounds)),
              HasSubstr("rule 'b' says 'degrade: allow', and all of it can be enforced"));
}

TEST(Lint, finds_a_workspace_that_nothing_may_use) {
  EXPECT_THAT(findings(with_rules("  a: {allow: r, path: /srv/a}\n", kBounds)),
              HasSubstr("no rule allows anything in $workspace"));
}

Problems tested(const std::string& yaml) {
  const Whole policy = whole(yaml);
  return run_tests(policy.compiled, policy.plan);
}

TEST(PolicyTests, are_decided_by_the_evaluator) {
  const Problems failed = tested(kPolicy +
                                 "tests:\n"
                                 "  allow: [fs.read $workspace/a, fs.read $workspace/.env]\n"
                                 "  deny: [fs.read $workspace/.env -> secrets, fs.read $workspace/.env -> default,\n"
                                 "         fs.read /srv -> default, net.connect a.b:1, fs.write $workspace/a]\n");
  ASSERT_THAT(failed, SizeIs(3)) << render(failed);
  EXPECT_EQ(
      failed[0].render(),
      "./p.yaml:8:33: test failed: fs.read /w/.env is deny by rule 'secrets' (./p.yaml:5:3)\n    expected: allow");
  EXPECT_THAT(failed[1].expected, HasSubstr("deny by rule 'default'"));
  EXPECT_THAT(failed[2].text, HasSubstr("fs.write /w/a is allow by rule 'sources'"));
}

TEST(PolicyTests, accept_any_of_several_rules_that_decide) {
  EXPECT_THAT(tested(with_rules("  a: {deny: w, path: /s/**}\n  b: {deny: w, path: /s/x}\n") +
                     "tests: {deny: [fs.write /s/x -> b, fs.write /s/x -> a]}\n"),
              IsEmpty());
}

TEST(PolicyTests, fail_where_the_box_would_refuse_what_is_decided) {
  const Problems failed = tested(with_rules("  a: {allow: rwx, path: $workspace/**}\n"
                                            "  b: {deny: rwx, path: $workspace/private}\n"
                                            "  c: {deny: w, path: $workspace/fixed}\n") +
                                 "tests: {allow: [fs.read $workspace/private/x, fs.write $workspace/fixed/d/x,\n"
                                 "                fs.read $workspace/fixed/d/x, fs.read $workspace/other]}\n");
  ASSERT_THAT(failed, SizeIs(2)) << render(failed);
  EXPECT_EQ(failed[0].text,
            "test failed: fs.read /w/private/x is allow by rule 'a' (./p.yaml:4:3), and the box refuses it: rule 'b' "
            "(./p.yaml:5:3) covers /w/private with everything below it");
  EXPECT_EQ(failed[0].expected, "allow, and kept so");
  EXPECT_THAT(failed[1].text, HasSubstr("rule 'c' (./p.yaml:6:3) covers /w/fixed with everything below it"));
}

TEST(PolicyTests, fail_where_the_box_would_give_what_is_denied) {
  const Problems failed = tested(
      with_rules("  a: {allow: rwx, path: $workspace/**}\n"
                 "  b: {deny: rwx, path: $workspace/private/**, except: $workspace/private/for-all}\n") +
      "tests: {deny: [fs.list $workspace/private, fs.list $workspace/private/d, fs.read $workspace/private/x]}\n");
  ASSERT_THAT(failed, SizeIs(1)) << render(failed);
  EXPECT_THAT(failed[0].text, HasSubstr("fs.list /w/private is deny by rule 'b' (./p.yaml:5:3), and the box gives it: "
                                        "names in a directory that it mounts are visible, content is not"));
}

TEST(PolicyTests, say_nothing_of_what_every_box_has_of_its_own) {
  EXPECT_THAT(tested(with_rules("  a: {allow: r, path: /tmp/shown/**}\n") +
                     "tests: {allow: [fs.write /tmp/x, fs.read /proc/self/status, fs.read /tmp/shown/x],\n"
                     "        deny: [fs.write /tmp/shown/x, fs.read /srv/x]}\n"),
              IsEmpty());
}

}  // namespace
}  // namespace alos::policy
