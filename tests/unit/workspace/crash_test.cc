#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "supervisor/workspace/undo.h"
#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

namespace fs = std::filesystem;

class Crash : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, Crash, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

void make_host(World& world) {
  for (const char* dir : {"src", "src/deep", "gone", "gone/sub", "becomes-file"})
    ::mkdir(world.host(dir).c_str(), 0755);
  for (const char* file :
       {"a", "b", "src/one", "src/deep/two", "gone/x", "gone/sub/y", "becomes-file/z", "becomes-dir"})
    write(world.host(file), std::string("host ") + file);
  make_link("a", world.host("link"));
  make_link("a", world.host("linked-link"));
  // Several names of one file: what takes one of them away gives the others a new ctime.
  for (const auto& [from, to] : {std::pair{"a", "a-too"}, {"gone/x", "x-too"}, {"linked-link", "linked-link-too"}})
    ASSERT_EQ(::linkat(AT_FDCWD, world.host(from).c_str(), AT_FDCWD, world.host(to).c_str(), 0), 0);
}

void work() {
  write("a", "agent a");
  ::chmod("b", 0600);
  ::mkdir("new", 0750), write("new/file", "agent new");
  ::mkdir("empty", 0750);
  pause_a_tick();  // what an apply makes is later than the stamp
  for (const char* file : {"gone/x", "gone/sub/y", "becomes-file/z", "becomes-dir", "link", "x-too", "linked-link"})
    ::unlink(file);
  ::unlink("linked-link-too"), make_link("b", "linked-link-too");
  write("a-too", "agent a-too");
  for (const char* dir : {"gone/sub", "gone", "becomes-file"}) ::rmdir(dir);
  write("becomes-file", "agent file");
  ::mkdir("becomes-dir", 0755), write("becomes-dir/in", "agent in");
  make_link("b", "link");
  if (::rename("src", "moved") == 0) write("moved/deep/two", "agent two");
}

// Ends the child at its `n`-th step. True when it came to its end before that.
bool ends_at(int n, const std::function<void(const Step&)>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    int left = n;
    act([&](std::string_view) {
      if (--left == 0) ::_exit(7);
    });
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7)) << status;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void expect_old_or_new(const Snapshot& now, const Snapshot& before, const Snapshot& after) {
  const auto at = [](const Snapshot& tree, const std::string& path) {
    const auto found = tree.find(path);
    return found == tree.end() ? Seen{} : found->second;
  };
  Snapshot all = before;
  all.insert(after.begin(), after.end());
  all.insert(now.begin(), now.end());
  for (const auto& [path, ignored] : all) {
    const Seen seen = at(now, path);
    const Seen old_one = at(before, path), new_one = at(after, path);
    // A new directory gets its mode when all is in it.
    const bool directory = seen.type == 'd' && (old_one.type == 'd' || new_one.type == 'd');
    EXPECT_TRUE(seen == old_one || seen == new_one || directory) << path << ": " << seen;
  }
}

TEST_P(Crash, an_apply_that_ends_at_any_step_leaves_each_path_old_or_new_and_can_be_run_again) {
  run([](World& first) {
    const std::string above = first.workspace().substr(0, first.workspace().rfind('/'));
    const Form form = GetParam() == Kernel::user_overlay ? Form::user : Form::trusted;
    const Mode mode = GetParam() == Kernel::plain_copy ? Mode::copy : Mode::layer;
    bool finished = false;
    int n = 1;
    for (; !finished && !HasFailure(); ++n) {
      SCOPED_TRACE("step " + std::to_string(n));
      const std::string root = above + "/" + std::to_string(n);
      ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
      World world(root, form, mode);
      make_host(world);
      const Snapshot before = world.host_tree();
      const Snapshot after = world.agent_sees(work);
      finished = ends_at(n, [&](const Step& step) { world.apply({}, {}, step); });
      for (const auto& [path, change] : world.changes())
        EXPECT_EQ(path.find(".alos-"), path.npos) << path << " is a killed apply's, not the agent's";
      for (const auto& [path, seen] : world.host_tree())
        EXPECT_EQ(path.find(".alos-"), path.npos) << "a look ends what a killed apply left: " << path;
      expect_old_or_new(world.host_tree(), before, after);
      EXPECT_EQ(world.agent_sees([] {}), after) << "what the agent sees changed";
      const ApplyReport report = world.apply();
      for (const Line& line : report.lines)
        EXPECT_EQ(line.outcome, Outcome::applied) << line.change.path << ": " << line.reason;
      EXPECT_FALSE(report.pending);
      EXPECT_EQ(world.host_tree(), after);
    }
    EXPECT_GT(n, 30) << "there were too few steps to end at";
  });
}

TEST_P(Crash, an_undo_that_ends_at_any_step_can_be_run_again_and_never_touches_the_host) {
  run([](World& first) {
    const std::string above = first.workspace().substr(0, first.workspace().rfind('/'));
    const Form form = GetParam() == Kernel::user_overlay ? Form::user : Form::trusted;
    const Mode mode = GetParam() == Kernel::plain_copy ? Mode::copy : Mode::layer;
    bool finished = false;
    for (int n = 1; !finished && !HasFailure(); ++n) {
      SCOPED_TRACE("step " + std::to_string(n));
      const std::string root = above + "/" + std::to_string(n);
      ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
      World world(root, form, mode);
      make_host(world);
      const Snapshot before = world.host_tree();
      world.agent(work);
      const auto drop = [&](const Step& step) {
        Layer layer = world.open(Access::change);
        const auto done = undo(layer, {"gone/sub/y", "a", "new"}, {}, step);
        if (!done) ADD_FAILURE() << done.error().text();
      };
      finished = ends_at(n, drop);
      drop({});
      const Snapshot merged = world.agent_sees([] {});
      EXPECT_EQ(merged.at("gone/sub/y").content, "host gone/sub/y");
      EXPECT_EQ(merged.at("a").content, "host a");
      EXPECT_FALSE(merged.contains("new"));
      EXPECT_FALSE(merged.contains("gone/x"));
      EXPECT_EQ(merged.at("becomes-dir/in").content, "agent in");
      EXPECT_EQ(world.host_tree(), before);
      world.undo();
      EXPECT_EQ(world.agent_sees([] {}), before);
    }
  });
}

}  // namespace
}  // namespace alos::workspace
