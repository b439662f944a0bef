// The host goes on while changes are applied: what it has done since they were looked at is never lost.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "supervisor/workspace/journal.h"
#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

class Meanwhile : public WorldTest {
 protected:
  // Applies, and does `act` once, at the first of these steps.
  static Outcome apply_with(World& world, const std::string& path, std::string_view at,
                            const std::function<void()>& act) {
    bool done = false;
    const ApplyReport report = world.apply({}, {}, [&](std::string_view step) {
      if (done || step != at) return;
      done = true;
      act();
    });
    EXPECT_TRUE(done) << "no step '" << at << "'";
    for (const Line& line : report.lines)
      if (line.change.path == path) return line.outcome;
    ADD_FAILURE() << path << " is no change";
    return Outcome::failed;
  }
};
INSTANTIATE_TEST_SUITE_P(, Meanwhile, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

TEST_P(Meanwhile, a_file_that_the_host_makes_is_not_overwritten) {
  run([](World& world) {
    world.agent([] { write("new", "agent"); });
    EXPECT_EQ(apply_with(world, "new", "commit", [&] { write(world.host("new"), "host"); }), Outcome::conflict);
    EXPECT_EQ(read(world.host("new")), "host");
  });
}

TEST_P(Meanwhile, a_file_that_the_host_changes_is_put_back) {
  run([](World& world) {
    write(world.host("file"), "old");
    world.agent([] { write("file", "agent"); });
    EXPECT_EQ(apply_with(world, "file", "commit", [&] { write(world.host("file"), "host's"); }), Outcome::conflict);
    EXPECT_EQ(read(world.host("file")), "host's");
  });
}

TEST_P(Meanwhile, a_file_that_the_host_changes_is_not_removed) {
  run([](World& world) {
    write(world.host("file"), "old");
    world.agent([] { ::unlink("file"); });
    EXPECT_EQ(apply_with(world, "file", "unlink", [&] { write(world.host("file"), "host's"); }), Outcome::conflict);
    EXPECT_EQ(read(world.host("file")), "host's");
  });
}

TEST_P(Meanwhile, a_directory_that_the_host_replaces_is_not_removed) {
  run([](World& world) {
    ::mkdir(world.host("dir").c_str(), 0755);
    world.agent([] { ::rmdir("dir"); });
    const auto replace = [&] {
      ASSERT_EQ(::rename(world.host("dir").c_str(), world.host("dir.old").c_str()), 0);
      ASSERT_EQ(::mkdir(world.host("dir").c_str(), 0755), 0);
    };
    EXPECT_EQ(apply_with(world, "dir", "rmdir", replace), Outcome::conflict);
    EXPECT_TRUE(exists(world.host("dir")));
  });
}

TEST_P(Meanwhile, a_file_that_the_host_changes_keeps_its_mode) {
  run([](World& world) {
    write(world.host("file"), "old", 0644);
    world.agent([] { write("other", "x"), ::chmod("file", 0600); });
    EXPECT_EQ(apply_with(world, "file", "commit", [&] { write(world.host("file"), "host's"); }), Outcome::conflict);
    struct stat st{};
    ASSERT_EQ(::stat(world.host("file").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0644U);
  });
}

// What a person was shown is what comes.
TEST_P(Meanwhile, another_file_than_was_looked_at_does_not_come) {
  run([](World& world) {
    world.agent([] { write("new", "agent"); });
    const std::string ours =
        GetParam() == Kernel::plain_copy ? world.open(Access::look).path + "/copy/new" : world.upper("new");
    const auto exchange = [&] {
      write(ours + ".other", "other");
      ASSERT_EQ(::rename((ours + ".other").c_str(), ours.c_str()), 0);
    };
    EXPECT_EQ(apply_with(world, "new", "stage", exchange), Outcome::conflict);
    EXPECT_FALSE(exists(world.host("new")));
  });
}

TEST_P(Meanwhile, nothing_goes_through_a_directory_that_became_a_link_within_the_workspace) {
  run([](World& world) {
    ::mkdir(world.host("dir").c_str(), 0755), ::mkdir(world.host("other").c_str(), 0755);
    write(world.host("dir/file"), "old"), write(world.host("other/file"), "other");
    world.agent([] { write("dir/new", "agent"), write("dir/file", "agent"); });
    ASSERT_EQ(::rename(world.host("dir").c_str(), world.host("dir.old").c_str()), 0);
    make_link("other", world.host("dir"));
    EXPECT_EQ(world.apply_all().count(Outcome::applied), 0U);
    EXPECT_FALSE(exists(world.host("other/new")));
    EXPECT_EQ(read(world.host("other/file")), "other");
  });
}

TEST_P(Meanwhile, nothing_goes_through_a_directory_that_becomes_a_link_while_it_is_applied) {
  run([](World& world) {
    for (const char* dir : {"a", "z", "z/sub", "other", "other/sub"}) ::mkdir(world.host(dir).c_str(), 0755);
    world.agent([] { write("a/new", "agent"), write("z/sub/new", "agent"); });
    const auto replace = [&] {
      ASSERT_EQ(::rmdir(world.host("z/sub").c_str()) | ::rmdir(world.host("z").c_str()), 0);
      make_link("other", world.host("z"));
    };
    EXPECT_NE(apply_with(world, "z/sub/new", "stage", replace), Outcome::applied);
    EXPECT_FALSE(exists(world.host("other/sub/new")));
    EXPECT_EQ(read(world.host("a/new")), "agent");
  });
}

TEST_P(Meanwhile, no_change_of_a_mode_brings_setuid_or_setgid) {
  run([](World& world) {
    write(world.host("file"), "old", 0644), ::mkdir(world.host("dir").c_str(), 0755);
    world.agent([] {
      ::mkdir("made", 0755);
      ASSERT_EQ(::chmod("file", 06755) | ::chmod("dir", 06711) | ::chmod("made", 06711), 0);
    });
    world.apply_all();
    for (const auto& [path, mode] : {std::pair{"file", 0755U}, {"dir", 0711U}, {"made", 0711U}}) {
      struct stat st{};
      ASSERT_EQ(::stat(world.host(path).c_str(), &st), 0);
      EXPECT_EQ(st.st_mode & 07777, mode) << path;
    }
  });
}

// Whoever may write in the directory sees how they begin, and cannot tell how they go on.
TEST_P(Meanwhile, what_was_put_under_guessed_temporary_names_is_not_met) {
  run([](World& world) {
    write(world.host("../outside"), "outside");
    world.agent([] { write("new", "agent"); });
    const auto plant = [&] {
      const std::string prefix = temporary_names(world.open(Access::look));
      for (int i = 0; i < 4; ++i) make_link("../outside", world.host(prefix + std::to_string(i)));
    };
    EXPECT_EQ(apply_with(world, "new", "stage", plant), Outcome::applied);
    EXPECT_EQ(read(world.host("new")), "agent");
    EXPECT_EQ(read(world.host("../outside")), "outside");
  });
}

// File capabilities among them: they belonged to the content that was replaced.
TEST_P(Meanwhile, of_a_replaced_files_attributes_only_the_users_own_are_kept) {
  if (GetParam() == Kernel::user_overlay) return;  // nobody else's can be set there
  run([](World& world) {
    write(world.host("file"), "old", 0755);
    const std::string file = world.host("file");
    ASSERT_EQ(::setxattr(file.c_str(), "trusted.of-root", "1", 1, 0), 0);
    const bool user = ::setxattr(file.c_str(), "user.of-user", "1", 1, 0) == 0;  // on tmpfs since 6.6
    world.agent([] { write("file", "agent"); });
    EXPECT_EQ(apply_with(world, "file", "commit", [] {}), Outcome::applied);
    EXPECT_EQ(read(file), "agent");
    EXPECT_LT(::getxattr(file.c_str(), "trusted.of-root", nullptr, 0), 0);
    EXPECT_EQ(::getxattr(file.c_str(), "user.of-user", nullptr, 0) == 1, user);
  });
}

TEST_P(Meanwhile, a_directory_in_which_something_stays_is_held_and_not_taken_apart) {
  run([](World& world) {
    ::mkdir(world.host("dir").c_str(), 0755);
    write(world.host("dir/stays"), "old");
    world.agent([] { ::unlink("dir/stays"), ::rmdir("dir"), write("dir", "now a file"), write("other", "x"); });
    pause_a_tick();
    write(world.host("dir/stays"), "host's");
    EXPECT_EQ(apply_with(world, "dir", "commit", [] {}), Outcome::held);
    EXPECT_EQ(read(world.host("dir/stays")), "host's");
  });
}

}  // namespace
}  // namespace alos::workspace
