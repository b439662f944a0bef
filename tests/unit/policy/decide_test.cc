#include "policy/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

using testing::SizeIs;

Decision ask(const CompiledPolicy& policy, Right right, const std::string& asked, const std::string& reached) {
  return decide(policy, *Request::file(right, asked, reached));
}

TEST(Decide, the_default_is_deny) {
  const CompiledPolicy policy = compiled(kHead);
  const Decision decision = ask(policy, Right::read, "/srv/a", "/srv/a");
  EXPECT_EQ(decision.effect, Effect::deny);
  EXPECT_EQ(decision.rule, nullptr);
  EXPECT_EQ(decision.rule_name(), "default");
  EXPECT_EQ(decided(policy, "net.connect evil.com:443"), Effect::deny);
}

TEST(Decide, deny_wins_over_allow_in_any_order) {
  for (const auto& [first, second] : {std::pair("a", "b"), {"b", "a"}}) {
    const CompiledPolicy policy = compiled(with_rules(std::string("  ") + first + ": {allow: rw, path: /s/**}\n  " +
                                                      second + ": {deny: w, path: /s/x/**, reason: not here}\n"));
    EXPECT_EQ(decided(policy, "fs.write /s/a"), Effect::allow);
    EXPECT_EQ(decided(policy, "fs.read /s/x/a"), Effect::allow);
    const Decision decision = ask(policy, Right::write, "/s/x/a", "/s/x/a");
    EXPECT_EQ(decision.effect, Effect::deny);
    EXPECT_EQ(decision.rule_name(), second);
    EXPECT_EQ(decision.reason(), "not here");
  }
}

TEST(Decide, letters_are_sets_of_rights) {
  const CompiledPolicy policy =
      compiled(with_rules("  a: {allow: r, path: /r/**}\n  b: {allow: rw, path: /w/**}\n"
                          "  c: {allow: rx, path: /x/**}\n"));
  for (const char* verb : {"read", "list", "stat"}) {
    EXPECT_EQ(decided(policy, std::string("fs.") + verb + " /r/a"), Effect::allow) << verb;
    EXPECT_EQ(decided(policy, std::string("fs.") + verb + " /x/a"), Effect::allow) << verb;
  }
  for (const char* verb : {"write", "append", "create", "remove", "rename", "chmod"}) {
    EXPECT_EQ(decided(policy, std::string("fs.") + verb + " /w/a"), Effect::allow) << verb;
    EXPECT_EQ(decided(policy, std::string("fs.") + verb + " /r/a"), Effect::deny) << verb;
  }
  EXPECT_EQ(decided(policy, "fs.execute /x/a"), Effect::allow);
  EXPECT_EQ(decided(policy, "fs.execute /w/a"), Effect::deny);
}

TEST(Decide, a_deny_of_reading_denies_everything) {
  const CompiledPolicy policy =
      compiled(with_rules("  a: {allow: rwx, path: $workspace/**}\n  b: {deny: r, path: $workspace/s}\n"));
  EXPECT_EQ(decided(policy, "fs.write /w/s"), Effect::deny);
  EXPECT_EQ(decided(policy, "fs.execute /w/s"), Effect::deny);
}

TEST(Decide, a_deny_matches_the_name_asked_or_the_file_reached) {
  const CompiledPolicy policy =
      compiled(with_rules("  a: {allow: r, path: /s/**}\n  b: {deny: r, path: \"/s/**/.env\"}\n"));
  EXPECT_EQ(ask(policy, Right::read, "/s/link", "/s/.env").effect, Effect::deny);
  EXPECT_EQ(ask(policy, Right::read, "/s/.env", "/s/plain").effect, Effect::deny);
  EXPECT_EQ(ask(policy, Right::read, "/s/link", "/s/plain").effect, Effect::allow);
}

TEST(Decide, an_allow_needs_the_file_reached) {
  const CompiledPolicy policy = compiled(with_rules("  a: {allow: r, path: /s/**}\n"));
  EXPECT_EQ(ask(policy, Right::read, "/s/link", "/etc/shadow").effect, Effect::deny);
  EXPECT_EQ(ask(policy, Right::read, "/elsewhere/link", "/s/file").effect, Effect::allow);
}

TEST(Decide, except_takes_away_from_its_own_rule_and_grants_nothing) {
  const CompiledPolicy policy =
      compiled(with_rules("  a: {allow: r, path: /s/**, except: /s/x/**}\n  b: {deny: r, path: \"/t/**/.env*\", "
                          "except: /t/.env.example}\n"));
  EXPECT_EQ(decided(policy, "fs.read /s/x/a"), Effect::deny);
  EXPECT_EQ(decided(policy, "fs.read /t/.env.example"), Effect::deny);
  EXPECT_EQ(ask(policy, Right::read, "/t/.env.example", "/t/.env.example").rule, nullptr) << "by the default";
}

TEST(Decide, every_box_has_places_of_its_own) {
  const CompiledPolicy policy = compiled(kHead);
  for (const char* line :
       {"fs.write /tmp/a", "fs.execute /home/agent/bin/x", "fs.create /dev/shm/a", "fs.read /proc/self/status",
        "fs.read /dev/null", "fs.write /dev/null", "fs.write /dev/pts/3", "fs.read /etc/passwd"})
    EXPECT_EQ(decided(policy, line), Effect::allow) << line;
  for (const char* line : {"fs.write /etc/passwd", "fs.write /dev/sda", "fs.chmod /dev/null", "fs.write /proc/sys/x",
                           "fs.read /home/agentx", "fs.read /home"})
    EXPECT_EQ(decided(policy, line), Effect::deny) << line;
  const Decision decision = ask(policy, Right::write, "/tmp/a", "/tmp/a");
  EXPECT_EQ(decision.rule_name(), "box");
  EXPECT_EQ(decision.layer, Layer::built_in);
  EXPECT_EQ(decision.source().text(), "built in");
}

TEST(Decide, what_is_mounted_in_the_boxs_places_is_the_policys) {
  Files files{{{"./p.yaml", with_rules("  a: {allow: r, path: $workspace/**}\n")}},
              {{"workspace", "/tmp/run1"}},
              Missing::refuse};
  const CompiledPolicy policy = compile(files.load("./p.yaml")->policy);
  EXPECT_EQ(decided(policy, "fs.read /tmp/run1/a"), Effect::allow);
  EXPECT_EQ(decided(policy, "fs.write /tmp/run1/a"), Effect::deny);
  EXPECT_EQ(decided(policy, "fs.write /tmp/run2"), Effect::allow);
}

TEST(Decide, gives_every_rule_that_matches_strongest_first) {
  const CompiledPolicy policy =
      compiled(with_rules("  a: {allow: rw, path: /s/**}\n  b: {allow: rwx, path: /s/x/**}\n"
                          "  c: {deny: w, path: /s/x/y}\n  d: {deny: w, path: /other}\n"));
  std::vector<Match> all;
  const Decision decision = decide(policy, *Request::file(Right::write, "/s/x/y", "/s/x/z"), &all);
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].rule, decision.rule);
  EXPECT_EQ(all[0].rule->name, "c");
  EXPECT_TRUE(all[0].asked);
  EXPECT_FALSE(all[0].reached);
  EXPECT_EQ(all[1].rule->name, "a");
  EXPECT_TRUE(all[1].reached);
  EXPECT_EQ(all[2].rule->name, "b");
}

// As what lies below a mount that is covered.
TEST(Decide, what_primitives_alone_reach_is_denied_with_a_directory_on_its_way) {
  const CompiledPolicy policy =
      compiled(with_rules("  all: {allow: rw, path: /s/**, except: /s/priv, audit: each}\n"
                          "  no: {deny: w, path: /s/*/keep, except: /s/b/keep}\n"));
  EXPECT_EQ(decided(policy, "fs.read /s/a/keep/f"), Effect::allow);
  const Decision decision = ask(policy, Right::write, "/s/a/keep/f", "/s/a/keep/f");
  EXPECT_EQ(decision.effect, Effect::deny);
  EXPECT_EQ(decision.rule_name(), "no");
  EXPECT_EQ(decided(policy, "fs.write /s/b/keep/f"), Effect::allow);
  EXPECT_EQ(ask(policy, Right::read, "/s/priv/f", "/s/priv/f").effect, Effect::deny);
  EXPECT_EQ(ask(policy, Right::write, "/s/f", "/s/a/keep/f").rule_name(), "no") << "by what is reached";
}

TEST(Decide, stays_right_beyond_what_fits_on_its_stack) {
  std::string rules;
  for (int i = 0; i < 1500; ++i)
    rules += "  r" + std::to_string(i) + ": {deny: w, path: \"/s/*/" + std::to_string(i) + "/**/x\"}\n";
  for (int i = 0; i < 100; ++i)
    rules += "  g" + std::to_string(i) + ": {deny: w, path: \"/s/" + std::string(1 + i, 'a') + "*/b\"}\n";
  const CompiledPolicy policy = compiled(with_rules(rules + "  all: {allow: rw, path: /s/**}\n"));
  EXPECT_EQ(ask(policy, Right::write, "/s/q/1499/m/n/x", "/s/q/1499/m/n/x").rule_name(), "r1499");
  EXPECT_EQ(decided(policy, "fs.write /s/q/1500/m/x"), Effect::allow);
  std::vector<Match> all;
  decide(policy, *Request::file(Right::write, "/s/" + std::string(200, 'a') + "/b"), &all);
  EXPECT_THAT(all, SizeIs(101));
}

}  // namespace
}  // namespace alos::policy
