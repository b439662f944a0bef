#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string first_problem(const Checked<Loaded>& loaded) {
  return loaded ? "it loads" : loaded.error().front().render();
}

struct Inheritance : testing::Test {
  Files files;
  void put(const std::string& name, const std::string& body) {
    files.content["/shipped/" + name + ".yaml"] = kHead + body;
  }
  Policy loads(const std::string& name) {
    auto loaded = files.load(name);
    EXPECT_TRUE(loaded) << render(loaded ? Problems() : loaded.error());
    return loaded ? loaded->policy : Policy();
  }
  std::string refused(const std::string& name) { return first_problem(files.load(name)); }
};

TEST_F(Inheritance, unites_rules) {
  put("base", "files:\n  a: {allow: r, path: /a}\n");
  put("child", "extends: base\nfiles:\n  b: {deny: r, path: /b}\n");
  const Policy policy = loads("child");
  ASSERT_THAT(policy.files, SizeIs(2));
  EXPECT_EQ(policy.files[0].source.text(), "base.yaml:3:3");
  EXPECT_EQ(policy.files[0].origin, "base");
}

TEST_F(Inheritance, takes_the_smaller_limit_whoever_says_it) {
  put("base", "limits: {memory: 1GiB, wall: 1h}\n");
  put("child", "extends: base\nlimits: {memory: 2GiB, wall: 10m, cpus: 2}\n");
  const Policy policy = loads("child");
  EXPECT_EQ(policy.limits.memory, 1ULL << 30);
  EXPECT_EQ(policy.limits.wall_ms, 600'000U);
  EXPECT_EQ(policy.limits.cpus_milli, 2000U);
  EXPECT_EQ(policy.sources.at("limits.memory").file, "base.yaml");
  EXPECT_EQ(policy.sources.at("limits.wall").file, "child.yaml");
}

TEST_F(Inheritance, passes_only_what_both_parents_name_unless_the_child_says) {
  put("a", "env: {pass: [LANG, TERM]}\n");
  put("b", "env: {pass: [TERM, TZ]}\n");
  put("quiet", "");
  put("joined", "extends: [a, b, quiet]\n");
  put("own", "extends: [a, b]\nenv: {pass: [LANG]}\n");
  EXPECT_THAT(loads("joined").env_pass, ElementsAre("TERM"));
  EXPECT_THAT(loads("own").env_pass, ElementsAre("LANG"));
}

TEST_F(Inheritance, leaves_degrade_and_tests_with_their_file) {
  put("base", "degrade: landlock\ntests: {deny: [fs.read /a]}\n");
  put("child", "extends: base\n");
  EXPECT_THAT(loads("child").degrade, SizeIs(0));
  EXPECT_THAT(loads("child").tests, SizeIs(0));
}

TEST_F(Inheritance, a_rule_takes_its_own_degrade_along) {
  put("base", "vars: {workspace: dir}\nfiles:\n  a: {deny: r, path: $workspace/**/x, degrade: allow}\n");
  put("child", "extends: base\n");
  files.variables["workspace"] = "/w";
  EXPECT_TRUE(loads("child").files[0].degrade);
}

TEST_F(Inheritance, drops_an_inherited_allow_when_said) {
  put("base", "files:\n  a: {allow: r, path: /a}\n  b: {allow: r, path: /b}\n");
  put("child", "extends: base\nwithout: [base/a]\n");
  ASSERT_THAT(loads("child").files, SizeIs(1));
  EXPECT_EQ(loads("child").files[0].name, "b");
}

TEST_F(Inheritance, never_drops_an_inherited_deny) {
  put("base", "files:\n  a: {deny: r, path: /a}\n");
  put("child", "extends: base\nwithout: base/a\n");
  EXPECT_THAT(refused("child"), HasSubstr("child.yaml:3:10: 'without' names 'base/a', a deny (base.yaml:3:3)"));
}

TEST_F(Inheritance, says_what_without_could_have_meant) {
  put("base", "files:\n  tools: {allow: r, path: /a}\n");
  put("child", "extends: base\nwithout: base/tool\n");
  EXPECT_THAT(refused("child"), HasSubstr("did you mean 'base/tools'?"));
}

TEST_F(Inheritance, refuses_the_same_name_in_two_files) {
  put("base", "files:\n  a: {allow: r, path: /a}\n");
  put("child", "extends: base\nfiles:\n  a: {deny: r, path: /b}\n");
  EXPECT_THAT(refused("child"), HasSubstr("child.yaml:4:3: the rule name 'a' is also at base.yaml:3:3"));
  put("grandchild", "extends: child\n");
  EXPECT_THAT(files.load("grandchild").error(), SizeIs(1)) << "and says it once";
}

TEST_F(Inheritance, reads_a_shared_ancestor_once) {
  put("root", "files:\n  a: {allow: r, path: /a}\n");
  put("left", "extends: root\n");
  put("right", "extends: root\n");
  put("child", "extends: [left, right]\n");
  EXPECT_THAT(loads("child").files, SizeIs(1));
}

TEST_F(Inheritance, refuses_circles_and_depth) {
  put("a", "extends: b\n");
  put("b", "extends: a\n");
  EXPECT_THAT(refused("a"), HasSubstr("in a circle: a -> b -> a"));
  for (int i = 0; i < 12; ++i) put("d" + std::to_string(i), "extends: d" + std::to_string(i + 1) + "\n");
  EXPECT_THAT(refused("d0"), HasSubstr("deeper than 8"));
}

TEST_F(Inheritance, finds_names_in_the_policy_directories_only) {
  files.content["./mine.yaml"] = kHead;
  put("child", "extends: ./mine.yaml\n");
  EXPECT_THAT(refused("child"), HasSubstr("names of installed policies"));
  EXPECT_THAT(refused("mine"), HasSubstr("no policy is named 'mine'"));
  files.installed = {"coding", "strict"};
  EXPECT_THAT(refused("codng"), HasSubstr("did you mean 'coding'?"));
  EXPECT_THAT(refused("mine.yaml"), HasSubstr("./mine.yaml"));
  EXPECT_THAT(refused("../mine"), HasSubstr("no policy file"));
  EXPECT_THAT(refused("a b"), HasSubstr("letters"));
  EXPECT_EQ(loads("./mine.yaml").name, "./mine.yaml");
}

TEST_F(Inheritance, asks_what_is_installed_only_to_suggest_it) {
  put("coding", "");
  int asked = 0;
  const auto names = [&asked] {
    ++asked;
    return std::vector<std::string>{"coding"};
  };
  const LoadOptions options{{"/shipped"}, {}, Missing::refuse, files.reader(), {}, names};
  EXPECT_TRUE(load("coding", options, files.reader()));
  EXPECT_EQ(asked, 0);
  EXPECT_FALSE(load("codng", options, files.reader()));
  EXPECT_EQ(asked, 1);
}

TEST_F(Inheritance, refuses_two_policies_of_one_name) {
  put("twice", "");
  files.content["/installed/twice.yaml"] = kHead;
  EXPECT_THAT(refused("twice"), HasSubstr("two policies are named 'twice'"));
}

TEST_F(Inheritance, does_not_switch_hardening_off) {
  put("base", "mdwe: on\n");
  put("child", "extends: base\nmdwe: off\n");
  EXPECT_THAT(refused("child"), HasSubstr("'mdwe: off' where (base.yaml:2:7) says on"));
}

TEST_F(Inheritance, refuses_choices_that_differ_until_the_child_says) {
  put("a", "home: fresh\n");
  put("b", "home: {keep: x}\n");
  put("joined", "extends: [a, b]\n");
  put("own", "extends: [a, b]\nhome: {keep: y}\n");
  EXPECT_THAT(refused("joined"), HasSubstr("'home' differs between what is extended"));
}

TEST_F(Inheritance, calls_a_rule_dead_only_where_its_author_could_see_the_other) {
  put("base", "files:\n  narrow: {allow: r, path: /a/b/**}\n");
  put("wider", "extends: base\nfiles:\n  wide: {allow: r, path: /a/**}\n");
  put("narrower", "extends: base\nfiles:\n  dead: {allow: r, path: /a/b/c}\n");
  EXPECT_THAT(loads("wider").files, SizeIs(2));
  EXPECT_THAT(refused("narrower"), HasSubstr("rule 'dead' has no effect"));
}

}  // namespace
}  // namespace alos::policy
