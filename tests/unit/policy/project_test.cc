#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/decide.h"
#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

using testing::HasSubstr;

// ./p.yaml allows all of /w and names /w/.alos.yaml as the project's own file.
struct Project : testing::Test {
  Files files{{{"./p.yaml", kHead + "vars: {workspace: dir}\nproject: $workspace/.alos.yaml\nlimits: {memory: 1GiB}\n"
                                    "files:\n  all: {allow: rwx, path: $workspace/**}\n"}},
              {{"workspace", "/w"}},
              Missing::refuse,
              {}};

  void project(const std::string& text) { files.content["/w/.alos.yaml"] = text; }
  Policy loads() {
    auto loaded = files.load("./p.yaml");
    EXPECT_TRUE(loaded) << render(loaded ? Problems() : loaded.error());
    return loaded ? std::move(loaded->policy) : Policy();
  }
  std::string refused() {
    const auto loaded = files.load("./p.yaml");
    return loaded ? "it loads" : render(loaded.error());
  }
};

TEST_F(Project, need_not_be_there_and_counts_as_a_source_even_so) {
  const auto loaded = files.load("./p.yaml");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->sources.back().path, "/w/.alos.yaml");
  EXPECT_FALSE(loaded->sources.back().present);
}

TEST_F(Project, takes_away) {
  const std::string without = loads().hash;
  project(kHead + "limits: {memory: 512MiB, processes: 10}\nfiles:\n  notes: {deny: w, path: $workspace/NOTES}\n");
  const Policy policy = loads();
  EXPECT_EQ(*policy.limits.memory, 512u << 20);
  EXPECT_EQ(*policy.limits.processes, 10u);
  EXPECT_NE(policy.hash, without);
  const CompiledPolicy compiled = compile(policy);
  const Decision decision = decide(compiled, *Request::parse("fs.write /w/NOTES"));
  EXPECT_EQ(decision.effect, Effect::deny);
  EXPECT_EQ(decision.source().text(), ".alos.yaml:4:3");
  EXPECT_EQ(decided(compiled, "fs.read /w/NOTES"), Effect::allow);
}

TEST_F(Project, raises_no_limit) {
  project(kHead + "limits: {memory: 8GiB}\n");
  EXPECT_EQ(*loads().limits.memory, 1u << 30);
}

TEST_F(Project, gives_nothing) {
  project(kHead + "files:\n  root: {allow: r, path: /root/**}\n");
  EXPECT_THAT(refused(), HasSubstr(".alos.yaml:3:3: rule 'root' allows, in a project's own file"));
  for (const char* line : {"extends: base\n", "env: {pass: [SECRET]}\n", "workspace: direct\n", "degrade: [landlock]\n",
                           "home: {keep: h}\n", "mdwe: off\n", "vars: {x: dir}\n", "project: $workspace/other\n",
                           "without: [a/b]\n", "tests: {deny: [fs.read /a]}\n"}) {
    project(kHead + line);
    EXPECT_THAT(refused(), HasSubstr("in a project's own file")) << line;
  }
  project(kHead + "files:\n  a: {deny: r, path: $workspace/a, degrade: allow}\n");
  EXPECT_THAT(refused(), HasSubstr("'degrade' in a project's own file"));
}

TEST_F(Project, names_its_rules_itself) {
  project(kHead + "files:\n  all: {deny: w, path: $workspace/a}\n");
  EXPECT_THAT(refused(), HasSubstr("the rule name 'all' is one of the policy's"));
}

TEST_F(Project, that_cannot_be_read_refuses) {
  project("alos: 1\nfiles: [\n");
  EXPECT_THAT(refused(), HasSubstr(".alos.yaml:"));
}

TEST_F(Project, lies_below_the_workspace) {
  for (const char* path : {"/etc/passwd", "$workspace", "$workspace/../x", "$nowhere/x"}) {
    files.content["./p.yaml"] = kHead + "vars: {workspace: dir}\nproject: " + path + "\n";
    EXPECT_THAT(refused(), HasSubstr("'project: ")) << path;
  }
  files.content["./p.yaml"] = kHead + "project: /w/.alos.yaml\n";
  files.variables.clear();
  EXPECT_THAT(refused(), HasSubstr("a file below the workspace"));
}

TEST_F(Project, is_inherited_and_cannot_be_dropped) {
  files.content["/shipped/parent.yaml"] = files.content["./p.yaml"];
  files.content["./p.yaml"] = kHead + "extends: parent\n";
  project(kHead + "files:\n  notes: {deny: w, path: $workspace/NOTES}\n");
  EXPECT_EQ(decided(compile(loads()), "fs.write /w/NOTES"), Effect::deny);
  files.content["./p.yaml"] = kHead + "extends: parent\nproject: $workspace/mine.yaml\n";
  EXPECT_THAT(refused(), HasSubstr("cannot be dropped"));
}

TEST_F(Project, has_no_part_in_a_policy_that_is_judged_alone) {
  files.missing = Missing::from_tests;
  files.content["./p.yaml"] += "tests: {vars: {workspace: /w}, allow: [fs.write $workspace/NOTES]}\n";
  files.variables.clear();
  project(kHead + "files:\n  notes: {deny: w, path: $workspace/NOTES}\n");
  EXPECT_EQ(decided(compile(loads()), "fs.write /w/NOTES"), Effect::allow);
}

}  // namespace
}  // namespace alos::policy
