// The host's side changed, or is another's: what is there is not what the agent saw, or not for its owner to change.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

class ApplyHost : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, ApplyHost, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

TEST_P(ApplyHost, a_host_file_changed_meanwhile_is_a_conflict_and_the_rest_goes_on) {
  run([](World& world) {
    make_tree(world);
    world.agent([] {
      write("a.txt", "agent\n");
      ::unlink("src/b.txt");
      write("new", "agent\n");
      write("fine", "x");
    });
    pause_a_tick();
    write(world.host("a.txt"), "person\n");
    write(world.host("src/b.txt"), "person\n");
    write(world.host("new"), "person\n");
    const ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, "a.txt"), HasSubstr("conflict"));
    EXPECT_THAT(outcome(report, "src/b.txt"), HasSubstr("conflict"));
    EXPECT_THAT(outcome(report, "new"), HasSubstr("conflict"));
    EXPECT_EQ(outcome(report, "fine"), "applied");
    for (const char* path : {"a.txt", "src/b.txt", "new"}) EXPECT_EQ(read(world.host(path)), "person\n");
    EXPECT_TRUE(report.pending);
    EXPECT_EQ(world.apply().count(Outcome::conflict), 3u) << "a conflict must not be forgotten by an apply";
  });
}

TEST_P(ApplyHost, a_file_that_the_host_added_below_a_deleted_directory_keeps_it) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { ::unlink("src/deep/c.txt"), ::rmdir("src/deep"); });
    pause_a_tick();
    write(world.host("src/deep/mine"), "person\n");
    const ApplyReport report = world.apply();
    EXPECT_EQ(read(world.host("src/deep/mine")), "person\n");
    EXPECT_THAT(outcome(report, "src/deep"), testing::AnyOf(HasSubstr("held"), HasSubstr("conflict")));
  });
}

TEST_P(ApplyHost, a_file_that_the_host_removed_is_not_brought_back) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { write("a.txt", "agent\n"); });
    pause_a_tick();
    ::unlink(world.host("a.txt").c_str());
    const ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, "a.txt"), HasSubstr("conflict"));
  });
}

TEST_P(ApplyHost, what_was_applied_is_no_conflict_when_the_agent_goes_on_with_it) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { write("a.txt", "1"), write("stays", "1"), write("Makefile", "all:"); });
    pause_a_tick();
    EXPECT_TRUE(world.apply().pending);
    pause_a_tick();
    world.agent([] { write("a.txt", "2"), write("stays", "2"); });
    const ApplyReport report = world.apply();
    EXPECT_EQ(outcome(report, "a.txt"), "applied");
    EXPECT_EQ(outcome(report, "stays"), "applied");
    EXPECT_EQ(read(world.host("a.txt")), "2");
  });
}

TEST_P(ApplyHost, a_host_directory_replaced_by_a_link_is_never_written_through) {
  run([](World& world) {
    make_tree(world);
    ::mkdir(world.host("../outside").c_str(), 0755);
    write(world.host("../outside/b.txt"), "outside\n");
    world.agent([] { write("src/b.txt", "agent\n"), write("src/new", "agent\n"); });
    ::rename(world.host("src").c_str(), world.host("src.old").c_str());
    make_link("../outside", world.host("src").c_str());
    const ApplyReport report = world.apply();
    EXPECT_EQ(report.count(Outcome::applied), 0u);
    EXPECT_EQ(snapshot(world.host("../outside")).size(), 1u);
    EXPECT_EQ(read(world.host("../outside/b.txt")), "outside\n");
  });
}

TEST_P(ApplyHost, a_file_of_the_layers_owner_becomes_the_directorys) {
  if (GetParam() == Kernel::user_overlay) return;  // an ordinary user owns all of it
  run([](World& world) {
    world.owner = {100123, 100123};
    ASSERT_EQ(::chown(world.workspace().c_str(), 4711, 4712), 0);
    ASSERT_EQ(::chmod(world.workspace().c_str(), 0777), 0);
    world.agent([] {
      ::mkdir("dir", 0755), write("dir/new", "x");
      ASSERT_EQ(::chown("dir", 100123, 100123) | ::chown("dir/new", 100123, 100123), 0);
    });
    world.apply();
    for (const char* path : {"dir", "dir/new"}) {
      struct stat st{};
      ASSERT_EQ(::stat(world.host(path).c_str(), &st), 0);
      EXPECT_EQ(st.st_uid, 4711u) << path;
    }
  });
}

TEST_P(ApplyHost, a_host_directory_moved_to_where_the_agent_made_one_is_a_conflict) {
  run([](World& world) {
    make_tree(world);
    ::mkdir(world.host("other").c_str(), 0700);
    write(world.host("other/kept"), "person\n");
    world.agent([] {
      ::mkdir("n1", 0755), write("n1/file", "agent\n");
      ::mkdir("n1/below", 0755), write("n1/below/file", "agent\n");
      write("a.txt", "agent\n");
    });
    pause_a_tick();
    ASSERT_EQ(::rename(world.host("other").c_str(), world.host("n1").c_str()), 0);
    for (int again = 0; again < 2; ++again) {  // also after what could go has gone
      const ApplyReport report = world.apply();
      EXPECT_THAT(outcome(report, "n1"), HasSubstr("conflict"));
      EXPECT_THAT(outcome(report, "n1/file"), HasSubstr("conflict"));
      EXPECT_THAT(outcome(report, "n1/below/file"), HasSubstr("conflict"));
    }
    EXPECT_EQ(read(world.host("a.txt")), "agent\n");
    EXPECT_EQ(world.host_tree().at("n1").mode, 0700u);
    EXPECT_EQ(read(world.host("n1/kept")), "person\n");
    EXPECT_FALSE(exists(world.host("n1/file")));
  });
}

TEST_P(ApplyHost, a_host_directory_moved_to_where_the_agent_renamed_one_to_is_a_conflict) {
  run([](World& world) {
    make_tree(world);
    ::mkdir(world.host("other").c_str(), 0700);
    world.agent([] {
      write("a.txt", "agent\n");
      if (::rename("src", "moved") == 0) return;
      ::mkdir("moved", 0755), write("moved/b.txt", "two\n");  // as a program does that gets EXDEV
    });
    pause_a_tick();
    ASSERT_EQ(::rename(world.host("other").c_str(), world.host("moved").c_str()), 0);
    EXPECT_EQ(outcome(world.apply({"a.txt"}), "a.txt"), "applied");
    world.apply();
    EXPECT_EQ(world.host_tree().at("moved").mode, 0700u);
    EXPECT_FALSE(exists(world.host("moved/b.txt")));
    if (GetParam() == Kernel::plain_copy) return;  // knows no renames: what is deleted there goes
    EXPECT_EQ(read(world.host("src/b.txt")), "two\n");
  });
}

TEST_P(ApplyHost, what_the_host_moved_to_where_the_agent_deleted_is_not_deleted) {
  run([](World& world) {
    make_tree(world);
    ::mkdir(world.host("other").c_str(), 0755);
    write(world.host("other/b.txt"), "person\n");
    world.agent([] { ::unlink("src/deep/c.txt"), ::rmdir("src/deep"), ::unlink("src/b.txt"), ::rmdir("src"); });
    pause_a_tick();
    ASSERT_EQ(::rename(world.host("src").c_str(), world.host("away").c_str()), 0);
    ASSERT_EQ(::rename(world.host("other").c_str(), world.host("src").c_str()), 0);
    world.apply();
    EXPECT_EQ(read(world.host("src/b.txt")), "person\n");
  });
}

TEST_P(ApplyHost, a_directory_that_was_applied_is_the_hosts_from_then_on) {
  run([](World& world) {
    world.agent([] { ::mkdir("dir", 0755), write("dir/a", "1"), write("dir/Makefile", "all:"); });
    EXPECT_EQ(outcome(world.apply(), "dir"), "applied");
    pause_a_tick();
    write(world.host("dir/of-the-host"), "x");
    EXPECT_EQ(outcome(world.apply({"dir/Makefile"}), "dir/Makefile"), "applied");
  });
}

TEST_P(ApplyHost, a_directory_that_was_undone_is_the_hosts_from_then_on) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { write("src/b.txt", "agent\n"), write("a.txt", "agent\n"); });
    pause_a_tick();
    write(world.host("src/mine"), "person\n");
    write(world.host("src/deep/mine"), "person\n");
    world.undo({"src"});
    world.agent([] { write("src/new", "agent\n"), write("src/deep/new", "agent\n"); });
    const ApplyReport report = world.apply();
    EXPECT_EQ(outcome(report, "src/new"), "applied");
    EXPECT_EQ(outcome(report, "src/deep/new"), "applied");
  });
}

TEST_P(ApplyHost, a_directory_that_was_opened_to_undo_one_file_is_the_hosts_from_then_on) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { ::unlink("src/deep/c.txt"), ::rmdir("src/deep"), ::unlink("src/b.txt"), ::rmdir("src"); });
    world.undo({"src/b.txt"});
    pause_a_tick();
    write(world.host("src/mine"), "person\n");
    world.agent([] { write("src/new", "agent\n"); });
    EXPECT_EQ(outcome(world.apply({"src/new"}), "src/new"), "applied");
  });
}

TEST_P(ApplyHost, as_root_no_mode_of_another_owners_directory_is_changed) {
  if (GetParam() == Kernel::user_overlay) return;  // the kernel sees to it
  run([](World& world) {
    make_tree(world);
    for (const char* path : {"", "a.txt", "src/b.txt", "src/deep"})
      ASSERT_EQ(::chown(world.host(path).c_str(), 4711, 4712), 0);
    world.owner = {100123, 100123};
    world.agent(
        [] { ::chmod("src", 0700), ::chmod("src/deep", 0700), write("src/new", "x"), write("src/deep/new", "x"); });
    const ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, "src"), HasSubstr("conflict"));
    EXPECT_THAT(outcome(report, "src/new"), HasSubstr("conflict"));
    EXPECT_EQ(outcome(report, "src/deep"), "applied");
    EXPECT_EQ(outcome(report, "src/deep/new"), "applied");
    EXPECT_EQ(world.host_tree().at("src").mode, 0755u);
    EXPECT_EQ(world.host_tree().at("src/deep").mode, 0700u);
  });
}

}  // namespace
}  // namespace alos::workspace
