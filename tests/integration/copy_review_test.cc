// What a hostile reading of copies and of `alos apply` found: secrets that a copy gave out under another name, and a
// workspace that somebody exchanged for another directory.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kLayer =
    "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\n"
    "workspace: layer\nfiles: {tree: {allow: rwx, path: $workspace/**}}\n";

class Exchanged : public InBothModes {
 protected:
  // A directory of the test's user.
  void make(const std::string& path) { ASSERT_EQ(world().call({"mkdir", "-p", path}, {.cwd = "/"}).code, 0); }
  Outcome alos(const std::string& command, const std::string& workspace) {
    return world().call({"alos", command, "--yes", "--workspace", workspace}, {.cwd = "/"});
  }
  Outcome apply(const std::string& workspace) {
    return world().call({"alos", "apply", "--workspace", workspace}, {.cwd = "/"});
  }
};

TEST_P(Exchanged, nothing_is_applied_to_another_directory_at_the_workspaces_path) {
  const std::string policy = world().policy("tree", kLayer), workspace = world().workspace();
  ASSERT_EQ(world().shell(policy, "echo agent > made").code, 0);
  fs::rename(workspace, workspace + ".away");
  make(workspace);

  const Outcome applied = apply(workspace);
  EXPECT_EQ(applied.code, 3) << applied.out;
  EXPECT_THAT(applied.err, HasSubstr(workspace));
  EXPECT_THAT(applied.err, HasSubstr("alos gc"));
  EXPECT_FALSE(world().exists("made"));
  EXPECT_EQ(world().call({"alos", "diff"}).code, 3);
  EXPECT_EQ(alos("undo", workspace).code, 3);
  EXPECT_NE(world().shell(policy, "true").code, 0) << "changes of another directory would show in this one";
  EXPECT_THAT(world().call({"alos", "gc", "--dry-run"}).out, HasSubstr("orphan"));

  fs::remove(workspace);
  fs::rename(workspace + ".away", workspace);
  EXPECT_EQ(apply(workspace).code, 0);
  EXPECT_EQ(world().read("made"), "agent\n");
}

TEST_P(Exchanged, a_new_directory_at_the_path_begins_a_new_layer_when_nothing_was_pending) {
  const std::string policy = world().policy("tree", kLayer), workspace = world().workspace();
  ASSERT_EQ(world().shell(policy, "true").code, 0);
  fs::rename(workspace, workspace + ".away");
  make(workspace);
  ASSERT_EQ(world().shell(policy, "echo agent > made").code, 0);
  EXPECT_EQ(apply(workspace).code, 0);
  EXPECT_EQ(world().read("made"), "agent\n");
}

// Whoever owns a directory above the workspace can exchange it at any moment, also after the path was resolved.
TEST_P(Exchanged, a_parent_that_becomes_a_link_while_apply_runs_leads_it_nowhere) {
  const std::string parent = world().root() + "/parent", link = world().root() + "/link";
  const std::string elsewhere = world().root() + "/elsewhere";
  make(parent + "/tree");
  make(elsewhere + "/tree");
  const std::string policy = world().policy("tree", kLayer);
  fs::create_symlink(elsewhere, link);
  for (int round = 0; round < 12; ++round) {
    ASSERT_EQ(world().shell(policy, "echo " + std::to_string(round) + " > made", {.cwd = parent + "/tree"}).code, 0);
    std::atomic<bool> done = false;
    std::thread exchange([&] {
      while (!done) ::renameat2(AT_FDCWD, parent.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
    });
    apply(parent + "/tree");
    done = true;
    exchange.join();
    if (fs::is_symlink(parent)) ::renameat2(AT_FDCWD, parent.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
    ASSERT_TRUE(fs::is_empty(elsewhere + "/tree")) << "in round " << round;
  }
}

constexpr const char* kCopy =
    "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\nworkspace: copy\nfiles:\n"
    "  sources: {allow: rwx, path: $workspace/**}\n"
    "  secrets: {deny: rwx, path: [$workspace/**/.env*, $workspace/config/prod/token, $workspace/vault], reason: x}\n";

class Secrets : public InBothModes {
 protected:
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    const Outcome made =
        world().call({"/bin/sh", "-c",
                      "set -e; mkdir -p data config/prod vault; echo SECRET > .env; ln .env data/readme.txt\n"
                      "echo SECRET > config/prod/token; ln config/prod/token data/tok2\n"
                      "echo SECRET > vault/key; ln vault/key data/key; echo plain > data/plain"});
    ASSERT_EQ(made.code, 0) << made.err;
    policy_ = world().policy("copied", kCopy);
  }
  Outcome alos(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "alos");
    return world().call(std::move(arguments));
  }
  std::string policy_;
};

TEST_P(Secrets, a_copy_holds_no_content_of_what_may_not_be_read_under_any_name) {
  const Outcome run =
      world().shell(policy_, "chmod 700 data/*; cat data/readme.txt data/tok2 data/key .env vault/key; cat data/plain");
  EXPECT_EQ(run.out, "plain\n") << run.err;
  const Outcome found = world().call({"grep", "-rl", "SECRET", world().state()});
  EXPECT_EQ(found.out, "") << "in the copy itself";
}

TEST_P(Secrets, a_later_run_finds_none_in_a_directory_that_an_earlier_one_renamed) {
  const Outcome first = world().shell(policy_, "echo more > data/plain; mv config conf2");
  EXPECT_NE(first.code, 0) << "its place is held, for the next run's masks";
  const Outcome run = world().shell(policy_, "cat conf2/prod/token config/prod/token");
  EXPECT_EQ(run.out, "");
}

TEST_P(Secrets, a_copy_needs_none_of_them_to_exist) {
  for (const char* path : {"config", "vault", "data", ".env"}) fs::remove_all(world().workspace() + "/" + path);
  EXPECT_EQ(world().shell(policy_, "echo mine > made").code, 0);
}

TEST_P(Secrets, the_hosts_are_neither_changed_nor_listed) {
  ASSERT_EQ(world().shell(policy_, "echo mine > made").code, 0);
  const Outcome diff = alos({"diff", "--stat"});
  EXPECT_THAT(diff.out, HasSubstr("made"));
  for (const char* path : {".env", "readme", "tok", "vault", "key"}) EXPECT_THAT(diff.out, Not(HasSubstr(path)));
  EXPECT_EQ(alos({"apply"}).code, 0);
  EXPECT_EQ(world().read("made"), "mine\n");
  for (const char* path : {".env", "data/readme.txt", "config/prod/token", "data/tok2", "vault/key", "data/key"})
    EXPECT_EQ(world().read(path), "SECRET\n") << path;
  EXPECT_THAT(alos({"diff", "--stat"}).out, HasSubstr("no changes"));
}

TEST_P(Secrets, what_the_agent_puts_in_their_place_never_leaves_the_copy) {
  ASSERT_EQ(world().shell(policy_, "rm -f data/tok2; mv data/key moved; echo mine > new; mv new data/readme.txt").code,
            0);
  alos({"apply", ".", "data/tok2", "data/readme.txt", "data/key", "moved"});
  for (const char* path : {"data/readme.txt", "data/tok2", "data/key", ".env", "vault/key"})
    EXPECT_EQ(world().read(path), "SECRET\n") << path;
  EXPECT_FALSE(world().exists("moved"));
}

TEST_P(Secrets, undo_brings_none_into_the_copy) {
  ASSERT_EQ(world().shell(policy_, "rm -f data/tok2 data/plain; echo mine > made").code, 0);
  const Outcome undone = alos({"undo", "--yes", "data/tok2", "data/plain"});
  EXPECT_EQ(undone.code, 0) << undone.err;
  const Outcome diff = alos({"diff", "--stat"});
  EXPECT_THAT(diff.out, Not(HasSubstr("tok2")));
  EXPECT_EQ(world().shell(policy_, "chmod 700 data/tok2; cat data/tok2; cat data/plain").out, "plain\n");
}

INSTANTIATE_TEST_SUITE_P(Copy, Secrets, testing::Values(Mode::root, Mode::rootless), NameOfMode());
INSTANTIATE_TEST_SUITE_P(Copy, Exchanged, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
