// What an apply holds until it is named, and what a policy keeps also then.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

class ApplyHeld : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, ApplyHeld, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

TEST_P(ApplyHeld, what_a_host_tool_would_run_goes_only_when_named_itself) {
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

TEST_P(ApplyHeld, a_repositorys_data_goes_when_its_directory_is_named_and_what_git_executes_by_its_own_name) {
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

TEST_P(ApplyHeld, dependencies_go_when_their_directory_is_named) {
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

TEST_P(ApplyHeld, a_bare_repository_under_any_name_does_not_come_to_life) {
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

TEST_P(ApplyHeld, a_file_is_flagged_by_the_names_that_links_give_it) {
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

TEST_P(ApplyHeld, a_directory_that_a_repository_reads_objects_from_is_a_part_of_it) {
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

TEST_P(ApplyHeld, a_deny_holds_by_every_name_that_links_give) {
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

TEST_P(ApplyHeld, what_was_private_stays_so_until_it_is_named) {
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

TEST_P(ApplyHeld, a_private_directory_that_is_named_brings_what_is_in_it_and_is_opened_only_by_a_word_more) {
  run([](World& world) {
    const auto mode_of = [&](const std::string& path) {
      struct stat st{};
      EXPECT_EQ(::stat(world.host(path).c_str(), &st), 0);
      return st.st_mode & 07777;
    };
    for (const char* path : {"priv", "shared"}) ::mkdir(world.host(path).c_str(), 0700);
    ::chmod(world.host("").c_str(), 0700);
    world.agent([] {
      write("priv/new", "x"), write("shared/new", "x");
      ::chmod(".", 0755), ::chmod("priv", 0711), ::chmod("shared", 0777);
    });
    ApplyReport report = world.apply({"priv", "shared", ""});
    for (const char* path : {"priv/new", "shared/new"}) EXPECT_EQ(outcome(report, path), "applied") << path;
    for (const char* path : {"", "priv", "shared"}) {
      EXPECT_THAT(outcome(report, path), HasSubstr("--open")) << path;
      EXPECT_EQ(mode_of(path), 0700u) << path;
    }
    EXPECT_EQ(outcome(world.apply({"priv"}), "priv").substr(0, 4), "held") << "also when nothing else is left of it";
    report = world.apply({.paths = {""}, .opening = Opening::named});
    EXPECT_EQ(mode_of(""), 0755u);
    EXPECT_EQ(mode_of("priv"), 0700u) << "not named itself";
    world.apply({.paths = {"priv", "shared"}, .opening = Opening::named});
    EXPECT_EQ(mode_of("priv"), 0711u);
    EXPECT_EQ(mode_of("shared"), 0777u);
    EXPECT_TRUE(world.changes().empty());
  });
}

TEST_P(ApplyHeld, a_package_managers_links_cost_little_and_flag_nothing) {
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

TEST_P(ApplyHeld, a_directory_with_too_many_names_holds_what_is_in_it) {
  run([](World& world) {
    constexpr int kMany = 1'200;
    world.agent([] {
      ::mkdir("d", 0755), ::mkdir("links", 0755);
      for (int i = 0; i < kMany; ++i) {
        const std::string n = std::to_string(i);
        write("d/" + n, "x"), make_link("../d", "links/makefile." + n);
      }
    });
    const auto changes = world.changes();
    ASSERT_EQ(changes.at("d/7").flags.size(), 1u);
    EXPECT_THAT(changes.at("d/7").flags[0].reason, HasSubstr("than can be followed"));
  });
}

TEST_P(ApplyHeld, links_that_cannot_be_followed_to_their_end_hold_everything) {
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

TEST_P(ApplyHeld, what_the_policy_denies_stays_also_when_named) {
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

TEST_P(ApplyHeld, a_denied_file_does_not_leave_under_a_new_name_of_its_directory) {
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

TEST_P(ApplyHeld, the_mode_of_the_workspace_itself_is_carried_and_flagged) {
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

}  // namespace
}  // namespace alos::workspace
