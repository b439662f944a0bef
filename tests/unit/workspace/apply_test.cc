// What an apply brings to the host, and that it is exactly that.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

class Apply : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, Apply, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

TEST_P(Apply, what_the_agent_did_is_on_the_host_afterwards_and_the_layer_is_empty) {
  run([](World& world) {
    make_tree(world);
    const Snapshot before = world.host_tree();
    const Snapshot merged = world.agent_sees([] {
      write("a.txt", "changed\n");
      write("new.txt", "new\n", 0640);
      ::mkdir("dir", 0711);
      write("dir/inner", "x");
      ::unlink("src/b.txt");
      ::unlink("link");
      make_link("src", "link");
      ::chmod("src/deep/c.txt", 0400);
      ::mkdir("src/deep/empty", 0700);
    });
    EXPECT_EQ(world.host_tree(), before) << "the host changed before apply";
    const ApplyReport report = world.apply();
    EXPECT_EQ(world.host_tree(), merged);
    EXPECT_FALSE(report.pending);
    EXPECT_TRUE(world.changes().empty());
  });
}

TEST_P(Apply, a_file_written_back_as_it_was_is_no_change) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { write("a.txt", "one\n"); });
    EXPECT_TRUE(world.changes().empty());
    EXPECT_TRUE(world.apply().lines.empty());
  });
}

TEST_P(Apply, a_deleted_directory_is_shown_with_all_that_was_in_it) {
  run([](World& world) {
    make_tree(world);
    world.agent([] {
      ::unlink("src/deep/c.txt"), ::rmdir("src/deep");
      ::unlink("src/b.txt"), ::rmdir("src");
    });
    const auto changes = world.changes();
    EXPECT_EQ(changes.size(), 4u);
    EXPECT_EQ(changes.at("src/deep/c.txt").kind, Kind::deleted);
    world.apply();
    EXPECT_FALSE(exists(world.host("src")));
  });
}

TEST_P(Apply, a_directory_made_anew_hides_what_the_old_one_had) {
  run([](World& world) {
    make_tree(world);
    const Snapshot merged = world.agent_sees([] {
      ::unlink("src/deep/c.txt"), ::rmdir("src/deep"), ::unlink("src/b.txt"), ::rmdir("src");
      ::mkdir("src", 0755);
      write("src/only", "x");
    });
    world.apply();
    EXPECT_EQ(world.host_tree(), merged);
  });
}

TEST_P(Apply, files_become_directories_and_directories_files_and_links) {
  run([](World& world) {
    make_tree(world);
    const Snapshot merged = world.agent_sees([] {
      ::unlink("a.txt"), ::mkdir("a.txt", 0755), write("a.txt/x", "x");
      ::unlink("src/deep/c.txt"), ::rmdir("src/deep"), write("src/deep", "file");
      ::unlink("link"), ::mkdir("link", 0700);
      ::unlink("src/b.txt"), make_link("deep", "src/b.txt");
    });
    const auto changes = world.changes();
    EXPECT_EQ(changes.at("a.txt").kind, Kind::type_changed);
    world.apply();
    EXPECT_EQ(world.host_tree(), merged);
  });
}

TEST_P(Apply, a_renamed_directory_brings_its_content) {
  run([](World& world) {
    make_tree(world);
    const Snapshot merged = world.agent_sees([] {
      // Without redirect_dir the kernel answers EXDEV and programs copy.
      if (::rename("src", "moved") == 0) {
        ::rename("moved/deep", "moved/deeper");
        write("moved/deeper/c.txt", "changed\n");
        write("moved/more", "x");
        ::mkdir("src", 0755);
        write("src/again", "y");
        ::mkdir("inside", 0755);
        ::rename("moved/deeper", "inside/deepest");
      }
    });
    const auto changes = world.changes();
    const ApplyReport report = world.apply();
    EXPECT_EQ(world.host_tree(), merged);
    EXPECT_FALSE(report.pending) << outcome(report, "moved");
  });
}

TEST_P(Apply, directories_that_changed_places_do_so_on_the_host) {
  run([](World& world) {
    make_tree(world);
    ::mkdir(world.host("other").c_str(), 0755);
    write(world.host("other/b.txt"), "of the other\n");
    const Snapshot merged = world.agent_sees([] {
      if (::rename("src", "t") == 0) ::rename("other", "src"), ::rename("t", "other");
    });
    const ApplyReport report = world.apply();
    if (report.count(Outcome::held) > 0) {
      EXPECT_THAT(outcome(report, "src/b.txt"), HasSubstr("not before")) << "what is under this name was private";
      EXPECT_EQ(report.count(Outcome::held), 1u);
      world.apply({"src/b.txt"});
    }
    EXPECT_EQ(world.host_tree(), merged);
  });
}

TEST_P(Apply, a_renamed_directory_stays_exact_when_only_part_of_it_is_applied) {
  run([](World& world) {
    make_tree(world);
    write(world.host("src/Makefile"), "all:\n");
    const Snapshot merged = world.agent_sees([] { ::rename("src", "moved"); });
    const ApplyReport report = world.apply();
    if (GetParam() == Kernel::root_overlay) {
      EXPECT_THAT(outcome(report, "moved/Makefile"), HasSubstr("held"));
      EXPECT_EQ(read(world.host("src/Makefile")), "all:\n") << "deleted although its new place stays in the layer";
      EXPECT_THAT(outcome(world.apply(), "src/Makefile"), HasSubstr("renamed to moved/Makefile"));
      EXPECT_TRUE(exists(world.host("src/Makefile")));
    }
    EXPECT_EQ(world.agent_sees([] {}), merged) << "what the agent sees must not change by an apply";
    world.apply_all();
    EXPECT_EQ(world.host_tree(), merged);
  });
}

TEST_P(Apply, only_what_is_named_goes_and_the_rest_stays_exactly) {
  run([](World& world) {
    make_tree(world);
    const Snapshot before = world.host_tree();
    const Snapshot merged = world.agent_sees([] {
      write("a.txt", "changed\n");
      ::mkdir("dir", 0755), ::mkdir("dir/sub", 0755);
      write("dir/one", "1"), write("dir/two", "2"), write("dir/sub/three", "3");
      ::unlink("src/deep/c.txt"), ::rmdir("src/deep"), ::unlink("src/b.txt"), ::rmdir("src");
    });
    const ApplyReport report = world.apply({"dir/one", "src/deep"});
    EXPECT_TRUE(report.pending);
    EXPECT_EQ(read(world.host("dir/one")), "1");
    EXPECT_FALSE(exists(world.host("dir/two")));
    EXPECT_FALSE(exists(world.host("src/deep")));
    EXPECT_EQ(read(world.host("src/b.txt")), "two\n");
    EXPECT_EQ(read(world.host("a.txt")), "one\n");
    EXPECT_FALSE(world.changes().contains("dir/one"));
    EXPECT_EQ(world.agent_sees([] {}), merged);
    EXPECT_FALSE(world.apply().pending);
    EXPECT_EQ(world.host_tree(), merged);
    EXPECT_NE(merged, before);
  });
}

TEST_P(Apply, unknown_paths_are_reported) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { write("a.txt", "x"); });
    EXPECT_THAT(world.apply({"nothing"}).unknown, testing::ElementsAre("nothing"));
    EXPECT_EQ(read(world.host("a.txt")), "one\n");
  });
}

TEST_P(Apply, special_files_setuid_and_attributes_stay_behind) {
  run([](World& world) {
    make_tree(world);
    world.agent([] {
      ASSERT_EQ(::mkfifo("fifo", 0644), 0);
      const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un at{.sun_family = AF_UNIX, .sun_path = "socket"};
      ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
      ::close(socket);
      // An agent may not make them; a layer that somebody else wrote could have some.
      if (::mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0) ::chmod("null", 0666);
      write("set", "x", 04644);
      write("attr", "x");
      ::setxattr("attr", "user.evil", "1", 1, 0);
      ::setxattr("attr", "user.overlay.opaque", "y", 1, 0);
    });
    const ApplyReport report = world.apply({"fifo", "socket", "null", "set", "attr"});
    for (const char* special : {"fifo", "socket", "null"}) {
      EXPECT_FALSE(exists(world.host(special))) << special;
      const std::string said = outcome(report, special);
      EXPECT_TRUE(said.starts_with("refused") || (special == std::string("null") && said == "nothing")) << said;
    }
    EXPECT_EQ(outcome(report, "set"), "applied");
    const Snapshot host = world.host_tree();
    EXPECT_EQ(host.at("set").mode, 0644u);
    EXPECT_FALSE(host.contains("fifo"));
    char names[256];
    EXPECT_EQ(::listxattr(world.host("attr").c_str(), names, sizeof names), 0);
  });
}

TEST_P(Apply, the_hosts_own_attributes_stay_with_its_file) {
  run([](World& world) {
    make_tree(world);
    ASSERT_EQ(::setxattr(world.host("a.txt").c_str(), "user.mine", "1", 1, 0), 0);
    world.agent([] { write("a.txt", "changed"); });
    world.apply();
    char value = 0;
    EXPECT_EQ(::getxattr(world.host("a.txt").c_str(), "user.mine", &value, 1), 1);
    EXPECT_EQ(read(world.host("a.txt")), "changed");
  });
}

TEST_P(Apply, names_in_any_bytes_go) {
  run([](World& world) {
    make_tree(world);
    const std::string name = "a\n\x1b[31m\xff\xfe\"'\\ b";
    world.agent([&] { write(name, "x"); });
    EXPECT_EQ(outcome(world.apply(), name), "applied");
    EXPECT_TRUE(exists(world.host(name)));
  });
}

TEST_P(Apply, a_huge_sparse_file_costs_what_its_data_costs) {
  run([](World& world) {
    make_tree(world);
    world.agent([] {
      write("sparse", "begin");
      EXPECT_EQ(::truncate("sparse", off_t{8} << 40), 0);
      const int fd = ::open("sparse", O_WRONLY | O_CLOEXEC);
      EXPECT_EQ(::pwrite(fd, "end", 3, (off_t{8} << 40) - 3), 3);
      ::close(fd);
    });
    EXPECT_EQ(outcome(world.apply(), "sparse"), "applied");
    struct stat st{};
    ASSERT_EQ(::stat(world.host("sparse").c_str(), &st), 0);
    EXPECT_EQ(st.st_size, off_t{8} << 40);
    EXPECT_LT(st.st_blocks, 1000);
    EXPECT_TRUE(world.changes().empty());
    ::unlink(world.host("sparse").c_str());
  });
}

TEST_P(Apply, a_dry_run_tells_the_same_and_changes_nothing) {
  run([](World& world) {
    make_tree(world);
    const Snapshot before = world.host_tree();
    world.agent([] { write("a.txt", "x"), write("Makefile", "x"); });
    Layer layer = world.open(Access::change);
    const auto report = workspace::apply(layer, {.effect = Effect::show});
    ASSERT_TRUE(report);
    EXPECT_EQ(outcome(*report, "a.txt"), "applied");
    EXPECT_THAT(outcome(*report, "Makefile"), HasSubstr("held"));
    EXPECT_EQ(world.host_tree(), before);
    EXPECT_EQ(world.changes().size(), 2u);
  });
}

TEST_P(Apply, an_attribute_of_an_unknown_overlay_is_left_alone) {
  if (GetParam() == Kernel::plain_copy) return;  // has no overlay
  run([](World& world) {
    make_tree(world);
    world.agent([] { ::mkdir("strange", 0755), write("strange/x", "x"), write("fine", "x"); });
    const bool user = GetParam() == Kernel::user_overlay;
    ASSERT_EQ(
        ::setxattr(world.upper("strange").c_str(), user ? "user.overlay.future" : "trusted.overlay.future", "1", 1, 0),
        0);
    const ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, "strange"), HasSubstr("overlay.future"));
    EXPECT_FALSE(exists(world.host("strange")));
    EXPECT_EQ(outcome(report, "fine"), "applied");
    EXPECT_TRUE(exists(world.upper("strange/x")));
  });
}

}  // namespace
}  // namespace alos::workspace
