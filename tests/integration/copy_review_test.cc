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

INSTANTIATE_TEST_SUITE_P(Copy, Exchanged, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
