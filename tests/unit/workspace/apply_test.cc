#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

class Apply : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, Apply, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

std::string outcome(const ApplyReport& report, const std::string& path) {
  for (const Line& line : report.lines)
    if (line.change.path == path)
      return std::string(name(line.outcome)) + (line.reason.empty() ? "" : ": " + line.reason);
  return "nothing";
}

void make_tree(World& world) {
  ::mkdir(world.host("src").c_str(), 0755);
  ::mkdir(world.host("src/deep").c_str(), 0750);
  write(world.host("a.txt"), "one\n");
  write(world.host("src/b.txt"), "two\n", 0600);
  write(world.host("src/deep/c.txt"), "three\n");
  make_link("a.txt", world.host("link").c_str());
}

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

TEST_P(Apply, a_host_file_changed_meanwhile_is_a_conflict_and_the_rest_goes_on) {
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

TEST_P(Apply, a_file_that_the_host_added_below_a_deleted_directory_keeps_it) {
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

TEST_P(Apply, a_file_that_the_host_removed_is_not_brought_back) {
  run([](World& world) {
    make_tree(world);
    world.agent([] { write("a.txt", "agent\n"); });
    pause_a_tick();
    ::unlink(world.host("a.txt").c_str());
    const ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, "a.txt"), HasSubstr("conflict"));
  });
}

TEST_P(Apply, what_was_applied_is_no_conflict_when_the_agent_goes_on_with_it) {
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

TEST_P(Apply, a_host_directory_replaced_by_a_link_is_never_written_through) {
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

TEST_P(Apply, what_a_host_tool_would_run_goes_only_when_named_itself) {
  run([](World& world) {
    make_tree(world);
    world.agent([] {
      ::mkdir("sub", 0755), ::mkdir("sub/.git", 0755), ::mkdir("sub/.git/hooks", 0755);
      write("sub/.git/hooks/post-checkout", "#!/bin/sh\n", 0755);
      write("sub/.git/config", "[core]\nfsmonitor=x\n");
      write("sub/code.c", "int x;\n");
      make_link("/etc/passwd", "out");
      write("tool", "#!/bin/sh\n", 0755);
    });
    ApplyReport report = world.apply({"sub", "out", "tool"});
    EXPECT_EQ(outcome(report, "sub/code.c"), "applied");
    EXPECT_THAT(outcome(report, "sub/.git/config"), HasSubstr("held"));
    EXPECT_THAT(outcome(report, "sub/.git/hooks/post-checkout"), HasSubstr("hook"));
    EXPECT_FALSE(exists(world.host("sub/.git/config")));
    EXPECT_EQ(outcome(report, "out"), "applied") << "it was named";
    report = world.apply({"sub/.git/config"});
    EXPECT_EQ(outcome(report, "sub/.git/config"), "applied");
    EXPECT_FALSE(exists(world.host("sub/.git/hooks/post-checkout")));
  });
}

TEST_P(Apply, a_repositorys_data_goes_when_its_directory_is_named_and_what_git_executes_by_its_own_name) {
  run([](World& world) {
    for (const char* dir : {"sub", "sub/.git", "sub/.git/objects"}) ::mkdir(world.host(dir).c_str(), 0755);
    write(world.host("sub/.git/HEAD"), "ref: refs/heads/main\n");
    world.agent([] {
      for (const char* dir : {"sub/.git/objects/aa", "sub/.git/hooks", "sub/.git/logs"}) ::mkdir(dir, 0755);
      write("sub/.git/objects/aa/bb", "x"), write("sub/.git/objects/aa/cc", "x"), write("sub/.git/logs/HEAD", "x");
      write("sub/.git/MERGE_AUTOSTASH", "x"), write("sub/.git/config", "[core]\nfsmonitor=x\n");
      write("sub/.git/hooks/pre-commit", "#!/bin/sh\n", 0755);
    });
    ApplyReport report = world.apply({"sub"});
    EXPECT_EQ(report.count(Outcome::applied), 0u) << "the directory around it is not it";
    report = world.apply({"sub/.git/objects/aa/bb"});
    EXPECT_EQ(outcome(report, "sub/.git/objects/aa/bb"), "applied") << "its new directory comes along";
    report = world.apply({"sub/.git"});
    for (const char* path : {"sub/.git/objects/aa/cc", "sub/.git/logs/HEAD", "sub/.git/MERGE_AUTOSTASH"})
      EXPECT_EQ(outcome(report, path), "applied") << path;
    for (const char* path : {"sub/.git/config", "sub/.git/hooks/pre-commit"}) {
      EXPECT_THAT(outcome(report, path), HasSubstr("held")) << path;
      EXPECT_FALSE(exists(world.host(path))) << path;
    }
  });
}

TEST_P(Apply, dependencies_go_when_their_directory_is_named) {
  run([](World& world) {
    world.agent([] {
      for (const char* dir : {"node_modules", "node_modules/x", "node_modules/x/bin"}) ::mkdir(dir, 0755);
      write("node_modules/x/package.json", "{}"), write("node_modules/x/bin/x", "#!/bin/sh\n", 0755);
      make_link("/etc/passwd", "node_modules/out"), write("code.js", "x");
    });
    EXPECT_EQ(world.apply().count(Outcome::applied), 1u);
    EXPECT_FALSE(exists(world.host("node_modules"))) << "nor its directories";
    const ApplyReport report = world.apply({"node_modules"});
    for (const char* path : {"node_modules/x/package.json", "node_modules/x/bin/x"})
      EXPECT_EQ(outcome(report, path), "applied") << path;
    EXPECT_THAT(outcome(report, "node_modules/out"), HasSubstr("held"));
  });
}

TEST_P(Apply, a_bare_repository_under_any_name_does_not_come_to_life) {
  run([](World& world) {
    ::mkdir(world.host("half").c_str(), 0755);
    for (const char* part : {"half/objects", "half/refs"}) ::mkdir(world.host(part).c_str(), 0755);
    write(world.host("half/config"), "[core]\n");
    world.agent([] {
      for (const char* dir : {"data", "data/objects", "data/refs", "data/hooks"}) ::mkdir(dir, 0755);
      write("data/HEAD", "ref: refs/heads/main\n");
      write("data/config", "[core]\nfsmonitor=x\n");
      write("data/hooks/post-update", "x");
      write("data/notes.txt", "x");
      write("half/HEAD", "ref: refs/heads/main\n");
    });
    const ApplyReport report = world.apply({"data", "half"});
    EXPECT_EQ(outcome(report, "data/notes.txt"), "applied");
    for (const char* path :
         {"data/HEAD", "data/objects", "data/refs", "data/config", "data/hooks/post-update", "half/HEAD"}) {
      EXPECT_THAT(outcome(report, path), HasSubstr("held")) << path;
      EXPECT_FALSE(exists(world.host(path))) << path;
    }
  });
}

TEST_P(Apply, a_file_is_flagged_by_the_names_that_links_give_it) {
  run([](World& world) {
    for (const char* dir : {"tools", "real", "real/flows", "ai"}) ::mkdir(world.host(dir).c_str(), 0755);
    write(world.host("tools/rules"), "x"), write(world.host("real/flows/x"), "x"), write(world.host("ai/x"), "x");
    make_link("tools/rules", world.host("Makefile"));
    make_link("real", world.host(".github"));
    make_link("flows", world.host("real/workflows"));
    make_link(world.host("ai"), world.host(".claude"));
    make_link(".", world.host("self"));
    make_link("loop", world.host("loop"));
    make_link("one/two", world.host("dangling.mk"));
    world.agent([] {
      write("tools/rules", "y"), write("real/flows/x", "y"), write("ai/x", "y"), write("tools/other", "y");
      ::mkdir("three", 0755), write("three/two", "y"), make_link("three", "one");
    });
    const ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, "tools/rules"), HasSubstr("by the name Makefile"));
    EXPECT_THAT(outcome(report, "real/flows/x"), HasSubstr("by the name .github/workflows/x"));
    EXPECT_THAT(outcome(report, "ai/x"), HasSubstr("by the name .claude/x"));
    EXPECT_THAT(outcome(report, "three/two"), HasSubstr("by the name dangling.mk"));
    EXPECT_THAT(outcome(report, "one"), HasSubstr("by the name dangling.mk"));
    EXPECT_EQ(outcome(report, "tools/other"), "applied");
  });
}

TEST_P(Apply, a_directory_that_a_repository_reads_objects_from_is_a_part_of_it) {
  run([](World& world) {
    for (const char* dir : {"r", "r/.git", "r/.git/refs", "r/.git/objects", "r/.git/objects/info", "store", "packs"})
      ::mkdir(world.host(dir).c_str(), 0755);
    write(world.host("r/.git/HEAD"), "ref: refs/heads/main\n");
    write(world.host("r/.git/objects/info/alternates"), "../../../store\n");
    make_link("../../../packs", world.host("r/.git/objects/pack"));
    world.agent(
        [] { ::mkdir("store/aa", 0755), write("store/aa/bb", "x"), write("packs/x", "x"), write("plain", "x"); });
    const ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, "store/aa/bb"), HasSubstr("reads objects of"));
    EXPECT_THAT(outcome(report, "packs/x"), HasSubstr("by the name r/.git/objects/pack/x"));
    EXPECT_EQ(outcome(report, "plain"), "applied");
  });
}

TEST_P(Apply, a_deny_holds_by_every_name_that_links_give) {
  run([](World& world) {
    const std::string w = world.workspace();
    const std::vector<LayerDeny> denies = {{w + "/deploy/prod/**", {}, "w", "prod", ""},
                                           {w + "/etc/site.conf", {}, "w", "site", ""},
                                           {w + "/**/.env*", {w + "/**/.env.example"}, "rwx", "secrets", ""}};
    for (const char* dir : {"real", "fixtures", "old"}) ::mkdir(world.host(dir).c_str(), 0755);
    write(world.host(".env"), "secret");
    make_link("real", world.host("etc"));
    make_link("/usr", world.host("system"));
    world.agent(
        [] {
          for (const char* dir : {"docs", "docs/d", "docs/d/prod"}) ::mkdir(dir, 0755);
          make_link("docs/d", "deploy"), write("docs/d/prod/app.yaml", "evil"), write("docs/d/other", "x");
          write("real/site.conf", "evil"), write("real/other.conf", "x");
          make_link("../.env", "fixtures/sample.txt"), make_link(".", "all"), make_link("../old", "fixtures/plain");
          make_link("system/bin", "out");
        },
        denies);
    const ApplyReport report = world.apply({}, matcher_of(denies));
    EXPECT_THAT(outcome(report, "docs/d/prod/app.yaml"), HasSubstr("by the name deploy/prod/app.yaml"));
    EXPECT_THAT(outcome(report, "real/site.conf"), HasSubstr("by the name etc/site.conf"));
    EXPECT_THAT(outcome(report, "deploy"), HasSubstr("rule 'prod'"));
    EXPECT_THAT(outcome(report, "fixtures/sample.txt"), HasSubstr("rule 'secrets'"));
    EXPECT_THAT(outcome(report, "all"), HasSubstr("rule 'prod'")) << "all/deploy/prod is not denied";
    EXPECT_THAT(outcome(report, "out"), HasSubstr("leads out of the workspace"));
    for (const char* path : {"docs/d/other", "real/other.conf", "fixtures/plain"})
      EXPECT_EQ(outcome(report, path), "applied") << path;
    const ApplyReport named = world.apply({"real/site.conf", "fixtures/sample.txt"}, matcher_of(denies));
    EXPECT_THAT(outcome(named, "real/site.conf"), HasSubstr("denied")) << "named or not";
    EXPECT_EQ(outcome(named, "fixtures/sample.txt"), "applied") << "what a link leads to is a person's to judge";
  });
}

TEST_P(Apply, what_was_private_stays_so_until_it_is_named) {
  run([](World& world) {
    ::mkdir(world.host("priv").c_str(), 0700);
    write(world.host("priv/s.txt"), "secret", 0600);
    ::chmod(world.host("").c_str(), 0700);
    world.agent([] { ::chmod(".", 0755), ::chmod("priv", 0755), ::chmod("priv/s.txt", 0644); });
    ApplyReport report = world.apply();
    EXPECT_EQ(report.count(Outcome::applied), 0u);
    EXPECT_EQ(report.lines.size(), 3u);
    for (const char* path : {"", "priv", "priv/s.txt"})
      EXPECT_THAT(outcome(report, path), HasSubstr("not before")) << path;
    EXPECT_EQ(world.host_tree().at("priv").mode, 0700u);
    report = world.apply({"priv/s.txt"});
    EXPECT_EQ(world.host_tree().at("priv/s.txt").mode, 0644u);
  });
}

TEST_P(Apply, a_package_managers_links_cost_little_and_flag_nothing) {
  run([](World& world) {
    world.agent([] {
      ::mkdir("store", 0755), ::mkdir("all", 0755);
      for (int i = 0; i < 300; ++i) {
        const std::string n = std::to_string(i);
        ::mkdir(("store/" + n).c_str(), 0755), write("store/" + n + "/main.txt", "x");
        make_link("../store/" + n, "all/" + n);
        for (int k = 1; k < 4; ++k)
          make_link("../" + std::to_string((i + k) % 300), "store/" + n + "/dep" + std::to_string(k));
      }
    });
    const ApplyReport report = world.apply();
    EXPECT_EQ(report.count(Outcome::applied), report.lines.size());
  });
}

TEST_P(Apply, a_directory_with_too_many_names_holds_what_is_in_it_and_costs_little) {
  run([](World& world) {
    constexpr int kMany = 12'000;
    world.agent([] {
      ::mkdir("d", 0755), ::mkdir("links", 0755);
      for (int i = 0; i < kMany; ++i) {
        const std::string n = std::to_string(i);
        write("d/" + n, "x"), make_link("../d", "links/makefile." + n);
      }
    });
    const int64_t begun = boot_ns();
    const auto changes = world.changes();
    EXPECT_LT(boot_ns() - begun, 5'000'000'000);
    ASSERT_EQ(changes.at("d/7").flags.size(), 1u);
    EXPECT_THAT(changes.at("d/7").flags[0].reason, HasSubstr("than can be followed"));
  });
}

TEST_P(Apply, links_that_cannot_be_followed_to_their_end_hold_everything) {
  run([](World& world) {
    make_tree(world);
    write(world.host("l20"), "x");
    world.agent([] {
      write("a.txt", "agent");
      for (int i = 0; i < 20; ++i) {
        const std::string next = "l" + std::to_string(i + 1);
        make_link(next + "/../" + next + "/../" + next, "l" + std::to_string(i));
      }
    });
    EXPECT_THAT(outcome(world.apply(), "a.txt"), HasSubstr("than can be followed"));
  });
}

TEST_P(Apply, what_the_policy_denies_stays_also_when_named) {
  run([](World& world) {
    make_tree(world);
    const std::vector<LayerDeny> denies = {{world.workspace() + "/**/.env*",
                                            {world.workspace() + "/**/.env.example"},
                                            "rwx",
                                            "secrets",
                                            "secrets stay out"}};
    world.agent([] { write(".env", "x"), write("src/.env.example", "x"), write("src/.env2", "x"); }, denies);
    const Layer layer = world.open(Access::look);
    const Matcher denied = matcher_of(layer.record.layer_denies);
    const ApplyReport report = world.apply({".env", "src/.env2", "src"}, denied);
    EXPECT_THAT(outcome(report, ".env"), HasSubstr("'secrets'"));
    EXPECT_THAT(outcome(report, "src/.env2"), HasSubstr("secrets stay out"));
    EXPECT_EQ(outcome(report, "src/.env.example"), "applied");
    EXPECT_FALSE(exists(world.host(".env")));
  });
}

TEST_P(Apply, a_denied_file_does_not_leave_under_a_new_name_of_its_directory) {
  run([](World& world) {
    make_tree(world);
    write(world.host("src/.env"), "secret");
    const Matcher denied = [&](std::string_view path) -> std::optional<Denied> {
      if (path == world.host("src/.env")) return Denied{"secrets", ""};
      return std::nullopt;
    };
    bool moved = false;
    const Snapshot merged = world.agent_sees([&] { moved = ::rename("src", "moved") == 0; });
    if (!moved || GetParam() == Kernel::plain_copy) return;  // there the agent could only copy what it could read
    const ApplyReport report = world.apply({"moved", "src", "moved/.env"}, denied);
    EXPECT_FALSE(exists(world.host("moved/.env")));
    EXPECT_EQ(read(world.host("src/.env")), "secret");
    EXPECT_FALSE(exists(world.upper("moved/.env"))) << "copied to where the agent can read it";
    EXPECT_EQ(world.agent_sees([] {}), merged);
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

TEST_P(Apply, the_mode_of_the_workspace_itself_is_carried_and_flagged) {
  run([](World& world) {
    const auto mode_of = [&] {
      struct stat st{};
      EXPECT_EQ(::stat(world.workspace().c_str(), &st), 0);
      return st.st_mode & 07777;
    };
    ASSERT_EQ(::chmod(world.workspace().c_str(), 0755), 0);
    world.agent([] { ASSERT_EQ(::chmod(".", 0750), 0); });
    world.agent([] {});  // a run in between keeps it
    ASSERT_EQ(world.changes().size(), 1u);
    EXPECT_EQ(mode_of(), 0755u);
    EXPECT_EQ(outcome(world.apply(), ""), "applied");
    EXPECT_EQ(mode_of(), 0750u);
    EXPECT_TRUE(world.changes().empty());

    world.agent([] {
      ASSERT_EQ(::chmod(".", 0777), 0);
      write("x", "x");
    });
    ApplyReport report = world.apply();
    EXPECT_THAT(outcome(report, ""), HasSubstr("anybody"));
    EXPECT_EQ(outcome(report, "x"), "applied");
    EXPECT_EQ(mode_of(), 0750u);
    ASSERT_EQ(::chmod(world.workspace().c_str(), 0700), 0);
    EXPECT_THAT(outcome(world.apply({""}), ""), HasSubstr("conflict"));
    world.undo();
    EXPECT_TRUE(world.changes().empty());
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
    const auto report = workspace::apply(layer, {{}, Effect::show, {}, {}});
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

TEST_P(Apply, a_file_of_the_layers_owner_becomes_the_directorys) {
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

// ---- another directory in the place of the one that was seen ----

TEST_P(Apply, a_host_directory_moved_to_where_the_agent_made_one_is_a_conflict) {
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

TEST_P(Apply, a_host_directory_moved_to_where_the_agent_renamed_one_to_is_a_conflict) {
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

TEST_P(Apply, what_the_host_moved_to_where_the_agent_deleted_is_not_deleted) {
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

TEST_P(Apply, a_directory_that_was_applied_is_the_hosts_from_then_on) {
  run([](World& world) {
    world.agent([] { ::mkdir("dir", 0755), write("dir/a", "1"), write("dir/Makefile", "all:"); });
    EXPECT_EQ(outcome(world.apply(), "dir"), "applied");
    pause_a_tick();
    write(world.host("dir/of-the-host"), "x");
    EXPECT_EQ(outcome(world.apply({"dir/Makefile"}), "dir/Makefile"), "applied");
  });
}

TEST_P(Apply, a_directory_that_was_undone_is_the_hosts_from_then_on) {
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

TEST_P(Apply, a_directory_that_was_opened_to_undo_one_file_is_the_hosts_from_then_on) {
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

TEST_P(Apply, as_root_no_mode_of_another_owners_directory_is_changed) {
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
