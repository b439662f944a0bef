#include "supervisor/workspace/reach.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "supervisor/workspace/home_links.h"
#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

// What is held by a name that lies outside of the workspace, or that git gives it.
class Reach : public WorldTest {
 protected:
  // With a home of the world's own, whatever the machine's is.
  void run_at_home(const std::function<void(World&)>& body) {
    run([&](World& world) {
      ::setenv("HOME", home(world).c_str(), 1);
      for (const char* name : {"XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"}) ::unsetenv(name);
      std::filesystem::create_directory(home(world));
      body(world);
    });
  }
  static std::string beside(const World& world, const std::string& name) {
    return std::filesystem::path(world.workspace()).parent_path() / name;
  }
  // A world of its own in a directory of this one.
  static World below(const World& outer, const std::string& name) {
    std::filesystem::create_directory(beside(outer, name));
    return World(beside(outer, name), GetParam() == Kernel::user_overlay ? Form::user : Form::trusted, Mode::layer);
  }
  static std::string home(const World& world) { return beside(world, "home"); }
};
INSTANTIATE_TEST_SUITE_P(, Reach, testing::Values(Kernel::user_overlay, Kernel::root_overlay), kernel_name);

void make_parents(const std::string& path) {
  std::error_code ignored;  // there may be none
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
}

void put(const std::string& path, const std::string& text) {
  make_parents(path);
  write(path, text);
}

void lead(const std::string& target, const std::string& path) {
  make_parents(path);
  make_link(target, path);
}

void put_repository(const std::string& at, const std::string& config = "") {
  put(at + "/HEAD", "ref: refs/heads/main\n");
  put(at + "/config", config);
  std::filesystem::create_directories(at + "/objects");
  std::filesystem::create_directories(at + "/refs");
}

// The flags of what the agent writes at `path`.
std::string written(World& world, const std::string& path) {
  world.agent([&] { put(path, "the agent's\n"); });
  std::string out;
  const auto changes = world.changes();
  if (const auto at = changes.find(path); at != changes.end())
    for (const Flag& flag : at->second.flags) out += std::string(name(flag.hazard)) + ": " + flag.reason + "\n";
  return out;
}

TEST_P(Reach, what_a_git_that_is_a_link_leads_to_is_gits) {
  run_at_home([](World& world) {
    put(world.host("data/config"), "");
    lead("data", world.host(".git"));
    lead("../later", world.host("sub/.git"));
    lead("file", world.host("pointing/.git"));
    EXPECT_THAT(written(world, "data/hooks/pre-commit"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "data/anything"), HasSubstr("repository: "));
    EXPECT_THAT(written(world, "later/config"), HasSubstr("git: ")) << "which is not there yet";
    EXPECT_THAT(written(world, "pointing/file"), HasSubstr("git: ")) << "gitdir: elsewhere";
    EXPECT_EQ(written(world, "plain"), "");
  });
}

TEST_P(Reach, the_configuration_of_the_repository_that_such_a_link_leads_to_counts) {
  run_at_home([](World& world) {
    put_repository(beside(world, "far"), "[core]\nhooksPath = tools/hooks\n");
    lead(beside(world, "far"), world.host("sub/.git"));
    put(world.host("sub/file"), "");
    EXPECT_THAT(written(world, "sub/tools/hooks/post-checkout"), HasSubstr("git: "));
  });
}

TEST_P(Reach, a_link_that_is_the_git_above_the_workspace_may_lead_into_it) {
  run_at_home([](World& world) {
    lead(world.host("data"), beside(world, ".git"));
    EXPECT_THAT(written(world, "data/hooks/pre-commit"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "data/HEAD"), HasSubstr("repository: "));
  });
}

TEST_P(Reach, a_git_of_the_layer_that_is_a_link_is_held_with_what_it_leads_to) {
  run_at_home([](World& world) {
    world.agent([] {
      put("data/hooks/pre-commit", "x");
      put("data/other", "x");
      lead("data", ".git");
    });
    const ApplyReport report = world.apply();
    EXPECT_EQ(report.count(Outcome::held), 3u);
    for (const char* path : {".git", "data/hooks/pre-commit", "data/other"})
      EXPECT_FALSE(exists(world.host(path))) << path;
  });
}

TEST_P(Reach, dotfiles_that_are_links_into_the_workspace_are_changed_with_what_they_lead_to) {
  run_at_home([](World& world) {
    const std::string at = home(world);
    lead(world.host("bash/rc"), at + "/.bashrc");
    lead(world.host("vim/x"), at + "/.vimrc");
    lead(world.host("cfg/app"), at + "/.config/app");
    lead(world.host("tools/x"), at + "/.local/bin/x");
    lead(world.host("tools/y"), at + "/bin/y");
    lead(beside(world, "dots") + "/rc", at + "/.apprc");
    lead(world.host("chained"), beside(world, "dots"));
    lead("../../inner", world.host("cfg/app/deeper"));
    lead(world.host("seen"), at + "/visible");
    for (const char* path : {"bash/rc", "vim/x", "cfg/app/settings", "tools/x", "tools/y", "chained/rc", "inner/x"})
      EXPECT_THAT(written(world, path), HasSubstr(at + "/")) << path;
    EXPECT_THAT(written(world, "bash/rc"), HasSubstr("shell: "));
    EXPECT_THAT(written(world, "vim/x"), HasSubstr("editor: "));
    EXPECT_THAT(written(world, "tools/x"), HasSubstr("autostart: "));
    for (const char* path : {"bash/other", "vim/y", "cfg/other", "chained/other", "seen"})
      EXPECT_EQ(written(world, path), "") << path;
  });
}

TEST_P(Reach, dotfiles_that_lead_to_what_is_above_the_workspace_are_changed_in_it) {
  run_at_home([](World& outer) {
    World world = below(outer, "dots");
    lead("../..", home(outer) + "/.app/everything");  // as Wine links to "/"
    EXPECT_EQ(written(world, "plain"), "");
    lead("../dots", home(outer) + "/.config");
    EXPECT_THAT(written(world, "settings"), HasSubstr(home(outer) + "/.config/host/settings"));
  });
}

TEST_P(Reach, packages_that_a_package_manager_links_from_a_home_are_projects) {
  run_at_home([](World& world) {
    lead(world.workspace(), home(world) + "/.nvm/versions/node/v20/lib/node_modules/own");
    lead(world.host("out"), home(world) + "/.cache/tool/out");
    EXPECT_EQ(written(world, "src/x.js"), "");
    EXPECT_EQ(written(world, "out/x"), "");
  });
}

TEST_P(Reach, more_of_a_home_than_is_looked_at_is_said) {
  run_at_home([](World& world) {
    const std::string at = home(world);
    for (const char* path : {"/.a/b/c/d", "/visible/.a", "/.cache/x", "/.npm/_cacache/x"})
      std::filesystem::create_directories(at + path);
    lead("x", at + "/.a/b/near");
    lead("x", at + "/.a/b/c/far");
    lead("x", at + "/.cache/x/link");
    const HomeLinks all = home_links({at, at}, world.workspace());
    ASSERT_EQ(all.links.size(), 2u);
    EXPECT_EQ(all.links[0].path, at + "/.a/b/near") << "the nearest first";
    EXPECT_EQ(all.unread, 0u);
    const HomeLinks few = home_links({at}, world.workspace(), 4);  // itself, .a, .npm, .a/b
    EXPECT_EQ(few.links.size(), 1u);
    EXPECT_EQ(few.unread, 1u);
    EXPECT_EQ(few.first_unread, at + "/.a/b/c");

    if (GetParam() == Kernel::root_overlay) {
      ASSERT_EQ(::chown(world.workspace().c_str(), 65534, 65534), 0) << "whose home is none";
    }
    world.agent([] { put("plain", "x"); });
    EXPECT_EQ(world.apply().unseen, "");
    for (size_t i = 0; i < kMostHomeDirectories; ++i)
      std::filesystem::create_directory(at + "/.a/b/c/d/" + std::to_string(i));
    world.agent([] { put("other", "x"); });
    EXPECT_THAT(world.apply().unseen, HasSubstr(at + "/.a/b/c/d/"));
  });
}

TEST_P(Reach, a_link_outside_of_the_workspace_is_followed) {
  run_at_home([](World& world) {
    put_repository(world.host(".git"), "[core]\nhooksPath = " + beside(world, "hooks") +
                                           "\n[include]\npath = " + beside(world, "conf") + "/team\n");
    lead(world.host("tools"), beside(world, "hooks"));
    lead(world.host("conf"), beside(world, "conf"));
    put(world.host("conf/team"), "[core]\nfsmonitor = " + beside(world, "watch") + "\n");
    lead("host/bin/watch", beside(world, "watch"));
    // From the workspace out, and in again.
    lead(beside(world, "rules"), world.host("Makefile"));
    lead(world.host("gen"), beside(world, "rules"));
    EXPECT_THAT(written(world, "tools/pre-commit"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "conf/team"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "bin/watch"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "gen"), HasSubstr("build: "));
  });
}

TEST_P(Reach, a_repository_elsewhere_may_have_its_files_in_the_workspace) {
  run_at_home([](World& world) {
    put_repository(beside(world, "far"));
    std::filesystem::remove(beside(world, "far") + "/config");
    lead(world.host("conf/git"), beside(world, "far") + "/config");
    lead(world.host("store"), beside(world, "far") + "/objects/pack");
    put(world.host(".git"), "gitdir: " + beside(world, "far") + "\n");
    EXPECT_THAT(written(world, "conf/git"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "store/x.pack"), HasSubstr("repository: "));
  });
}

TEST_P(Reach, every_repository_around_the_workspace_counts) {
  run_at_home([](World& outer) {
    World world = below(outer, "part");
    std::filesystem::create_directory(beside(outer, "part/.git"));  // which git takes for none, and looks further up
    put_repository(beside(outer, ".git"), "[core]\nhooksPath = part/host/hooks\n");
    EXPECT_THAT(written(world, "hooks/pre-commit"), HasSubstr("git: "));
  });
}

TEST_P(Reach, paths_of_gits_configuration_are_read_as_git_reads_them) {
  run_at_home([](World& world) {
    lead(world.host("dots"), home(world) + "/visible");
    put(home(world) + "/.gitconfig", "[core]\nhooksPath = ~root/../" + world.workspace() +
                                         "/by-user\n[include]\npath = %(prefix)/../" + world.workspace() +
                                         "/by-prefix\npath = ~/visible/by-home\npath = :(optional)" +
                                         world.workspace() + "/maybe\n");
    EXPECT_THAT(written(world, "by-user/pre-commit"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "by-prefix"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "dots/by-home"), HasSubstr("git: "));
    EXPECT_THAT(written(world, "maybe"), HasSubstr("git: "));
    EXPECT_EQ(written(world, "other"), "");
  });
}

TEST_P(Reach, a_home_that_is_not_known_holds_everything) {
  run_at_home([](World& world) {
    put(home(world) + "/.gitconfig", "[core]\nhooksPath = ~nobody-of-that-name/hooks\n");
    EXPECT_THAT(written(world, "plain"), HasSubstr("nobody-of-that-name"));
  });
}

}  // namespace
}  // namespace alos::workspace
