// Renames of directories that were ended in their middle, as init leaves them in a layer.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

class Interrupted : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, Interrupted, testing::Values(Kernel::user_overlay, Kernel::root_overlay), kernel_name);

void make_old(World& world) {
  for (const char* dir : {"old", "old/sub", "docs"}) ::mkdir(world.host(dir).c_str(), 0755);
  for (const char* file : {"old/a.txt", "old/left.txt", "old/sub/b.txt", "docs/c.txt", "docs/own.txt"})
    write(world.host(file), file);
}

// shim/init/rename.cc on the way from old to docs/new.
void rename_by_half() {
  ::mkdir("docs/.rename-7-0", 0700), ::mkdir("docs/.rename-7-0/sub", 0700);
  ::rename("old/a.txt", "docs/.rename-7-0/a.txt");
  ::rename("old/sub/b.txt", "docs/.rename-7-0/sub/b.txt");
  ::rmdir("old/sub");
}

constexpr const char* kLeft[] = {"docs/.rename-7-0", "docs/.rename-7-0/a.txt", "docs/.rename-7-0/sub",
                                 "docs/.rename-7-0/sub/b.txt"};
constexpr const char* kTaken[] = {"old/a.txt", "old/sub", "old/sub/b.txt"};

TEST_P(Interrupted, an_interrupted_rename_takes_nothing_from_the_host) {
  run([](World& world) {
    make_old(world);
    world.agent([] { rename_by_half(), ::unlink("docs/c.txt"), write("docs/own.txt", "agent"); });
    const ApplyReport report = world.apply();
    for (const char* path : kLeft) {
      EXPECT_THAT(outcome(report, path), HasSubstr("held: a rename of a directory was ended")) << path;
      EXPECT_FALSE(exists(world.host(path))) << path;
    }
    for (const char* path : kTaken) {
      EXPECT_THAT(outcome(report, path), HasSubstr("it is docs/.rename-7-0/")) << path;
      EXPECT_TRUE(exists(world.host(path))) << path;
    }
    for (const char* path : {"docs/c.txt", "docs/own.txt"}) EXPECT_EQ(outcome(report, path), "applied") << path;
    world.apply({"old", "docs"});
    EXPECT_EQ(read(world.host("old/a.txt")), "old/a.txt") << "nor when what is around it is named";
  });
}

TEST_P(Interrupted, it_comes_when_its_directory_is_named_and_takes_when_what_it_took_is) {
  run([](World& world) {
    make_old(world);
    world.agent(rename_by_half);
    world.apply({"docs/.rename-7-0"});
    for (const char* path : kLeft) EXPECT_TRUE(exists(world.host(path))) << path;
    for (const char* path : kTaken) EXPECT_TRUE(exists(world.host(path))) << path;
    world.apply({"old/a.txt", "old/sub", "old/sub/b.txt"});
    for (const char* path : kTaken) EXPECT_FALSE(exists(world.host(path))) << path;
    EXPECT_TRUE(world.changes().empty());
  });
}

TEST_P(Interrupted, it_is_undone_by_undoing_both) {
  run([](World& world) {
    make_old(world);
    const Snapshot before = world.host_tree();
    world.agent(rename_by_half);
    world.undo({"old", "docs/.rename-7-0"});
    EXPECT_TRUE(world.changes().empty());
    EXPECT_EQ(world.agent_sees([] {}), before);
  });
}

TEST_P(Interrupted, names_that_are_not_inits_are_anybodys) {
  run([](World& world) {
    make_old(world);
    world.agent([] {
      for (const char* dir : {".rename-", ".rename-7", ".rename-7-", ".rename-7-0x", "x.rename-7-0"})
        ::mkdir(dir, 0755), write(std::string(dir) + "/a.txt", "x");
      ::unlink("old/a.txt");
    });
    const ApplyReport report = world.apply();
    EXPECT_EQ(report.count(Outcome::applied), report.lines.size());
  });
}

}  // namespace
}  // namespace alos::workspace
