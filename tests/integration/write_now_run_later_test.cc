// Threats 19 and 20: an agent plants what tools of the host execute when it is gone. After the safe 'alos apply' people
// go on working with real tools, and nothing of it runs. Done without alos, all of it does: the control.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

// A project as it is before an agent comes.
constexpr const char* kProject = R"sh(set -e
git config --global user.name someone
git config --global user.email someone@example.org
git config --global init.defaultBranch main
git init -q .
git init -q nested
git -C nested commit -q --allow-empty -m first
mkdir src pkg
echo 'print("app")' > src/app.py
: > pkg/__init__.py
printf 'all:\n\t@echo built\n' > Makefile
mkdir without including; printf 'all:\n\t@echo built\n-include local.mk app.d\n' > including/Makefile
echo 'int main() {}' > without/hello.c
echo '{"name": "project", "version": "1.0.0", "scripts": {"test": "echo tested"}}' > package.json
echo 'def test_ok(): assert True' > test_ok.py
git add Makefile package.json test_ok.py src pkg
git commit -q -m first
)sh";

// Run in the project, with the directory of markers as $1 and a home of the host as $2. Everything planted makes a
// marker of its own name; what cannot be planted is gone on from.
constexpr const char* kPlants = R"sh(
mark() { printf 'touch %s/%s' "$M" "$1"; }
M=$1; H=$2; W=$PWD
echo 'print("better app")' > src/app.py

for hook in pre-commit post-index-change; do
  printf '#!/bin/sh\n%s\n' "$(mark hook)" > .git/hooks/$hook; chmod 755 .git/hooks/$hook
done
git config core.fsmonitor "$(mark fsmonitor); false"
git -C nested config core.fsmonitor "$(mark nested); false"
git init -q fresh; git -C fresh config core.fsmonitor "$(mark fresh); false"
git init -q --bare docs; git --git-dir docs config core.bare false; git --git-dir docs config core.worktree ..
git --git-dir docs config core.fsmonitor "$(mark bare); false"
git init -q elsewhere; mv elsewhere/.git elsewhere/data; mkdir linked; echo 'gitdir: ../elsewhere/data' > linked/.git
git --git-dir elsewhere/data config core.fsmonitor "$(mark linked); false"
git init -q attributed; mkdir attributed/hooked
printf '#!/bin/sh\n%s\n' "$(mark hooks-path)" > attributed/hooked/post-index-change
chmod 755 attributed/hooked/post-index-change; git -C attributed config core.hooksPath hooked; : > attributed/file

mkdir -p "$H" ~ 2>/dev/null
for home in "$H" ~; do echo "$(mark bashrc)" >> "$home/.bashrc"; done 2>/dev/null
printf '#!/bin/sh\n%s\nexec /bin/sh "$@"\n' "$(mark npmrc)" > planted-shell; chmod 755 planted-shell
echo "script-shell=$W/planted-shell" > .npmrc
echo "{\"name\": \"project\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"$(mark npm)\"}}" > package.json
printf 'X := $(shell %s)\nall:\n\t%s\n' "$(mark make-n)" "$(mark make)" > Makefile
printf 'X := $(shell %s)\ninclude Makefile\n' "$(mark gnumakefile)" > GNUmakefile
printf '$(shell %s)\n' "$(mark make-mk)" > including/local.mk.sh
printf '$(shell %s)\n' "$(mark make-d)" > including/app.d.sh
printf '$(shell %s)\n' "$(mark make-gnu)" > without/GNUmakefile.sh
echo "open('$M/conftest', 'w')" > conftest.py
echo "open('$M/sitecustomize', 'w')" > sitecustomize.py
mkdir lib lib/usercustomize
echo "open('$M/usercustomize', 'w')" > lib/usercustomize/__init__.py

mkdir -p .vscode .claude .codex .cursor .github/workflows .devcontainer .husky
mark envrc > .envrc
echo '{"tasks": []}' > .vscode/tasks.json
echo '{"hooks": {}}' > .claude/settings.json
echo '{"mcpServers": {}}' > .mcp.json
echo 'notify = ["true"]' > .codex/config.toml
echo 'on: push' > .github/workflows/x.yml
echo '{}' > .devcontainer/devcontainer.json
mark husky > .husky/pre-commit
echo '[submodule "x"]' > .gitmodules
)sh";

// What no tool here executes, and others do: it must not have come to the host.
constexpr const char* kNeverApplied[] = {".envrc",
                                         ".vscode/tasks.json",
                                         ".claude/settings.json",
                                         ".mcp.json",
                                         ".codex/config.toml",
                                         ".github/workflows/x.yml",
                                         ".devcontainer/devcontainer.json",
                                         ".husky/pre-commit",
                                         ".gitmodules",
                                         ".npmrc",
                                         "GNUmakefile",
                                         "conftest.py",
                                         "sitecustomize.py",
                                         "planted-shell",
                                         "linked/.git",
                                         "fresh/.git/config",
                                         "docs/config",
                                         "elsewhere/data/config",
                                         ".git/hooks/pre-commit"};

struct Tool {
  const char* program;
  const char* line;
  std::set<std::string> runs;  // the markers that it makes where nothing is in the way
};

// As a person would go on working; what fails is gone on from.
const std::vector<Tool>& tools() {
  static const std::vector<Tool> all{
      {"git", "git status", {"fsmonitor", "hook"}},
      {"git", "git -C nested status", {"nested"}},
      {"git", "cd fresh && git status", {"fresh"}},
      {"git", "cd docs && git status", {"bare"}},
      {"git", "cd linked && git status", {"linked"}},
      {"git", "cd attributed && git add file", {"hooks-path"}},
      {"git", "git add -A . ; git commit --allow-empty -m second", {"hook"}},
      {"bash", "bash -i -c true", {"bashrc"}},
      {"npm", "npm test", {"npm", "npmrc"}},
      {"make", "make -n", {"make-n", "gnumakefile"}},
      {"make", "make", {"make"}},
      {"make", "make -C including", {"make-mk", "make-d"}},
      {"make", "cd without && make hello", {"make-gnu"}},
      {"pytest", "pytest -q -p no:cacheprovider test_ok.py", {"conftest"}},
      {"python3", "PYTHONPATH=. python3 -c 'import pkg'", {"sitecustomize"}},
      {"python3", "PYTHONPATH=lib python3 -c 'import json'", {"usercustomize"}},
  };
  return all;
}

class WriteNowRunLater : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (const std::string why = World::unavailable(GetParam()); !why.empty()) ALOS_SKIP(why);
    world_.emplace(GetParam());
    world().write(markers() + "/.keep", "");
    const Outcome made = bash(kProject);
    ASSERT_EQ(made.code, 0) << made.err;
  }
  World& world() { return *world_; }
  std::string markers() { return world().root() + "/markers"; }
  std::string home() { return world().root() + "/home"; }

  Outcome bash(const std::string& script, std::vector<std::string> more = {}) {
    std::vector<std::string> argv{"/bin/bash", "-c", script, "bash"};
    argv.insert(argv.end(), more.begin(), more.end());
    return world().call(argv, {.env = {{"NO_UPDATE_NOTIFIER", "1"}, {"npm_config_update_notifier", "false"}}});
  }

  bool there(const std::string& program) { return bash("command -v " + program + " >/dev/null").code == 0; }

  // Everything that was executed, by the tools' own doing.
  std::set<std::string> work() {
    for (const Tool& tool : tools()) {
      if (!there(tool.program)) continue;
      const Outcome outcome = bash(tool.line);
      std::cout << "$ " << tool.line << " -> " << outcome.code << "\n";
    }
    std::set<std::string> ran;
    for (const auto& entry : std::filesystem::directory_iterator(markers())) ran.insert(entry.path().filename());
    ran.erase(".keep");
    return ran;
  }

  std::optional<World> world_;
};

TEST_P(WriteNowRunLater, nothing_planted_runs_after_the_safe_apply) {
  const std::string policy = world().policy("tree",
                                            "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\n"
                                            "workspace: layer\nfiles: {tree: {allow: rwx, path: $workspace/**}}\n");
  const Outcome run = world().run(policy, {"/bin/bash", "-c", kPlants, "bash", markers(), home()});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(work(), IsEmpty()) << "before anything is applied";

  const Outcome applied = world().call({"alos", "apply", "--workspace", world().workspace()});
  EXPECT_EQ(applied.code, 1) << "something stayed, and is said: " << applied.out << applied.err;
  EXPECT_EQ(world().read("src/app.py"), "print(\"better app\")\n") << "what is safe was applied";
  EXPECT_THAT(applied.out, HasSubstr("conftest.py"));
  for (const char* path : kNeverApplied) EXPECT_FALSE(world().exists(path)) << path;
  for (const char* path : {".git/config", "nested/.git/config", "fresh/.git/config"})
    EXPECT_THAT(world().read(path), Not(HasSubstr("fsmonitor"))) << path;
  EXPECT_THAT(world().read("Makefile"), HasSubstr("echo built"));
  EXPECT_THAT(world().read("package.json"), HasSubstr("echo tested"));

  EXPECT_THAT(work(), IsEmpty()) << "after it";
  EXPECT_EQ(world().leftovers(), "");
}

TEST_P(WriteNowRunLater, without_alos_each_of_them_runs) {
  const Outcome planted = bash(kPlants, {markers(), home()});
  ASSERT_EQ(planted.code, 0) << planted.err;
  std::set<std::string> expected;
  for (const Tool& tool : tools())
    if (there(tool.program)) expected.insert(tool.runs.begin(), tool.runs.end());
  EXPECT_THAT(work(), IsSupersetOf(expected));
}

TEST_P(WriteNowRunLater, what_is_held_back_does_not_come_by_a_commit) {
  const std::string git = "git -c user.name=a -c user.email=a@b ";
  ASSERT_EQ(bash("rm -rf .git && git init -q && git add -A && " + git + "commit -qm first").code, 0);
  const std::string policy = world().policy("tree",
                                            "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\n"
                                            "workspace: layer\nfiles: {tree: {allow: rwx, path: $workspace/**}}\n");
  const Outcome run = world().shell(policy,
                                    "mkdir -p .github/workflows && echo 'on: push' > .github/workflows/ci.yml && "
                                    "echo word > notes.txt && git add -A && " +
                                        git + "commit -qm second");
  ASSERT_EQ(run.code, 0) << run.err;
  const Outcome applied = world().call({"alos", "apply", "--workspace", world().workspace()});
  EXPECT_THAT(applied.out, HasSubstr("commits, or files staged"));
  EXPECT_EQ(world().read("notes.txt"), "word\n");
  EXPECT_EQ(bash("git log --format=%s").out, "first\n");
  bash("git checkout -- . ; git add -A; " + git + "commit -qm host");
  EXPECT_EQ(bash("git ls-files .github; git stash list; git fsck --connectivity-only >/dev/null && echo sound").out,
            "sound\n");
  EXPECT_FALSE(world().exists(".github/workflows/ci.yml"));
}

// What else of a repository has git bring files: an interrupted merge's stash, an object in the place of another, the
// reflog of the stash, where HEAD was before, a remote that is a file.
constexpr const char* kByGit = R"sh(set -e
git config user.name agent; git config user.email agent@localhost
blob=$(git rev-parse HEAD:Makefile); object=.git/objects/$(echo $blob | cut -c1-2)/$(echo $blob | cut -c3-)
echo 'all: ; @echo planted' > Makefile; stash=$(git stash create); echo $stash > .git/MERGE_AUTOSTASH
git branch -q kept $stash; zero=0000000000000000000000000000000000000000
git update-ref --create-reflog -m planted refs/stash $stash
echo "$zero $stash a <a@b> 1700000000 +0000	checkout: moving from $stash to main" >> .git/logs/HEAD
new=$(git hash-object -w Makefile); chmod u+w $object
cp -f .git/objects/$(echo $new | cut -c1-2)/$(echo $new | cut -c3-) $object
mkdir -p .git/remotes .git/branches; echo 'URL: ext::sh -c true' > .git/remotes/upstream
cp .git/remotes/upstream .git/branches/origin
git checkout -q HEAD -- test_ok.py; rm -f .git/index.lock; : > .git/shallow; rm .git/shallow
echo word > notes.txt
)sh";

TEST_P(WriteNowRunLater, what_is_held_back_does_not_come_by_what_git_keeps) {
  ASSERT_EQ(bash("echo mine > own.txt && git add own.txt && git stash -q && git checkout -qb other && "
                 "git checkout -q main")
                .code,
            0);
  const std::string policy = world().policy("tree",
                                            "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\n"
                                            "workspace: layer\nfiles: {tree: {allow: rwx, path: $workspace/**}}\n");
  const Outcome run = world().shell(policy, kByGit);
  ASSERT_EQ(run.code, 0) << run.err;
  const Outcome diff = world().call({"alos", "diff", "--stat", "--workspace", world().workspace()});
  EXPECT_THAT(diff.out, HasSubstr("repository data")) << diff.out;
  EXPECT_LT(std::count(diff.out.begin(), diff.out.end(), '\n'), 30) << diff.out;
  const Outcome applied = world().call({"alos", "apply", "--workspace", world().workspace()});
  EXPECT_EQ(world().read("notes.txt"), "word\n") << applied.out;
  const std::string was = world().read("Makefile");
  EXPECT_THAT(was, HasSubstr("echo built"));
  bash("git commit -q --allow-empty -m mine; rm Makefile; git checkout -- Makefile");
  EXPECT_EQ(world().read("Makefile"), was) << applied.out;
  bash("git stash pop");
  EXPECT_EQ(world().read("Makefile"), was) << applied.out;
  EXPECT_EQ(world().read("own.txt"), "mine\n") << "the person's own stash";
  bash("git add -A; git commit -qm more; git checkout -q -");
  EXPECT_EQ(bash("git rev-parse --abbrev-ref HEAD").out, "other\n");
  EXPECT_EQ(world().read("Makefile"), was) << applied.out;
  EXPECT_FALSE(world().exists(".git/remotes/upstream") || world().exists(".git/branches/origin"));
}

INSTANTIATE_TEST_SUITE_P(Threats19And20, WriteNowRunLater, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
