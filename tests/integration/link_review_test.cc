// What a hostile reading of denies found: names that the policy denies and that lead elsewhere, by a symbolic link or
// by a hard one. What such a name shows is denied under its other names too.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/sys.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSecrets =
    "    path: [\"$workspace/**/.env*\", \"$workspace/**/*.pem\", $workspace/**/.ssh/**]\n"
    "    except: [$workspace/**/.env.example, \"$workspace/**/*.pub\"]\n";

class DeniedLink : public InBothModes {
 protected:
  std::string policy(const std::string& mode, const std::string& rules) {
    return world().policy(
        "links-" + mode,
        "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir, data: dir}\nworkspace: " + mode +
            "\nfiles:\n  tree: {allow: rwx, path: $workspace/**}\n" + "  data: {allow: rw, path: $data/**}\n" + rules);
  }
  std::string secrets(const std::string& mode) {
    return policy(mode, std::string("  secrets:\n    deny: rwx\n") + kSecrets + degraded(mode));
  }
  std::string denied(const std::string& mode, const std::string& rights, const std::string& paths) {
    return policy(mode, "  denied:\n    deny: " + rights + "\n    path: [" + paths + "]\n" + degraded(mode));
  }
  // What is made later is nobody's in a tree that is written directly: it is said, or the policy is refused.
  static std::string degraded(const std::string& mode) { return mode == "direct" ? "    degrade: allow\n" : ""; }
  std::string data() { return world().root() + "/data"; }
  void SetUp() override {
    InBothModes::SetUp();
    if (!world_) return;
    put(data() + "/plain", "plain\n");
  }
  bool given_away_ = false;
  void put(const std::string& path, const std::string& content) { world().write(path, content); }
  void link(const std::string& text, const std::string& at) {
    ASSERT_EQ(world().call({"ln", "-s", text, at}).code, 0) << at;
  }
  void hard_link(const std::string& from, const std::string& to) {
    ASSERT_EQ(world().call({"ln", from, to}).code, 0) << to;
  }
  // As root a tree is written directly only where it is nobody's of the host's own.
  void give_away() {
    if (world().mode() != Mode::root || given_away_) return;
    given_away_ = true;
    ASSERT_EQ(world().call({"chown", "-hR", "12345:12345", world().workspace(), data()}).code, 0);
  }
  // Between modes: what is pending is pending in one.
  void undo() { ASSERT_EQ(world().call({"alos", "undo", "--yes"}).code, 0); }
  Outcome sh(const std::string& policy, const std::string& script) {
    give_away();
    return world().shell(policy, script, {}, {"--var", "data=" + data()});
  }
};

constexpr const char* kModes[] = {"layer", "copy", "direct"};

TEST_P(DeniedLink, hides_what_it_leads_to) {
  for (const std::string mode : kModes) {
    SCOPED_TRACE(mode);
    if (mode == "layer") {
      put("shared/dotenv", "hunter2\n");
      link("shared/dotenv", ".env");
      put("dotssh/key", "KEY\n");
      link("dotssh", ".ssh");
      put("dotssh/key.pub", "PUBLIC\n");
    }
    const Outcome out = sh(secrets(mode), "cat .env shared/dotenv .ssh/key dotssh/key; echo done; cat .ssh/key.pub");
    EXPECT_THAT(out.out, HasSubstr("done")) << out.err;
    EXPECT_THAT(out.out, Not(HasSubstr("hunter2")));
    EXPECT_THAT(out.out, Not(HasSubstr("KEY")));
  }
  EXPECT_EQ(world().read(".env"), "hunter2\n");
}

TEST_P(DeniedLink, hides_what_it_leads_to_by_the_policy_that_ships) {
  put("shared/dotenv", "hunter2\n");
  link("shared/dotenv", ".env");
  put("dotssh/k", "KEY\n");
  link("dotssh", ".ssh");
  const Outcome out = world().shell("coding", "cat .env .ssh/k shared/dotenv dotssh/k; echo done");
  EXPECT_EQ(out.out, "done\n") << out.err;
}

TEST_P(DeniedLink, hides_the_hard_links_of_what_it_leads_to_as_well) {
  put("shared/dotenv", "hunter2\n");
  hard_link("shared/dotenv", "backup");
  link("shared/dotenv", ".env");
  put("dotssh/key", "hunter2\n");
  hard_link("dotssh/key", "keybackup");
  link("dotssh", ".ssh");
  for (const std::string mode : kModes) {
    const Outcome out = sh(secrets(mode), "cat backup keybackup; echo done");
    EXPECT_EQ(out.out, "done\n") << mode << out.err;
  }
}

TEST_P(DeniedLink, is_followed_through_other_links_and_into_other_trees) {
  put("releases/1/dotenv", "hunter2\n");
  link("releases/1", "current");
  link("current/dotenv", ".env");
  put(data() + "/sub/token", "TOKEN\n");
  link(data() + "/sub/token", "a.pem");
  for (const std::string mode : kModes) {
    const Outcome out = sh(secrets(mode), "cat releases/1/dotenv a.pem " + data() + "/sub/token; cat " + data() +
                                              "/plain; mv " + data() + "/sub " + data() + "/moved");
    EXPECT_EQ(out.out, "plain\n") << mode << out.err;
    EXPECT_TRUE(fs::exists(data() + "/sub/token")) << mode;
  }
}

TEST_P(DeniedLink, cannot_be_taken_away_to_show_what_it_leads_to_in_the_next_run) {
  put("releases/1/dotenv", "hunter2\n");
  link("releases/1", "current");
  link("current/dotenv", ".env");
  put("app/x", "");
  put("shared/other", "hunter2\n");
  link("../shared/other", "app/.env.local");
  for (const std::string mode : kModes) {
    const Outcome first = sh(secrets(mode),
                             "rm -f .env current app/.env.local; mv .env x; mv current y; mv releases z; mkdir deep; "
                             "mv app deep/app; mv shared w; echo done");
    EXPECT_EQ(first.out, "done\n") << mode << first.err;
    const Outcome second = sh(secrets(mode), "find . -type f -exec cat {} + ; echo done");
    EXPECT_THAT(second.out, HasSubstr("done")) << mode << second.err;
    EXPECT_THAT(second.out, Not(HasSubstr("hunter2"))) << mode;
    if (mode != "direct") undo();
  }
}

TEST_P(DeniedLink, in_the_middle_of_a_denied_path_is_followed) {
  put("releases/1/secret.txt", "hunter2\n");
  put("releases/1/open.txt", "open\n");
  link("releases/1", "current");
  put("apps/a/real/key.txt", "hunter2\n");
  link("real", "apps/a/conf");
  for (const std::string mode : kModes) {
    const Outcome out = sh(denied(mode, "rwx", "$workspace/current/secret.txt, \"$workspace/apps/*/conf/key.txt\""),
                           "cat current/secret.txt releases/1/secret.txt apps/a/conf/key.txt apps/a/real/key.txt; "
                           "cat current/open.txt");
    EXPECT_EQ(out.out, "open\n") << mode << out.err;
  }
}

TEST_P(DeniedLink, of_the_installed_system_is_followed) {
  if (!fs::is_symlink("/bin")) ALOS_SKIP("/bin is a directory here");
  put("x", "");
  const Outcome out = sh(denied("layer", "rwx", "/bin/mount"), "/bin/mount --version; /usr/bin/mount --version; echo");
  EXPECT_EQ(out.out, "\n") << out.err;
}

TEST_P(DeniedLink, that_denies_writing_alone_lets_what_it_leads_to_be_read) {
  put("ci/ci.yml", "steps\n");
  link("ci/ci.yml", "ci.yml");
  for (const std::string mode : kModes) {
    const Outcome out =
        sh(denied(mode, "w", "$workspace/ci.yml"), "cat ci.yml; echo evil > ci.yml; echo evil > ci/ci.yml; cat ci.yml");
    EXPECT_EQ(out.out, "steps\nsteps\n") << mode << out.err;
  }
}

TEST_P(DeniedLink, that_leads_above_itself_nowhere_or_in_a_circle_hides_only_itself) {
  put("src/main.c", "main\n");
  link(".", ".env");
  link("..", "src/.env");
  link("/", "root.pem");
  link("missing", "none.pem");
  link("/etc/no-such-thing/at-all", "outside.pem");
  link("b.pem", "a.pem");
  link("a.pem", "b.pem");
  for (const std::string mode : kModes) {
    const Outcome out = sh(secrets(mode), "cat src/main.c; cat .env/src/main.c");
    EXPECT_EQ(out.out, "main\n") << mode << out.err;
  }
}

TEST_P(DeniedLink, may_lead_to_what_an_exception_spares) {
  put(".env.example", "EXAMPLE\n");
  link(".env.example", ".env");
  const Outcome out = sh(secrets("layer"), "cat .env.example");
  EXPECT_EQ(out.out, "EXAMPLE\n") << out.err;
}

TEST_P(DeniedLink, in_a_denied_directory_takes_no_programs_and_directories_away) {
  put("src/main.c", "main\n");
  put("keys/id", "hunter2\n");
  put(".ssh/known_hosts", "");
  link("/usr/bin/env", ".ssh/program");
  link("../src", ".ssh/directory");
  link("../keys/id", ".ssh/id");
  const Outcome out = sh(secrets("layer"), "cat src/main.c; /usr/bin/env true && echo ran; cat keys/id");
  EXPECT_EQ(out.out, "main\nran\n") << out.err;
}

TEST_P(DeniedLink, that_the_agent_made_hides_itself_and_nothing_else) {
  put("src/main.c", "main\n");
  for (const std::string mode : {"layer", "copy"}) {
    const Outcome made =
        sh(secrets(mode),
           "ln -s src .env; ln -s /usr a.pem; ln -s /bin/sh b.pem; ln -s c.pem c.pem; ln -s / d.pem; "
           "echo own > own; ln -s own e.pem; ln -s x .ssh; i=0; p=x; mkdir x; "
           "while [ $i -lt 60 ]; do ln -s $p l$i; p=l$i; i=$((i+1)); done; ln -s l59 long.pem; echo ok");
    ASSERT_EQ(made.out, "ok\n") << mode << made.err;
    const Outcome out = sh(secrets(mode), "cat src/main.c own; cat .env/main.c");
    EXPECT_EQ(out.out, "main\nown\n") << mode << out.err;
    undo();
  }
}

// A host's link that leads nowhere yet: the agent decides what is there.
TEST_P(DeniedLink, of_the_host_is_not_led_on_by_one_that_the_agent_made) {
  link("later", ".env");
  ASSERT_EQ(sh(secrets("layer"), "ln -s /usr later; echo ok").out, "ok\n");
  EXPECT_EQ(sh(secrets("layer"), "echo runs").out, "runs\n");
}

// A copy lasts, and another run's policy may know less.
TEST_P(DeniedLink, leaves_no_content_in_a_copy) {
  put("shared/dotenv", "hunter2\n");
  link("shared/dotenv", ".env");
  put("dotssh/key", "hunter2\n");
  hard_link("dotssh/key", "backup");
  link(world().workspace() + "/dotssh", ".ssh");
  put("dotssh/key.pub", "PUBLIC\n");
  put("releases/1/secret.txt", "hunter2\n");
  link("releases/1", "current");
  put("src/main.c", "main\n");
  const std::string rules = std::string("  secrets:\n    deny: rwx\n") + kSecrets +
                            "  current: {deny: rwx, path: $workspace/current/secret.txt}\n";
  const Outcome out = sh(policy("copy", rules), "cat src/main.c");
  ASSERT_EQ(out.out, "main\n") << out.err;
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(world().state())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    EXPECT_THAT(world().read(entry.path()), Not(HasSubstr("hunter2"))) << entry.path();
  }
  EXPECT_GT(files, 1u);
  EXPECT_EQ(world().call({"alos", "diff"}).code, 0) << "what is kept out is no change";
}

class OtherName : public DeniedLink {};

TEST_P(OtherName, of_a_file_that_is_not_to_be_written_cannot_be_written) {
  put("a/x", "");
  put("ci.yml", "steps\n");
  hard_link("ci.yml", "a/copy");
  hard_link("ci.yml", data() + "/third");
  for (const std::string mode : kModes) {
    const Outcome out =
        sh(denied(mode, "w", "$workspace/ci.yml"), "echo evil > a/copy; echo evil > " + data() + "/third; cat ci.yml");
    if (mode != "direct") undo();
    EXPECT_EQ(out.out, "steps\n") << mode << out.err;
    EXPECT_EQ(world().read("ci.yml"), "steps\n") << mode;
  }
}

TEST_P(OtherName, that_may_itself_not_be_run_cannot_be_written_either) {
  put("lock/f", "locked\n");
  put("build/plain", "");
  hard_link("lock/f", "build/f");
  for (const std::string mode : kModes) {
    const Outcome out = sh(policy(mode,
                                  "  lock: {deny: w, path: $workspace/lock/**}\n"
                                  "  build: {deny: x, path: $workspace/build/**}\n"),
                           "echo evil > build/f; cat lock/f; echo plain > build/plain; cat build/plain");
    if (mode != "direct") undo();
    EXPECT_EQ(out.out, "locked\nplain\n") << mode << out.err;
    EXPECT_EQ(world().read("lock/f"), "locked\n") << mode;
  }
}

TEST_P(OtherName, of_a_pipe_that_is_not_to_be_written_is_hidden) {
  put("lock/plain", "");
  ASSERT_EQ(world().call({"mkfifo", "-m", "666", world().workspace() + "/lock/p"}).code, 0);
  hard_link("lock/p", data() + "/p");
  const auto reader = sys::open(data() + "/p", O_RDONLY | O_NONBLOCK);
  ASSERT_TRUE(reader) << reader.error().text();
  for (const std::string mode : {"layer", "direct"}) {  // a copy holds no pipe
    const Outcome out = sh(denied(mode, "w", "$workspace/lock/**"), "echo evil > " + data() + "/p && echo written");
    EXPECT_EQ(out.out, "") << mode << out.err;
    std::array<char, 8> got{};
    EXPECT_LE(::read(reader->get(), got.data(), got.size()), 0) << mode;
  }
}

// The agent's own file of that name in its copy is none of the two names that the host's has.
TEST_P(OtherName, of_what_the_host_has_where_a_copy_has_a_file_of_the_agent_s_is_hidden) {
  put("secrets/old", "hunter2\n");
  const Outcome made = sh(denied("copy", "rwx", "$workspace/nothing"), "echo mine > secrets/k && echo made");
  ASSERT_EQ(made.out, "made\n") << made.err;
  put("secrets/k", "hunter2\n");
  hard_link("secrets/k", data() + "/b");
  const Outcome out = sh(denied("copy", "rwx", "$workspace/secrets, $workspace/secrets/**"),
                         "cat " + data() + "/b " + data() + "/plain");
  EXPECT_EQ(out.out, "plain\n") << out.err;
}

TEST_P(OtherName, of_a_denied_file_is_hidden_in_every_tree_that_is_mounted) {
  put(data() + "/s.pem", "hunter2\n");
  hard_link(data() + "/s.pem", data() + "/backup");
  hard_link(data() + "/s.pem", "mine");
  put(".env", "hunter2\n");
  hard_link(".env", data() + "/dotenv");
  put("dir/k", "hunter2\n");
  hard_link("dir/k", data() + "/k");
  for (const std::string mode : kModes) {
    const Outcome out =
        sh(denied(mode, "rwx", "$data/s.pem, $workspace/.env, $workspace/dir/**"),
           "cat mine " + data() + "/backup " + data() + "/dotenv " + data() + "/k; cat " + data() + "/plain");
    EXPECT_EQ(out.out, "plain\n") << mode << out.err;
  }
}

INSTANTIATE_TEST_SUITE_P(Links, DeniedLink, testing::Values(Mode::root, Mode::rootless), NameOfMode());
// mount --bind: a file with one name is seen by two.
TEST_P(DeniedLink, hides_what_another_mount_shows_again) {
  if (GetParam() == Mode::rootless) return;  // an ordinary user mounts nothing
  const std::string again = world().root() + "/again";
  put(data() + "/key", "KEY\n");
  put(data() + "/deep/key", "KEY\n");
  put(data() + "/fixed", "fixed\n");
  put(again + "/other", "other\n");
  put("own.env", "hunter2\n");
  const std::string policy = world().policy(
      "again",
      "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir, data: dir}\nworkspace: layer\nfiles:\n"
      "  tree: {allow: rwx, path: $workspace/**}\n  data: {allow: rw, path: $data/**}\n  again: {allow: rw, path: " +
          again + "/**}\n  denied: {deny: rwx, path: [$data/key, $data/deep/**, $workspace/own.env]}\n" +
          "  fixed: {deny: w, path: $data/fixed}\n");
  for (const char* directory : {"/data", "/workspace"}) world().write(again + directory + "/mounted", "");
  give_away();
  ASSERT_EQ(world().call({"chown", "-hR", "12345:12345", again}).code, 0);
  auto argv = world().run_arguments(policy, {"--var", "data=" + data()});
  const std::string mounts = "mount --bind " + data() + " " + again + "/data && mount --bind " + world().workspace() +
                             " " + again + "/workspace && exec \"$@\"";
  argv.insert(argv.begin(), {"/usr/bin/unshare", "-m", "/bin/bash", "-c", mounts, "-"});
  argv.insert(argv.end(), {"--", "/bin/bash", "-c",
                           "cd " + again +
                               "; cat data/plain data/key data/deep/key data/fixed workspace/own.env;"
                               "ls data/deep; echo changed > data/fixed"});
  const Outcome run = world().call(argv);
  EXPECT_EQ(run.out, "plain\nfixed\n") << run.err;
  EXPECT_EQ(world().read(data() + "/fixed"), "fixed\n");
}

INSTANTIATE_TEST_SUITE_P(Links, OtherName, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
