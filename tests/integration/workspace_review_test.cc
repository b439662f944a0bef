// What a hostile reading of the workspace layer found: plants that reach a tool of the host by another name than their
// own, limits that were not held. Each is done with the real programs and the real tools.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

// A project in which the host's own links and git's own configuration give files names that tools obey.
constexpr const char* kProject = R"sh(set -e
git config --global user.name someone
git config --global user.email someone@example.org
git config --global init.defaultBranch main
git config --global core.hooksPath .team-hooks
script() { mkdir -p "$(dirname "$1")"; printf '#!/bin/sh\n' > "$1"; chmod 755 "$1"; }

git init -q global; script global/.team-hooks/post-index-change; : > global/file

git init -q linked; git -C linked config core.hooksPath .git/hooks
script linked/tools/check.sh; ln -s ../../tools/check.sh linked/.git/hooks/post-index-change; : > linked/file

git init -q path; git -C path config core.hooksPath tools/hooks
script path/tools/hooks/post-index-change; : > path/file

git init -q detour; git -C detour config core.hooksPath tools/hooks; mkdir detour/tools
script detour/shared/post-index-change; ln -s ../shared detour/tools/hooks; : > detour/file

git init -q include; git -C include config include.path ../conf/team; mkdir include/conf; : > include/conf/team

git init -q monitor; script monitor/bin/watch; git -C monitor config core.fsmonitor bin/watch

git init -q outer; mkdir -p outer/.git/worktrees
git -C outer commit -q --no-verify --allow-empty -m first
git -C outer config core.hooksPath tools/hooks
git -C outer worktree add -q ../tree; script tree/tools/hooks/post-index-change; : > tree/file

mkdir made; printf 'all:\n\t@true\n' > made/rules.txt; ln -s rules.txt made/Makefile
mkdir chained; ln -s ../gen/rules.txt chained/Makefile
mkdir replaced other; ln -s other replaced-by; ln -s ../replaced-by/rules.txt replaced/Makefile
printf 'all:\n\t@true\n' > other/rules.txt
)sh";

// First run: what is harmless by its own name.
constexpr const char* kFirst = R"sh(M=$1
plant() { printf 'touch %s/%s\n' "$M" "$2" >> "$1"; }
mkdir -p later husky-like
printf 'all:\n\ttouch %s/chained\n' "$M" > later/rules.txt
plant global/.team-hooks/post-index-change global
plant linked/tools/check.sh linked
plant path/tools/hooks/post-index-change path
plant detour/shared/post-index-change detour
printf '[core]\n\tfsmonitor = "touch %s/include; false"\n' "$M" > include/conf/team
plant monitor/bin/watch monitor
plant tree/tools/hooks/post-index-change worktree
printf 'all:\n\ttouch %s/made\n' "$M" > made/rules.txt
plant husky-like/pre-commit husky
)sh";

// Second run: links that give what came before a name.
constexpr const char* kSecond = R"sh(M=$1
ln -s later gen
ln -s husky-like .husky
ln -s husky-like .vscode
ln -s husky-like .github
rm replaced-by; mkdir replaced-by; printf 'all:\n\ttouch %s/replaced\n' "$M" > replaced-by/rules.txt
mkdir -p path/.git/modules; ln -s ../../../husky-like path/.git/modules/sub
)sh";

struct Tool {
  const char* line;
  const char* marker;
};
constexpr Tool kTools[] = {
    {"cd global && git add file", "global"}, {"cd linked && git add file", "linked"},
    {"cd path && git add file", "path"},     {"cd detour && git add file", "detour"},
    {"cd include && git status", "include"}, {"cd monitor && git status", "monitor"},
    {"cd tree && git add file", "worktree"}, {"make -C made", "made"},
    {"make -C chained", "chained"},          {"make -C replaced", "replaced"},
};

constexpr const char* kPolicy =
    "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\n"
    "workspace: layer\nfiles: {tree: {allow: rwx, path: $workspace/**}}\n";

// The launcher's janitor ends a moment after the run.
std::string left_by(const World& world) {
  std::string left = world.leftovers();
  for (int i = 0; i < 40 && !left.empty(); ++i) {
    const timespec wait{0, 50'000'000};
    ::nanosleep(&wait, nullptr);
    left = world.leftovers();
  }
  return left;
}

class OtherNames : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    world().write(markers() + "/.keep", "");
    const Outcome made = bash(kProject);
    ASSERT_EQ(made.code, 0) << made.err;
  }
  std::string markers() { return world().root() + "/markers"; }
  Outcome bash(const std::string& script) { return world().call({"/bin/bash", "-c", script, "bash", markers()}); }
  // What ran by the tools' own doing.
  std::set<std::string> work() {
    for (const Tool& tool : kTools) bash(tool.line);
    std::set<std::string> ran;
    for (const auto& entry : std::filesystem::directory_iterator(markers())) ran.insert(entry.path().filename());
    ran.erase(".keep");
    return ran;
  }
};

TEST_P(OtherNames, nothing_runs_on_the_host_by_a_name_that_a_link_or_a_configuration_gives_it) {
  const std::string policy = world().policy("tree", kPolicy);
  for (const char* script : {kFirst, kSecond}) {
    const Outcome run = world().run(policy, {"/bin/bash", "-c", script, "bash", markers()});
    ASSERT_EQ(run.code, 0) << run.err;
    const Outcome applied = world().call({"alos", "apply", "--workspace", world().workspace()});
    EXPECT_EQ(applied.code, 1) << applied.out << applied.err;
    EXPECT_THAT(work(), IsEmpty()) << applied.out;
  }
  EXPECT_TRUE(world().exists("later/rules.txt")) << "what no tool obeys was applied";
  for (const char* path : {"gen", ".husky", ".vscode", ".github", "path/.git/modules/sub"})
    EXPECT_FALSE(world().exists(path)) << path;
  const Outcome diff = world().call({"alos", "diff", "--stat"});
  EXPECT_THAT(diff.out, HasSubstr("by the name made/Makefile")) << "says by which name";
  EXPECT_THAT(diff.out, HasSubstr("core.hookspath"));
  EXPECT_EQ(left_by(world()), "");
}

TEST_P(OtherNames, without_alos_each_of_them_runs) {
  ASSERT_EQ(bash(kFirst).code, 0);
  ASSERT_EQ(bash(kSecond).code, 0);
  std::set<std::string> expected;
  for (const Tool& tool : kTools) expected.insert(tool.marker);
  EXPECT_THAT(work(), IsSupersetOf(expected));
}

// The workspace is a part of a repository that begins above it, or belongs to one that lies elsewhere.
TEST_P(OtherNames, a_repository_around_the_workspace_counts_as_well) {
  ASSERT_EQ(bash("set -e; git init -q around; cd around; git config core.hooksPath part/hooks; mkdir -p part/hooks; "
                 "printf '#!/bin/sh\n' > part/hooks/post-index-change; chmod 755 part/hooks/post-index-change; "
                 ": > file; git init -q ../far; cd ../far; git config core.hooksPath .hooks; "
                 "git commit -q --allow-empty -m first; git worktree add -q ../near; mkdir ../near/.hooks; "
                 "cp ../around/part/hooks/* ../near/.hooks; : > ../near/file")
                .code,
            0);
  for (const auto& [at, hook] : {std::pair{"/around/part", "hooks"}, {"/near", ".hooks"}}) {
    const std::string workspace = world().workspace() + at;
    const std::string script = "echo touch " + markers() + "/ran >> " + hook + "/post-index-change; echo x > plain";
    const Outcome run =
        world().shell(world().policy("tree", kPolicy), script, {.cwd = workspace}, {"--workspace", workspace});
    ASSERT_EQ(run.code, 0) << run.err;
    const Outcome applied = world().call({"alos", "apply", "--workspace", workspace});
    EXPECT_EQ(applied.code, 1) << applied.out;
    EXPECT_TRUE(world().exists(workspace + "/plain"));
  }
  bash("cd around && git add file; cd ../near && git add file");
  EXPECT_FALSE(world().exists(markers() + "/ran"));
}

// Tools find what they obey by its whole path, wherever the workspace begins.
TEST_P(OtherNames, a_workspace_inside_of_what_a_tool_obeys_is_held_as_if_it_began_above) {
  ASSERT_EQ(bash("git init -q --bare bare; git init -q own; rm -rf own/.git/hooks/*").code, 0);
  for (const auto& [at, file] : {std::pair{"p/.github", "workflows/e.yml"},
                                 {"p/.vscode", "tasks.json"},
                                 {"p/.config/systemd/user", "evil.service.d/o.conf"},
                                 {"own/.git", "MERGE_AUTOSTASH"},
                                 {"own/.git/hooks", "pre-commit"},
                                 {"bare/hooks", "update"}}) {
    const std::string workspace = world().workspace() + "/" + at;
    ASSERT_EQ(bash("mkdir -p " + workspace).code, 0);
    const std::string script = "mkdir -p $(dirname " + std::string(file) + "); echo x > " + file;
    const Outcome run =
        world().shell(world().policy("tree", kPolicy), script, {.cwd = workspace}, {"--workspace", workspace});
    ASSERT_EQ(run.code, 0) << run.err;
    const Outcome applied = world().call({"alos", "apply", "--workspace", workspace});
    EXPECT_EQ(applied.code, 1) << applied.out;
    EXPECT_FALSE(world().exists(workspace + "/" + file)) << applied.out;
  }
}

class Meanwhile : public InBothModes {};

// What the host does to its tree while a box runs on it: docs/architecture.md says what holds.
TEST_P(Meanwhile, the_hosts_own_changes_during_a_run_are_kept_and_are_conflicts_where_the_agent_changed_the_same) {
  for (const char* file : {"edited", "deleted", "dir/in", "both", "replaced/x"}) world().write(file, "host\n");
  auto argv = world().run_arguments(world().policy("tree", kPolicy), {});
  argv.insert(
      argv.end(),
      {"--", "/bin/bash", "-c",
       "echo agent >> both; echo agent > replaced/x; echo up; sleep 2; echo agent >> edited; echo agent > deleted; "
       "echo agent > dir/new; echo agent > plain; exit 0"});
  const auto run = world().start(argv);
  ASSERT_TRUE(wait_for(run, "up\n"));
  const Outcome host = world().call({"/bin/bash", "-c",
                                     "echo mine > edited; rm deleted; mv dir moved; echo mine > both; "
                                     "rm -r replaced; mkdir outside; ln -s outside replaced"});
  ASSERT_EQ(host.code, 0) << host.err;
  EXPECT_FALSE(wait_for(run, "never said"));
  int status = 0;
  ::waitpid(run.pid, &status, 0);
  const Outcome applied = world().call({"alos", "apply"});
  EXPECT_EQ(applied.code, 1) << applied.err;
  EXPECT_THAT(applied.out, HasSubstr("conflict"));
  EXPECT_EQ(world().read("plain"), "agent\n");
  EXPECT_EQ(world().read("edited"), "mine\n");
  EXPECT_EQ(world().read("both"), "mine\n");
  EXPECT_EQ(world().read("moved/in"), "host\n");
  EXPECT_FALSE(world().exists("outside/x")) << "written through a link of the host's";
  EXPECT_EQ(left_by(world()), "");
}

INSTANTIATE_TEST_SUITE_P(Around, Meanwhile, testing::Values(Mode::root, Mode::rootless), NameOfMode());

// `disk`, and the ways around a meter that counts the blocks of files with names.
class Disk : public InBothModes {
 protected:
  Outcome write(const std::string& limit, const std::string& script, const std::string& more = "") {
    return world().shell(
        world().policy("disk", std::string(kPolicy) + "limits: {wall: 60s, disk: " + limit + "}\n" + more), script);
  }
  static void expect_ended(const Outcome& run) {
    EXPECT_EQ(run.code, 124) << run.out << run.err;
    EXPECT_EQ(run.end()["what"], "disk");
  }
};

TEST_P(Disk, deleted_files_that_are_held_open_count) {
  expect_ended(write(
      "8MiB", "for i in $(seq 40); do exec {fd}>f; rm f; head -c 1M /dev/zero >&$fd; sleep 0.05; done; sleep 30"));
}

TEST_P(Disk, empty_files_count) {
  expect_ended(
      write("8MiB",
            "python3 -c 'import os,time\nos.mkdir(\"d\")\nfor i in range(40000): os.symlink(\"x\", f\"d/{i}\")\n"
            "time.sleep(30)'"));
}

TEST_P(Disk, a_home_that_lasts_counts) {
  expect_ended(write("8MiB", "for i in $(seq 40); do head -c 1M /dev/zero > ~/f$i; sleep 0.05; done; sleep 30",
                     "home: {keep: mine}\n"));
}

// To find what is to be covered in a command's box the launcher goes through the whole workspace, and an agent can have
// it do so all the time: nothing was looked at until it was through.
TEST_P(Disk, holds_while_boxes_of_commands_are_made) {
  std::string denies, name(180, 'a');
  for (int i = 0; i < 60; ++i) denies += fmt::format("$workspace/**/*a{}*a*, ", i);
  std::filesystem::create_directories(world().workspace() + "/many");
  // An emulated machine (tests/vm/run) takes as long for a tenth of them, and so do sanitizers for a fifth.
  const long names = 60'000 / part();
  for (long i = 0; i < names; ++i)
    std::filesystem::create_symlink("x", fmt::format("{}/many/{}{}", world().workspace(), name, i));
  const Outcome run = world().shell(
      world().policy("disk",
                     "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\nworkspace: layer\nfiles:\n"
                     "  tree: {allow: rwx, path: $workspace/**}\n  names: {deny: rwx, path: [" +
                         denies + "]}\nlimits: {wall: 300s, disk: 8MiB}\n"),
      "for i in $(seq 30); do alos-call shell.run -- /bin/true >/dev/null 2>&1 & done\n"
      "exec python3 -c 'import time\n"
      "for i in range(1024):\n"
      "  with open(f\"big{i // 4}\", \"ab\") as f: f.write(bytes(1 << 20))\n"
      "  print(i, flush=True); time.sleep(0.01)'");
  expect_ended(run);
  const size_t last = run.out.rfind('\n', run.out.size() - 2);
  EXPECT_LT(std::atoi(run.out.c_str() + (last == run.out.npos ? 0 : last + 1)), 150) << "MiB: twice, and a second's";
}

TEST_P(Disk, what_lies_in_memory_does_not_count) {
  const Outcome run =
      write("64MiB",
            "python3 -c 'import os,time\nfd = os.memfd_create(\"m\")\nos.write(fd, b\"x\" * (80 << 20))\n"
            "time.sleep(1)'; echo through");
  EXPECT_EQ(run.out, "through\n") << run.err;
}

// As root alone: a small file system of its own below the layers needs a mount.
TEST_P(Disk, a_full_disk_below_the_layer_is_said_with_its_reason) {
  if (GetParam() == Mode::rootless) return;
  const std::string layers = world().state() + "/layers", events = world().root() + "/events";
  const std::string policy = world().policy("disk", std::string(kPolicy) + "limits: {wall: 60s, disk: 1GiB}\n");
  const Outcome run =
      world().call({"unshare", "--mount", "/bin/bash", "-c",
                    "mkdir -p -m 0711 " + world().state() + " && mkdir -m 0700 " + layers +
                        " && mount -t tmpfs -o size=8m,mode=700 none " + layers + " && exec alos run --policy " +
                        policy + " --workspace " + world().workspace() + " --events " + events +
                        " -- /bin/bash -c 'head -c 16M /dev/zero > f; echo $?'"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "1\n");
  EXPECT_THAT(run.err, HasSubstr("its writes were answered ENOSPC"));
  EXPECT_THAT(world().read(events), HasSubstr("ENOSPC"));
  EXPECT_EQ(left_by(world()), "");
}

// `disk-by: image`
class Image : public Disk {
 protected:
  static constexpr const char* kSize = "32MiB, disk-by: image";
  Outcome alos(std::vector<std::string> words) {
    words.insert(words.begin(), "alos");
    return world().call(words);
  }
  void SetUp() override {
    Disk::SetUp();
    if (!world_ || GetParam() == Mode::root) return;
    const Outcome refused = write(kSize, "true");
    EXPECT_EQ(refused.code, 125);
    EXPECT_THAT(refused.err, HasSubstr("--degrade disk"));
  }
};

TEST_P(Image, bounds_blocks_and_names_whatever_becomes_of_the_files) {
  if (GetParam() == Mode::rootless) return;
  const Outcome run =
      write(kSize,
            "exec 7>held; rm held; head -c 64M /dev/zero >&7; echo $?; exec 7>&-; sleep 0.3\n"
            "python3 -c 'import os\nos.mkdir(\"d\")\ntry:\n  for i in range(10**6): open(f\"d/{i}\", \"w\").close()\n"
            "except OSError as e: print(e.errno, i < 10**5)'");
  EXPECT_EQ(run.out, "1\n28 True\n") << run.err;
  EXPECT_THAT(run.err, HasSubstr("limit 'disk' (32MiB) was reached"));
  EXPECT_EQ(left_by(world()), "");
}

TEST_P(Image, is_read_applied_and_dropped_like_any_layer) {
  if (GetParam() == Mode::rootless) return;
  world().write("old", "old");
  ASSERT_EQ(write(kSize, "echo new > new; echo changed > old; mkdir d; echo x > d/x").code, 0);
  EXPECT_FALSE(world().exists("new"));
  EXPECT_EQ(write(kSize, "cat new old d/x").out, "new\nchanged\nx\n") << "what is pending goes on";
  EXPECT_THAT(alos({"diff"}).out, HasSubstr("+changed"));
  EXPECT_EQ(alos({"undo", "--yes", "d"}).code, 0);
  const Outcome applied = alos({"apply"});
  EXPECT_EQ(applied.code, 0) << applied.out << applied.err;
  EXPECT_EQ(world().read("new") + world().read("old"), "new\nchanged\n");
  EXPECT_EQ(alos({"diff"}).code, 0);
  EXPECT_EQ(write(kSize, "ls").out, "new\nold\n");
  EXPECT_THAT(alos({"gc"}).out, HasSubstr("removed 1 of 1"));
  EXPECT_EQ(left_by(world()), "");
}

TEST_P(Image, with_changes_is_not_given_up_for_another_kind_of_limit) {
  if (GetParam() == Mode::rootless) return;
  ASSERT_EQ(write(kSize, "echo x > x").code, 0);
  const Outcome other = write("32MiB", "true");
  EXPECT_EQ(other.code, 125);
  EXPECT_THAT(other.err, HasSubstr("pending"));
  EXPECT_EQ(alos({"undo", "--yes"}).code, 0);
  EXPECT_EQ(write("32MiB", "ls").out, "");
  EXPECT_THAT(write("8MiB, disk-by: image", "true").err, HasSubstr("16MiB"));
}

TEST_P(Image, that_a_run_uses_is_not_mounted_a_second_time) {
  if (GetParam() == Mode::rootless) return;
  auto argv = world().run_arguments(
      world().policy("disk", std::string(kPolicy) + "limits: {wall: 60s, disk: " + kSize + "}\n"), {});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", "echo up; echo x > x; sleep 4"});
  const auto first = world().start(argv);
  ASSERT_TRUE(wait_for(first, "up\n"));
  const Outcome diff = alos({"diff"});
  EXPECT_EQ(diff.code, 3) << diff.out;
  EXPECT_THAT(diff.err, HasSubstr("goes on in it"));
  EXPECT_THAT(alos({"gc", "--dry-run"}).out, HasSubstr("in use"));
  EXPECT_FALSE(wait_for(first, "never said"));
  EXPECT_EQ(alos({"diff"}).code, 1);
}

TEST_P(Image, comes_back_after_the_run_was_killed) {
  if (GetParam() == Mode::rootless) return;
  auto argv = world().run_arguments(
      world().policy("disk", std::string(kPolicy) + "limits: {wall: 60s, disk: " + kSize + "}\n"), {});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c", "echo x > x; sync; echo up; sleep 30"});
  const auto run = world().start(argv);
  ASSERT_TRUE(wait_for(run, "up\n"));
  ::kill(run.pid, SIGKILL);
  int status = 0;
  ::waitpid(run.pid, &status, 0);
  // Until nothing of the box is left, the launcher holds it.
  Outcome diff = alos({"diff", "--stat"});
  for (int i = 0; i < 200 && diff.code == 3; ++i) {
    EXPECT_THAT(diff.err, HasSubstr("goes on in it"));
    ::usleep(50'000);
    diff = alos({"diff", "--stat"});
  }
  EXPECT_EQ(diff.code, 1) << diff.err;
  EXPECT_THAT(diff.out, HasSubstr("A  x"));
}

// Renames directories of the host's until one was ended in its middle, by killing all but init: its worker as well.
constexpr const char* kRenamesCutShort = R"(exec python3 -c '
import os
def gathered():
    try:
        return any(os.listdir(f"docs/{name}") for name in os.listdir("docs") if name.startswith(".rename-"))
    except FileNotFoundError:
        return False
for k in range(6):
    if os.fork() == 0:
        os.rename(f"old{k}", f"docs/new{k}")
        os._exit(0)
    while not gathered() and not os.path.exists(f"docs/new{k}"): pass
    os.kill(-1, 9)
    os.wait()
    if gathered():
        print("cut short")
        break
')";

class Renames : public InBothModes {};

TEST_P(Renames, that_are_cut_short_take_nothing_from_the_host) {
  constexpr int kFiles = 200;
  world().write("docs/readme", "x");
  for (int k = 0; k < 6; ++k)
    for (int i = 0; i < kFiles; ++i) world().write("old" + std::to_string(k) + "/" + std::to_string(i), "x");
  const Outcome run = world().shell("coding", kRenamesCutShort);
  ASSERT_EQ(run.out, "cut short\n") << "they were over before they could be ended" << run.err;
  EXPECT_THAT(world().call({"alos", "diff", "--stat"}).out, HasSubstr("[interrupted]"));
  EXPECT_EQ(world().call({"alos", "apply"}).code, 1);
  for (int k = 0; k < 6; ++k) {
    const std::string old_name = "old" + std::to_string(k), new_name = "docs/new" + std::to_string(k);
    int there = 0;
    for (int i = 0; i < kFiles; ++i)
      there += world().exists((world().exists(new_name) ? new_name : old_name) + "/" + std::to_string(i));
    EXPECT_EQ(there, kFiles) << old_name;
  }
  for (const auto& entry : std::filesystem::directory_iterator(world().workspace() + "/docs"))
    EXPECT_THAT(entry.path().filename().string(), Not(testing::StartsWith(".rename-")));
}

INSTANTIATE_TEST_SUITE_P(Around, Renames, testing::Values(Mode::root, Mode::rootless), NameOfMode());

class Private : public InBothModes {
 protected:
  mode_t mode_of(const std::string& path) {
    struct stat st{};
    EXPECT_EQ(::stat((world().workspace() + "/" + path).c_str(), &st), 0);
    return st.st_mode & 07777;
  }
};

TEST_P(Private, a_directory_is_opened_by_a_word_more_than_its_name) {
  world().write("private/old", "x");
  ASSERT_EQ(::chmod((world().workspace() + "/private").c_str(), 0700), 0);
  ASSERT_EQ(world().shell("coding", "echo y > private/new; chmod 755 private").code, 0);
  const Outcome named = world().call({"alos", "apply", "private/"});
  EXPECT_EQ(named.code, 1) << named.out;
  EXPECT_THAT(named.out, HasSubstr("its mode only with --open"));
  EXPECT_EQ(world().read("private/new"), "y\n");
  EXPECT_EQ(mode_of("private"), 0700u);
  EXPECT_EQ(world().call({"alos", "apply", "--open"}).code, 2) << "of what?";
  EXPECT_EQ(world().call({"alos", "apply", "--open", "private"}).code, 0);
  EXPECT_EQ(mode_of("private"), 0755u);
}

INSTANTIATE_TEST_SUITE_P(Around, Private, testing::Values(Mode::root, Mode::rootless), NameOfMode());

class Gc : public InBothModes {};

TEST_P(Gc, takes_no_age_for_another) {
  ASSERT_EQ(world().shell("coding", "echo x > x").code, 0);
  for (const char* age : {"1000000d", "106752d", "99999999999999999999h"})
    EXPECT_THAT(world().call({"alos", "gc", "--yes", "--older-than", age}).out, HasSubstr("removed 0 of 1")) << age;
  for (const char* none : {"d", "30"})
    EXPECT_THAT(world().call({"alos", "gc", "--yes", "--older-than", none}).err, HasSubstr("as in 30d or 12h")) << none;
  EXPECT_THAT(world().call({"alos", "diff", "--stat"}).out, HasSubstr("A  x"));
}

INSTANTIATE_TEST_SUITE_P(Around, Gc, testing::Values(Mode::root, Mode::rootless), NameOfMode());

// An agent that takes its owner's rights from what the owner has to open.
class Closed : public InBothModes {
 protected:
  std::string policy(const std::string& mode) {
    return world().policy("closed",
                          "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\nworkspace: " + mode +
                              "\nfiles: {tree: {allow: rwx, path: $workspace/**}}\nlimits: {wall: 300s}\n"
                              "home: {keep: mine}\n");
  }
  Outcome alos(std::vector<std::string> words) {
    words.insert(words.begin(), "alos");
    return world().call(std::move(words));
  }
};

TEST_P(Closed, a_workspace_can_be_run_in_shown_applied_and_undone) {
  for (const char* mode : {"layer", "copy"}) {
    world().write("lower/file", "host\n");
    ASSERT_EQ(world().shell(policy(mode), "echo x > new; chmod 000 lower .").code, 0);
    EXPECT_THAT(alos({"diff", "--stat"}).out, HasSubstr("A  new")) << mode;
    EXPECT_EQ(alos({"gc"}).code, 0);
    const Outcome again = world().shell(policy(mode), "chmod 755 \"$PWD\" && echo again > more && ls && chmod 000 .");
    EXPECT_EQ(again.out, "lower\nmore\nnew\n") << mode << again.err;
    EXPECT_EQ(alos({"apply", "new"}).code, 0);
    EXPECT_EQ(world().read("new"), "x\n");
    EXPECT_EQ(alos({"undo", "--yes"}).code, 0);
    EXPECT_EQ(alos({"diff"}).code, 0);
    const Outcome after = world().shell(policy(mode), "stat -c %a . lower");
    EXPECT_EQ(after.out, "755\n755\n") << mode << after.err;
    EXPECT_EQ(alos({"undo", "--yes"}).code, 0);
    std::filesystem::remove(world().workspace() + "/new");
  }
}

TEST_P(Closed, fresh_gets_out_of_it) {
  ASSERT_EQ(world().shell(policy("layer"), "echo x > new; chmod 000 .").code, 0);
  const Outcome fresh = world().shell(policy("layer"), "ls | wc -l", {}, {"--fresh"});
  EXPECT_EQ(fresh.out, "0\n") << fresh.err;
}

TEST_P(Closed, a_home_that_lasts_is_used_again) {
  ASSERT_EQ(world().shell(policy("layer"), "echo x > ~/kept; chmod 000 ~").code, 0);
  const Outcome again = world().shell(policy("layer"), "chmod 700 ~ && cat ~/kept");
  EXPECT_EQ(again.out, "x\n") << again.err;
}

// What was applied is the host's, and then it is the host's owner who has to give the rights back.
TEST_P(Closed, a_workspace_of_the_host_says_what_to_do) {
  if (GetParam() == Mode::root) return;
  ASSERT_EQ(::chmod(world().workspace().c_str(), 0), 0);
  const Outcome run = world().shell(policy("layer"), "true", {.cwd = "/"}, {"--workspace", world().workspace()});
  ::chmod(world().workspace().c_str(), 0755);
  EXPECT_EQ(run.code, 125);
  EXPECT_THAT(run.err, HasSubstr("chmod u+rx"));
}

// Masks are made of what matches at launch, and an agent makes what it likes.
TEST_P(Closed, more_names_than_can_be_masked_are_said_and_can_be_dropped) {
  const std::string secrets =
      world().policy("secrets",
                     "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\nworkspace: layer\n"
                     "files:\n  tree: {allow: rwx, path: $workspace/**}\n"
                     "  secrets: {deny: rwx, path: $workspace/**/*.key}\nlimits: {wall: 60s}\n");
  ASSERT_EQ(world().shell(secrets, "mkdir d; touch d/{0..10000}.key; echo kept > plain").code, 0);
  const Outcome again = world().shell(secrets, "true");
  EXPECT_EQ(again.code, 125);
  EXPECT_THAT(again.err, HasSubstr("more than 10000 paths match the policy's denies"));
  EXPECT_THAT(again.err, HasSubstr("`alos diff` shows them and `alos undo` drops them"));
  EXPECT_EQ(alos({"diff", "--stat"}).code, 1);
  EXPECT_EQ(alos({"undo", "--yes", "d"}).code, 0);
  const Outcome after = world().shell(secrets, "cat plain");
  EXPECT_EQ(after.out, "kept\n") << after.err;
}

// Half a minute of looking at names that are 60 KB long.
class LongClosed : public Closed {};

TEST_P(LongClosed, more_paths_than_can_be_shown_can_be_dropped) {
  ASSERT_EQ(world()
                .shell(policy("layer"),
                       "n=$(printf 'd%.0s' {1..60}); for i in {1..990}; do mkdir $n && cd $n 2>/dev/null; done; "
                       "touch {1000..5600}",
                       {.timeout = std::chrono::seconds(280)})
                .code,
            0);
  const Outcome shown = alos({"diff", "--stat"});
  EXPECT_EQ(shown.code, 3);
  EXPECT_THAT(shown.err, HasSubstr("`alos undo` drops them"));
  EXPECT_EQ(alos({"undo", "--dry-run"}).code, 1);
  const Outcome dropped = alos({"undo", "--yes"});
  EXPECT_EQ(dropped.code, 0) << dropped.err;
  EXPECT_EQ(alos({"diff"}).code, 0);
}

INSTANTIATE_TEST_SUITE_P(Around, Closed, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(LongAround, LongClosed, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Around, Image, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Around, Disk, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Threats19And20, OtherNames, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
