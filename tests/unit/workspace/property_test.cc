#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "base/digest.h"
#include "supervisor/workspace/tree.h"
#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

#ifdef ALOS_LONG
constexpr unsigned kSequences = 1700;
#else
constexpr unsigned kSequences = 70 / ALOS_PART;
#endif

class Property : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, Property, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

// Random work on the tree below the working directory; few names, so that operations meet each other.
class Agent {
 public:
  explicit Agent(unsigned seed) : random_(seed) {}

  void work(int operations) {
    for (int i = 0; i < operations; ++i) one();
  }
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

 private:
  std::string path() {
    constexpr const char* kNames[] = {"a", "b", "c", "Makefile"};
    std::string out = kNames[pick(4)];
    while (pick(2) == 0) out.append("/").append(kNames[pick(4)]);
    return out;
  }

  void put(const std::string& at, int flags) {
    const int fd = ::open(at.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0644);
    if (fd < 0) return;
    const std::string text = "text " + std::to_string(pick(3)) + "\n";
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(fd);
  }

  void one() {
    constexpr mode_t kModes[] = {0644, 0600, 0755, 0711, 0400};
    const std::string at = path(), to = path();
    switch (pick(12)) {
      case 0:
      case 1:
        return put(at, O_TRUNC);
      case 2:
        return put(at, O_APPEND);
      case 3:
        return ignore(::truncate(at.c_str(), pick(4)));
      case 4:
      case 5:
        return ignore(::mkdir(at.c_str(), 0755));
      case 6:
      case 7:
        return ignore(::rename(at.c_str(), to.c_str()));
      case 8:
        return ignore(::unlink(at.c_str()));
      case 9:
        return ignore(remove_tree(AT_FDCWD, at).has_value());
      case 10:
        return ignore(pick(2) ? ::symlink(to.c_str(), at.c_str()) : ::link(at.c_str(), to.c_str()));
      default:
        return ignore(::fchmodat(AT_FDCWD, at.c_str(), kModes[pick(5)] | 0700, 0));
    }
  }
  static void ignore(int) {}

  std::mt19937 random_;
};

Snapshot below(const Snapshot& tree, const std::string& path) {
  Snapshot out;
  for (const auto& [at, seen] : tree)
    if (is_below(at, path)) out.emplace(at, seen);
  return out;
}

Snapshot without(Snapshot tree, const std::string& path) {
  std::erase_if(tree, [&](const auto& entry) { return is_below(entry.first, path); });
  return tree;
}

void one_sequence(const std::string& root, Form form, Mode mode, unsigned seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
  World world(root, form, mode);
  Agent agent(seed);
  ASSERT_EQ(::chdir(world.workspace().c_str()), 0);
  agent.work(25);
  ASSERT_EQ(::chdir("/"), 0);
  const Snapshot before = world.host_tree();
  Snapshot merged = world.agent_sees([&] { agent.work(25); });
  ASSERT_EQ(world.host_tree(), before) << "the agent reached the host";

  // Part of it goes to the host: what the agent sees stays what it was.
  std::vector<std::string> some;
  for (const auto& [path, change] : world.changes())
    if (agent.pick(3) == 0) some.push_back(path);
  if (!some.empty()) world.apply(some);
  ASSERT_EQ(world.agent_sees([] {}), merged) << "after a partial apply";

  // A path is dropped: it is the host's again, and nothing else changes.
  const auto pending = world.changes();
  if (!pending.empty()) {
    auto chosen = pending.begin();
    std::advance(chosen, agent.pick(static_cast<unsigned>(pending.size())));
    const std::string path = chosen->first;
    const std::string parent(parent_of(path));
    const bool reachable = parent.empty() || (merged.contains(parent) && merged.at(parent).type == 'd');
    if (reachable) {
      world.undo({path});
      const Snapshot now = world.agent_sees([] {});
      ASSERT_EQ(below(now, path), below(world.host_tree(), path)) << "undone " << path;
      ASSERT_EQ(without(now, path), without(merged, path)) << "undone " << path;
    }
  }

  merged = world.agent_sees([&] { agent.work(15); });
  const ApplyReport report = world.apply_all();
  for (const Line& line : report.lines)
    EXPECT_EQ(line.outcome, Outcome::applied) << line.change.path << ": " << line.reason;
  ASSERT_EQ(world.host_tree(), merged) << "after the last apply";
  EXPECT_TRUE(world.changes().empty());
}

TEST_P(Property, after_any_work_the_host_is_untouched_until_apply_and_equals_what_the_agent_saw_after) {
  const Form form = GetParam() == Kernel::user_overlay ? Form::user : Form::trusted;
  const Mode mode = GetParam() == Kernel::plain_copy ? Mode::copy : Mode::layer;
  run([&](World& world) {
    const std::string above = world.workspace().substr(0, world.workspace().rfind('/'));
    for (unsigned seed = 1; seed <= kSequences && !HasFailure(); ++seed) {
      one_sequence(above + "/sequence", form, mode, seed);
      const int dir = ::open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      ASSERT_TRUE(remove_tree(dir, "sequence").has_value());
      ::close(dir);
    }
  });
}

}  // namespace
}  // namespace alos::workspace
