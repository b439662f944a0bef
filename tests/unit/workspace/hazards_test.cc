#include "supervisor/workspace/hazards.h"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "supervisor/workspace/denies.h"
#include "supervisor/workspace/git_config.h"
#include "supervisor/workspace/git_paths.h"
#include "supervisor/workspace/hazard_names.h"

namespace alos::workspace {
namespace {

Node file(mode_t mode = 0644) {
  Node node;
  node.type = Type::file;
  node.mode = mode;
  return node;
}

std::string flags(const Subject& subject) {
  std::string out;
  for (const Flag& flag : hazards(subject)) out.append(out.empty() ? "" : ",").append(name(flag.hazard));
  return out;
}

std::string added(std::string_view path, mode_t mode = 0644) {
  return flags({path, {}, file(mode), "", {}});
}

struct Case {
  const char* path;
  const char* expected;
};

class Hazards : public testing::TestWithParam<Case> {};

TEST_P(Hazards, are_told_by_path) {
  EXPECT_EQ(added(GetParam().path), GetParam().expected) << GetParam().path;
}

INSTANTIATE_TEST_SUITE_P(
    , Hazards,
    testing::Values(
        Case{".git/hooks/pre-commit", "git"}, Case{".GIT/Hooks/pre-commit", "git"}, Case{".git/config", "git"},
        Case{"sub/dir/.git/config", "git"}, Case{".git/config.worktree", "git"}, Case{".git", "git"},
        Case{"sub/.git", "git"}, Case{".git/modules/x/config", "git"}, Case{".git/modules/a/b/hooks/update", "git"},
        Case{".git/worktrees/w/commondir", "git"}, Case{".git/worktrees/w/gitdir", "git"},
        Case{".git/rebase-merge/git-rebase-todo", "git"}, Case{".gitmodules", "git"}, Case{".git/index", "repository"},
        Case{".git/HEAD", "repository"}, Case{".git/refs/heads/config", "repository"},
        Case{".git/refs/heads/hooks/x", "repository"}, Case{".git/packed-refs", "repository"},
        Case{".git/worktrees/w/HEAD", "repository"}, Case{".git/logs/HEAD", "repository"},
        Case{".git/objects/aa/bb", "repository"}, Case{".git/MERGE_AUTOSTASH", "repository"},
        Case{".git/logs/refs/stash", "repository"}, Case{".git/info/attributes", "repository"},
        Case{".git/objects/info/alternates", "repository"}, Case{".git/lfs/objects/x", "repository"},
        Case{".git/made-by-a-later-git", "repository"}, Case{".git/hooks/pre-commit.sample", "repository"},
        Case{".git/remotes/upstream", "git"}, Case{".git/branches/origin", "git"},
        Case{".git/modules/x/objects/aa/bb", "repository"}, Case{".gitattributes", "git"},
        Case{"sub/.lfsconfig", "git"}, Case{".gitignore", ""}, Case{"hooks/pre-commit", ""}, Case{"config", ""},
        Case{".claude/settings.json", "agent"}, Case{"sub/.Claude/settings.local.json", "agent"},
        Case{".mcp.json", "agent"}, Case{".codex/config.toml", "agent"}, Case{".cursor/rules/x", "agent"},
        Case{"CLAUDE.md", "prompt"}, Case{"sub/AGENTS.md", "prompt"}, Case{".vscode/tasks.json", "editor"},
        Case{".vscode/Settings.JSON", "editor"}, Case{".vscode/snippets.json", "editor"},
        Case{".idea/workspace.xml", "editor"}, Case{".exrc", "editor"}, Case{".editorconfig", ""},
        Case{".envrc", "shell"}, Case{".bashrc", "shell"}, Case{".zshrc", "shell"},
        Case{".ssh/authorized_keys", "shell"}, Case{"Makefile", "build"}, Case{"src/rules.mk", "build"},
        Case{"GNUmakefile", "build"}, Case{"CMakeLists.txt", "build"}, Case{"cmake/x.cmake", "build"},
        Case{"package.json", "build"}, Case{"package-lock.json", "build"}, Case{"binding.gyp", "build"},
        Case{".eslintrc.yml", "build"}, Case{".npmrc", "build"}, Case{".yarnrc.yml", "build"},
        Case{"vite.config.ts", "build"}, Case{"setup.py", "build"}, Case{"pyproject.toml", "build"},
        Case{"tests/conftest.py", "build"}, Case{"build.rs", "build"}, Case{".cargo/config.toml", "build"},
        Case{"Cargo.toml", "build"}, Case{"build.gradle.kts", "build"}, Case{"pom.xml", "build"},
        Case{"Dockerfile.dev", "build"}, Case{"docker-compose.yml", "build"}, Case{".github/workflows/ci.yml", "build"},
        Case{".github/CODEOWNERS", ""}, Case{".gitlab-ci.yml", "build"}, Case{".husky/pre-commit", "build"},
        Case{"lefthook.yml", "build"}, Case{"x.service", "autostart"}, Case{".config/systemd/user/x", "autostart"},
        Case{"x.desktop", "autostart"}, Case{"crontab", "autostart"}, Case{"lib/sitecustomize.py", "autostart"},
        Case{"a.pth", "autostart"}, Case{"__pycache__/calc.cpython-311.pyc", "autostart"},
        Case{".local/bin/ls", "autostart"}, Case{".bazelversion", "build"}, Case{".bazeliskrc", "build"},
        Case{".luacheckrc", "build"}, Case{".simplecov", "build"}, Case{".php-cs-fixer.php", "build"},
        Case{".php-cs-fixer.dist.php", "build"}, Case{"phpunit.xml", "build"}, Case{"Dangerfile", "build"},
        Case{"config.ru", "build"}, Case{".golangci.yml", "build"}, Case{"infra/main.tf", "build"},
        Case{"go.mod", "build"}, Case{"go.work", "build"}, Case{"devenv.nix", "build"},
        Case{"mise.local.toml", "shell"}, Case{".config/mise/config.toml", "shell"},
        Case{"A.xcodeproj/project.pbxproj", "build"}, Case{".storybook/main.ts", "build"},
        Case{"vitest.workspace.ts", "build"}, Case{"pants.toml", "build"}, Case{".github/agents/x.md", "prompt"},
        Case{".github/chatmodes/x.md", "prompt"}, Case{"bin/activate", "shell"}, Case{"src/main.c", ""},
        Case{"README.md", ""}, Case{"docs/makefile-tips.md", ""}));

// What tools of each ecosystem load, run or take commands from.
TEST(HazardsOf, names_that_tools_obey_by_themselves) {
  const std::pair<const char*, const char*> all[] = {
      {"build",
       "src/main.o src/main.obj lib/libx.a src/main.d x.dep .deps/main.Po .depend drivers/.main.o.cmd "
       "include/x.h.gch build/.ninja_deps build/.ninja_log build/CMakeCache.txt "
       "build/CMakeFiles/x.dir/link.txt build/cmake_install.cmake build/rules.ninja env/pyvenv.cfg "
       ".latexmkrc docs/latexmkrc .sparse Doxyfile docs/conf.py mkdocs.yml book.toml .eslintrc.json "
       ".eslintrc.yaml .oxlintrc.json biome.json commitlint.config.mts .commitlintrc.yml .lintstagedrc.json "
       "wdio.conf.ts jsconfig.json cypress/support/e2e.ts .goreleaser.yaml cliff.toml schema.prisma "
       "wrangler.toml sqlc.yaml buf.gen.yaml treefmt.toml tauri.conf.json nextest.toml rust-toolchain.toml "
       "buildSrc/src/main/kotlin/x.kt settings.gradle.kts project/Build.scala .scalafix.conf "
       "META-INF/services/javax.annotation.processing.Processor Directory.Build.rsp "
       "Properties/launchSettings.json x.tt .runsettings.runsettings user.clj data_readers.cljc dune-project "
       "x.opam config/runtime.exs test_helper.exs .lintr .RData _quarto.yml .busted x.rockspec pubspec.yaml "
       "melos.yaml .dart_tool/package_config.json lakefile.lean kustomization.yaml helmfile.yaml Pulumi.yaml "
       "cdk.json .terraform.lock.hcl main.tofu group_vars/all.yml filter_plugins/x.py .cirrus.star "
       ".zuul.d/x.yaml .pre-commit-config.yml prek.toml .github/dependabot.yml gunicorn.conf.py .yardopts "
       "phpstan.neon.dist captainhook.json vendor/composer/installed.php vendor/modules.txt platformio.ini "
       "west.yml Kconfig Earthfile process-compose.yaml x.egg-info/entry_points.txt"},
      {"shell",
       ".gitlint .lesskey .manpath .tigrc .config/kitty/kitty.conf .direnv/x .env .flaskenv mise/config.toml "
       ".nvmrc starship.toml .aws/config .kube/config .docker/config.json .my.cnf login.sql .psqlrc-14 "
       ".mc.menu .config/mpv/mpv.conf yt-dlp.conf .pythonrc.py .psysh.php .Rootrc startup.jl .xbindkeysrc "
       ".tmuxinator.yml .githooks/pre-commit .jj/repo/config.toml .hgsub .arcconfig "
       "Microsoft.PowerShell_profile.ps1"},
      {"editor",
       ".vimrc.local .vimspector.json .nanorc .project .settings/org.eclipse.x .run/x.run.xml "
       "x.iml .bsp/sbt.json rust-analyzer.toml pyrightconfig.json compile_commands.json project.godot "
       ".sublime-build.sublime-build libx-gdb.py .perfconfig .kateproject.build"},
      {"agent",
       ".mcp/x opencode.jsonc .amp/settings.json .qwen/settings.json .github/hooks/x.json gptme.toml "
       ".config/goose/config.yaml .roomodes .pi/x"},
      {"prompt", "x.instructions.md WARP.md review.prompt.md .roorules-code"},
      {"autostart",
       "x.so.1 x.class lib/x.jar x.elc x.zwc x.beam sudoers.d/x ld.so.preload logrotate.d/x "
       ".config/autostart/x init.d/x"},
      {"autostart", "lib/sitecustomize/__init__.py usercustomize/__init__.py"},
      {"build",
       "GNUmakefile.sh src/main.d.sh local.mk.sh rules.make.sh Makefile,v RCS/GNUmakefile,v RCS/local.mk,v "
       "SCCS/s.GNUmakefile s.local.mk local.mk.sh,v tasks/__init__.py fabfile/__init__.py gulpfile.js/index.js "
       "Gruntfile.js/index.js .webpack/webpackfile.js .woodpecker/ci.yml .lefthook/pre-commit/x "
       ".lefthook-local/pre-commit/x test/lit.cfg lit.cfg.py lit.local.cfg lit.site.cfg.py CTestCustom.ctest "
       "CMakeSettings.json cmake-variants.yaml"},
      {"build",
       ".corepack.env poe_tasks.toml x_linux_amd64.syso .importlinter .onedev-buildspec.yml .rwx/ci.yml "
       ".agola/config.yml .bunfig.toml"},
      {"editor", ".lazy.lua .nova/Tasks/x.json .nvim/init.lua"},
      {"shell", ".env.sh .lazygit.yml .sops.yaml .gpg-id"},
      {"dependency", "venv/bin/pip sub/env/bin/pytest virtualenv/bin/x"},
      {"dependency", "target/debug/build/x/build-script-build _build/default/x.cmt .tox/py/bin/x"},
      {"",
       "src/lib.rs docs/conf.md include/d.h object.c x.d.ts a.dart x.out data.json fish.c build.txt "
       "build.sh deps.sh targets.sh run.sh s.txt s.py notes,v RCS/main.c,v sh.sh .sh ,v s. conf/__init__.py "
       "env/x.py venv.py src/index.js odd.ocean config/x.yml project/x.txt .gitkeep serverless.md pom.ts codegen.py "
       ".browse"},
  };
  for (const auto& [expected, paths] : all) {
    std::istringstream words(paths);
    for (std::string path; words >> path;) EXPECT_EQ(added(path), expected) << path;
  }
}

TEST(HazardsOf, names_are_known_without_what_some_file_systems_leave_out) {
  EXPECT_EQ(added(".git./hooks/pre-commit"), "git");
  EXPECT_EQ(added(".git. ./config "), "git");
  EXPECT_EQ(added(".envrc."), "shell");
  EXPECT_EQ(added("package.json .."), "build");
  EXPECT_EQ(added("... /x"), "");
  EXPECT_EQ(whole_of({"sub/.git./HEAD", {}, file(), "", {}}), "sub/.git.");
  EXPECT_TRUE(leads_out("a/b", "../.. /../../x"));
  EXPECT_FALSE(leads_out("a", ".. /x")) << "a name like any other";
}

TEST(HazardNames, are_such_as_can_be_found) {
  std::set<std::string_view> seen;
  for (const Known& known : known_names())
    for (const std::string_view pattern : known.patterns) {
      EXPECT_TRUE(seen.insert(pattern).second) << pattern << " stands there twice";
      EXPECT_EQ(pattern.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ?[]\\ "), pattern.npos) << pattern;
      EXPECT_FALSE(pattern.empty() || pattern.starts_with('/') || pattern.find("//") != pattern.npos) << pattern;
      const size_t slash = pattern.find('/');
      EXPECT_FALSE(slash != pattern.npos && slash + 1 < pattern.size() &&
                   pattern.substr(0, slash).find('*') != pattern.npos)
          << pattern;
    }
  EXPECT_GT(seen.size(), 1000u);
}

TEST(GitPath, stands_for_what_git_makes_of_it) {
  const auto of = [](std::string_view value) { return git_path(value, {"/home/a", "/home/b"}).paths; };
  EXPECT_THAT(of("x/~y"), testing::ElementsAre("x/~y"));
  EXPECT_THAT(of("~/x"), testing::ElementsAre("/home/a/x", "/home/b/x"));
  EXPECT_THAT(of("~"), testing::ElementsAre("/home/a", "/home/b"));
  EXPECT_THAT(of("~root/x"), testing::ElementsAre("/root/x"));
  EXPECT_THAT(of("%(prefix)/x"), testing::IsSupersetOf({"/usr/x", "/usr/local/x"}));
  EXPECT_THAT(of(":(optional)~/x"), testing::ElementsAre("/home/a/x", "/home/b/x"));
  const GitPath nobody = git_path("~nobody-of-that-name/x", {"/home/a"});
  EXPECT_TRUE(nobody.paths.empty());
  EXPECT_EQ(nobody.unknown, "nobody-of-that-name");
}

TEST(HazardsOf, a_repository_is_known_by_content_whatever_its_name) {
  EXPECT_EQ(flags({"data/hooks/update", {}, file(), "", {{"data"}}}), "git");
  EXPECT_EQ(flags({"data/config", {}, file(), "", {{"data"}}}), "git");
  EXPECT_EQ(flags({"config", {}, file(), "", {{""}}}), "git") << "the workspace itself is one";
  EXPECT_EQ(flags({"data/objects/xx", {}, file(), "", {{"data"}}}), "repository");
  EXPECT_EQ(flags({"data/anything", {}, file(), "", {{"data"}}}), "repository");
  EXPECT_EQ(flags({"outer/hooks/inner/x", {}, file(), "", {{"outer"}, {"outer/hooks/inner"}}}), "git");
}

TEST(HazardsOf, the_part_that_makes_a_directory_a_repository_is_flagged) {
  EXPECT_EQ(flags({"data/HEAD", {}, file(), "", {{"data", false}}}), "git");
  Node directory;
  directory.type = Type::directory;
  EXPECT_EQ(flags({"data/objects", {}, directory, "", {{"data", false}}}), "git");
  EXPECT_EQ(flags({"data/other", {}, file(), "", {{"data", false}}}), "");
}

TEST(HazardsOf, git_would_take_whatever_a_repository_gets_or_loses) {
  Node directory;
  directory.type = Type::directory;
  EXPECT_EQ(flags({".git/objects/aa", {}, directory, "", {}}), "repository");
  EXPECT_EQ(flags({".git", {}, directory, "", {}}), "") << "empty, it is none";
  EXPECT_EQ(flags({".git/refs/heads/main", file(), {}, "", {}}), "repository");
  EXPECT_EQ(flags({".git/objects/aa/bb", file(), file(), "", {}}), "repository") << "in the place of another";
  EXPECT_EQ(whole_of({"sub/.git/modules/x/HEAD", {}, file(), "", {}}), "sub/.git") << "the outermost";
  EXPECT_EQ(whole_of({"data/a/b", {}, file(), "", {{"data"}}}), "data");
  EXPECT_EQ(whole_of({"data/a/b", {}, file(), "", {{"data", false}}}), std::nullopt) << "none yet";
  EXPECT_EQ(whole_of({".git", {}, directory, "", {}}), std::nullopt);
}

TEST(HazardsOf, trees_of_dependencies_are_held_whole) {
  Node directory, link;
  directory.type = Type::directory, link.type = Type::link;
  for (const char* path : {"node_modules/x/index.js", "sub/node_modules/x/index.js", ".venv/bin/pip",
                           "v/lib/python3/site-packages/x.py", "vendor/bundle/ruby/x.rb"})
    EXPECT_EQ(flags({path, file(0755), file(0755), "", {}}), "dependency") << path;
  EXPECT_EQ(added("node_modules/x/package.json"), "build,dependency");
  EXPECT_EQ(flags({"node_modules/x", {}, directory, "", {}}), "dependency");
  EXPECT_EQ(flags({"node_modules/.bin/x", {}, link, "../x/cli.js", {}}), "dependency");
  EXPECT_EQ(flags({"node_modules/x/index.js", file(), {}, "", {}}), "") << "taken away";
  EXPECT_EQ(flags({"node_modules/own/src/x.js", {}, file(), "", {}, By::another_name}), "")
      << "a package of the project, which its package manager links there";
  EXPECT_EQ(added("vendor/x.go"), "");
  EXPECT_EQ(whole_of({"sub/node_modules/x/node_modules/y/z.js", {}, file(), "", {}}), "sub/node_modules");
  EXPECT_EQ(whole_of({"vendor/bundle/x", {}, file(), "", {}}), "vendor/bundle");
  EXPECT_EQ(whole_of({"vendor/x", {}, file(), "", {}}), std::nullopt);
}

TEST(HazardsOf, new_execute_and_set_id_bits) {
  EXPECT_EQ(added("tool", 0755), "executable");
  EXPECT_EQ(added("tool", 04755), "executable,set-id");
  EXPECT_EQ(flags({"tool", file(0644), file(0744), "", {}}), "executable");
  EXPECT_EQ(flags({"tool", file(0755), file(0755), "", {}}), "");
}

TEST(HazardsOf, what_anybody_may_write_is_flagged_when_it_is_new) {
  EXPECT_EQ(added("x", 0666), "writable");
  EXPECT_EQ(flags({"x", file(0666), file(0666), "", {}}), "");
  Node directory;
  directory.type = Type::directory;
  directory.mode = 01777;
  EXPECT_EQ(flags({"d", {}, directory, "", {}}), "writable");
  EXPECT_EQ(flags({"", file(0755), directory, "", {}}), "writable") << "the workspace itself";
  directory.mode = 02775;
  EXPECT_EQ(flags({"d", {}, directory, "", {}}), "");
}

TEST(HazardsOf, what_others_may_look_at_is_flagged_when_it_was_private) {
  Node before = file(0700), after = file(0755);
  before.type = after.type = Type::directory;
  EXPECT_EQ(flags({"priv", before, after, "", {}}), "exposed");
  EXPECT_EQ(flags({"", before, after, "", {}}), "exposed") << "the workspace itself";
  before.mode = 0710, after.mode = 0711;
  EXPECT_EQ(flags({"priv", before, after, "", {}}), "exposed") << "search alone opens what is in it";
  EXPECT_EQ(flags({"s", file(0600), file(0644), "", {}}), "exposed");
  EXPECT_EQ(flags({"s", file(0640), file(0660), "", {}}), "exposed");
  EXPECT_EQ(flags({"s", file(0600), file(0666), "", {}}), "writable,exposed");
  EXPECT_EQ(flags({"s", file(0644), file(0600), "", {}}), "");
  EXPECT_EQ(flags({"s", file(0644), file(0644), "", {}}), "");
  EXPECT_EQ(added("s", 0644), "") << "the agent's own";
}

TEST(HazardsOf, links_that_lead_out) {
  EXPECT_TRUE(leads_out("a", "/etc/passwd"));
  EXPECT_TRUE(leads_out("a", ".."));
  EXPECT_TRUE(leads_out("a/b", "../../x"));
  EXPECT_TRUE(leads_out("a/b", "c/../../../x"));
  EXPECT_FALSE(leads_out("a/b", "../x"));
  EXPECT_FALSE(leads_out("a", "b/../c"));
  EXPECT_FALSE(leads_out("a", "./b"));
}

TEST(HazardsOf, taking_a_control_away_is_flagged_and_other_deletions_are_not) {
  EXPECT_EQ(flags({".git/hooks/pre-commit", file(0755), {}, "", {}}), "git");
  EXPECT_EQ(flags({".claude/settings.json", file(), {}, "", {}}), "agent");
  for (const char* path :
       {".npmrc", "sub/.yarnrc.yml", "package-lock.json", "Cargo.lock", "go.sum", "uv.lock", "pip.conf"})
    EXPECT_EQ(flags({path, file(), {}, "", {}}), "build") << path;
  EXPECT_EQ(flags({"sub/.git", file(), {}, "", {}}), "git") << "git would take what is around it";
  EXPECT_EQ(flags({"Makefile", file(), {}, "", {}}), "");
}

TEST(HazardsOf, a_link_is_flagged_by_what_would_be_below_its_name) {
  Node link;
  link.type = Type::link;
  const auto linked = [&](std::string_view path) { return flags({path, {}, link, "x", {}}); };
  EXPECT_EQ(linked(".vscode"), "editor");
  EXPECT_EQ(linked("sub/.github"), "agent,prompt,build");
  EXPECT_EQ(linked(".husky"), "build");
  EXPECT_EQ(linked(".git/modules"), "git");
  EXPECT_EQ(linked(".git/hooks"), "git");
  EXPECT_EQ(linked(".git/logs/x"), "repository");
  EXPECT_EQ(linked("docs"), "");
  EXPECT_EQ(added(".github"), "");
}

std::string in_workspace(const std::string& workspace, std::string_view path) {
  const Surroundings surroundings = Surroundings::of(workspace, {});
  return flags({path, {}, file(), "", {}, By::own_name, &surroundings});
}

TEST(HazardsOf, the_workspaces_own_place_counts) {
  EXPECT_EQ(in_workspace("/home/u/p/.github", "workflows/e.yml"), "build");
  EXPECT_EQ(in_workspace("/home/u/p/.vscode", "x"), "editor");
  EXPECT_EQ(in_workspace("/home/u/.config/systemd/user", "evil.service.d/o.conf"), "autostart");
  EXPECT_EQ(in_workspace("/etc/cron.d", "job"), "autostart");
  EXPECT_EQ(in_workspace("/home/u/p/.git", "config"), "git");
  EXPECT_EQ(in_workspace("/home/u/p/.git/hooks", "pre-commit"), "git");
  EXPECT_EQ(in_workspace("/home/u/p/.git", "anything"), "repository");
  const Surroundings bare = Surroundings::of("/srv/data/hooks", {"/srv/data"});
  const Subject subject{"update", {}, file(), "", {}, By::own_name, &bare};
  EXPECT_EQ(flags(subject), "git");
  EXPECT_EQ(whole_of(subject), "");
}

TEST(HazardsOf, a_project_that_is_called_like_what_a_tool_obeys_is_a_project) {
  for (const char* workspace : {"/home/u/src/systemd", "/home/u/src/fish", "/home/u/p/.claude/worktrees/fish"})
    EXPECT_EQ(in_workspace(workspace, "src/main.c"), "") << workspace;
  EXPECT_EQ(in_workspace("/home/u/p/.claude/worktrees/x", ".claude/y"), "agent");
  EXPECT_EQ(in_workspace("/home/u/p/.claude/worktrees", "x"), "agent");
}

TEST(GitConfig, is_read_as_git_reads_it) {
  const auto settings = git_settings(
      "\xef\xbb\xbf[core]\n\thooksPath = tools/hooks # why\n[Include]path=\"a b\" \n; no\n[alias \"X.y\"] t = !sh \\\n"
      "  tools/t\n[core.OLD]\nflag\n[includeIf \"gitdir:~/x\"]\npath = c\\\\d\n[open\nk = v");
  std::vector<std::string> got;
  for (const GitSetting& setting : settings) got.push_back(setting.key + "=" + setting.value);
  EXPECT_THAT(got, testing::ElementsAre("core.hookspath=tools/hooks", "include.path=a b", "alias.X.y.t=!sh   tools/t",
                                        "core.old.flag=", "includeif.gitdir:~/x.path=c\\d", "open.k=v"));
}

TEST(GitConfig, words_are_what_could_name_a_file) {
  EXPECT_THAT(words_of("!f() { ./x \"$1\"; }; tools/a"),
              testing::ElementsAre("f", "{", "./x", "1", "}", "tools/a", "!f() { ./x \"$1\"; }; tools/a"));
  EXPECT_THAT(words_of("tools/a"), testing::ElementsAre("tools/a"));
}

TEST(Denies, match_as_the_policy_language_says) {
  const Matcher denied = matcher_of({{"/w/**/.env*", {}, "rwx", "secrets", ""}, {"/w/a\\*", {}, "w", "star", ""}});
  EXPECT_TRUE(denied("/w/.env"));
  EXPECT_TRUE(denied("/w/a/b/.env.local"));
  EXPECT_FALSE(denied("/w/a/env"));
  EXPECT_TRUE(denied("/w/a*"));
  EXPECT_FALSE(denied("/w/ab"));
}

TEST(Denies, a_pattern_that_cannot_be_read_lets_nothing_out) {
  EXPECT_EQ(matcher_of({{"/w/[ab]", {}, "w", "later", ""}})("/w/anything")->rule, "later");
  EXPECT_TRUE(matcher_of({{"/w/**", {"not/absolute"}, "w", "all", ""}})("/w/not/absolute"));
}

TEST(Denies, exceptions_hold_for_their_own_rule_alone) {
  const Matcher denied = matcher_of({{"/w/**/.env*", {"/w/**/.env.example"}, "rwx", "secrets", ""},
                                     {"/w/infra/**", {}, "w", "infra", "people change CI"}});
  EXPECT_EQ(denied("/w/.env")->rule, "secrets");
  EXPECT_FALSE(denied("/w/.env.example"));
  EXPECT_EQ(denied("/w/infra/.env.example")->rule, "infra");
}

}  // namespace
}  // namespace alos::workspace
