// What a hostile reading found between a run's end and the host: an apply that somebody steers, changes that nobody was
// shown, another workspace than the run's.

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPolicy =
    "alos: 1\nabout: tree\nextends: [base]\nvars: {workspace: dir}\n"
    "files:\n  all: {allow: rwx, path: $workspace/**}\nworkspace: layer\nlimits: {wall: 120s}\n";

// ---- root applies in a workspace whose owner is somebody else ----

constexpr uid_t kOwner = 61'982;

class OfAnother : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = World::unavailable(Mode::root); !why.empty()) ALOS_SKIP(why);
    world_.emplace(Mode::root);
    policy_ = world_->policy("tree", kPolicy);
    make("", kOwner, 0755);
    make("p", kOwner, 0755);
  }

  std::string at(const std::string& path) { return world_->workspace() + (path.empty() ? "" : "/" + path); }
  void make(const std::string& path, uid_t owner, mode_t mode) {
    std::filesystem::create_directory(at(path));
    ASSERT_EQ(::chown(at(path).c_str(), owner, owner), 0);
    ASSERT_EQ(::chmod(at(path).c_str(), mode), 0);
  }
  void make_roots(const std::string& path) {
    make(path, 0, 0700);
    std::ofstream(at(path) + "/secret") << "of root's\n";
  }
  struct stat stat_of(const std::string& path) {
    struct stat st{};
    EXPECT_EQ(::lstat(at(path).c_str(), &st), 0) << path;
    return st;
  }
  // Does `act` as the workspace's owner.
  template <class Act>
  pid_t as_owner(const Act& act) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setgroups(0, nullptr);
      if (::setresgid(kOwner, kOwner, kOwner) != 0 || ::setresuid(kOwner, kOwner, kOwner) != 0) ::_exit(2);
      ::_exit(act());
    }
    return child;
  }
  bool owner_moves(const std::string& from, const std::string& to) {
    const std::string a = at(from), b = at(to);
    int status = -1;
    ::waitpid(as_owner([&] { return ::rename(a.c_str(), b.c_str()) == 0 ? 0 : 1; }), &status, 0);
    return status == 0;
  }
  Outcome agent(const std::string& script) {
    const Outcome run = world_->shell(policy_, script);
    EXPECT_EQ(run.code, 0) << run.err;
    return run;
  }

  std::optional<World> world_;
  std::string policy_;
};

TEST_F(OfAnother, a_directory_of_roots_that_its_owner_moved_in_stays_as_it_is) {
  make_roots("p/rootdir");
  agent("cd p; mkdir n1; echo 'agent content' > n1/hook.py");
  ASSERT_TRUE(owner_moves("p/rootdir", "p/n1"));
  const Outcome shown = world_->call({"alos", "diff", "--stat"});
  EXPECT_THAT(shown.out, HasSubstr("onflict")) << "seen before anything is done";
  const Outcome applied = world_->call({"alos", "apply"});
  EXPECT_EQ(applied.code, 1) << applied.out;
  EXPECT_THAT(applied.out, HasSubstr("conflict"));
  EXPECT_EQ(stat_of("p/n1").st_mode & 07777, 0700u);
  EXPECT_FALSE(world_->exists("p/n1/hook.py"));
}

TEST_F(OfAnother, nor_is_one_changed_that_stands_for_a_directory_which_the_agent_had) {
  make_roots("p/rootdir");
  make("p/src", kOwner, 0755);
  make("p/gone", kOwner, 0755);
  make("p/gone/secret", kOwner, 0755);
  world_->write("p/src/file", "host\n");
  agent("cd p; echo agent > src/new.py; chmod 711 src; rm -r gone");
  ASSERT_TRUE(owner_moves("p/src", "p/elsewhere"));
  ASSERT_TRUE(owner_moves("p/rootdir", "p/src"));
  EXPECT_EQ(world_->call({"alos", "apply", "p/src", "p/src/new.py"}).code, 1);
  EXPECT_EQ(stat_of("p/src").st_mode & 07777, 0700u);
  EXPECT_FALSE(world_->exists("p/src/new.py"));
  ASSERT_TRUE(owner_moves("p/src", "p/swap"));
  ASSERT_TRUE(owner_moves("p/gone", "p/gone.away"));
  ASSERT_TRUE(owner_moves("p/swap", "p/gone"));
  EXPECT_EQ(world_->call({"alos", "apply"}).code, 1);
  EXPECT_EQ(world_->read("p/gone/secret"), "of root's\n");
}

TEST_F(OfAnother, a_renamed_directory_brings_nothing_of_roots_that_stands_at_its_old_place) {
  make_roots("p/rootdir");
  make("p/src", kOwner, 0755);
  ASSERT_EQ(::chmod(at("p/rootdir/secret").c_str(), 0644), 0);
  agent("cd p; mv src renamed");
  ASSERT_TRUE(owner_moves("p/src", "p/elsewhere"));
  ASSERT_TRUE(owner_moves("p/rootdir", "p/src"));
  world_->call({"alos", "apply"});
  EXPECT_FALSE(world_->exists("p/renamed/secret"));
  EXPECT_EQ(world_->read("p/src/secret"), "of root's\n");
}

// Exchanges whatever has a temporary name with one of root's directories, for as long as it may.
int exchange_temporaries(int dir, int decoys) {
  for (unsigned turn = 0;;) {
    const int fd = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* listing = ::fdopendir(fd);
    if (!listing) return 1;
    while (const dirent* entry = ::readdir(listing)) {
      if (std::string_view(entry->d_name).find("alos-apply") == std::string_view::npos) continue;
      const std::string decoy = "root" + std::to_string(turn++ % static_cast<unsigned>(decoys));
      ::renameat2(dir, entry->d_name, dir, decoy.c_str(), RENAME_EXCHANGE);
    }
    ::closedir(listing);
  }
}

// The same with names that are known before, of what is being made.
int exchange_results(int dir, int decoys, int made) {
  for (int turn = 0;; ++turn) {
    const std::string decoy = "root" + std::to_string(turn % decoys), name = "d" + std::to_string(turn % made);
    ::renameat2(dir, name.c_str(), dir, decoy.c_str(), RENAME_EXCHANGE);
  }
}

TEST_F(OfAnother, no_race_of_its_owners_makes_an_apply_touch_roots_directories) {
  constexpr int kDecoys = 60, kMade = 200;
  std::vector<UniqueFd> roots;  // held: their inodes are nobody else's, also of what was removed
  for (int i = 0; i < kDecoys; ++i) {
    const std::string name = "p/root" + std::to_string(i);
    make(name, 0, 0700);
    if (i % 2) std::ofstream(at(name) + "/secret") << "of root's\n";  // the others are empty, as what is made is
    roots.emplace_back(::open(at(name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  agent("cd p; for i in $(seq 0 199); do mkdir d$i; echo x > d$i/agent.txt; ln -s agent.txt d$i/link; done");
  const int dir = ::open(at("p").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const pid_t first = as_owner([&] { return exchange_temporaries(dir, kDecoys); });
  const pid_t second = as_owner([&] { return exchange_results(dir, kDecoys, kMade); });
  for (int i = 0; i < 2; ++i) world_->call({"alos", "apply"});
  for (const pid_t pid : {first, second}) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  ::close(dir);
  int secrets = 0;
  for (const UniqueFd& root : roots) {
    struct stat st{};
    ASSERT_EQ(::fstat(root.get(), &st), 0);
    EXPECT_EQ(st.st_uid, 0u);
    EXPECT_EQ(st.st_mode & 07777, 0700u);
    EXPECT_NE(::faccessat(root.get(), "agent.txt", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    if (st.st_nlink > 0 && ::faccessat(root.get(), "secret", F_OK, 0) == 0) ++secrets;
  }
  EXPECT_EQ(secrets, kDecoys / 2) << "what is empty is the owner's to remove, and only that";
}

// ---- what was shown, and of which workspace ----

class AfterRun : public InBothModes {
 protected:
  std::string policy() { return world().policy("tree", kPolicy); }
  // `alos run --apply ask` with `script`; while its question stands, `other` runs in a shell.
  Outcome asked(const std::string& script, const std::string& other) {
    std::vector<std::string> argv{"/usr/bin/python3", ALOS_ANSWER, "", R"(type (\w+) to apply)", R"(\1)", other};
    const auto run = world().run_arguments(policy(), {"--apply", "ask"});
    argv.insert(argv.end(), run.begin(), run.end());
    argv.insert(argv.end(), {"--", "/bin/bash", "-c", script});
    return world().call(argv);
  }
  std::string shell_words(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += "'" + word + "' ";
    return out;
  }
};

TEST_P(AfterRun, nothing_is_applied_that_another_run_wrote_while_the_question_stood) {
  auto second = world().run_arguments(policy(), {});
  second.insert(second.end(), {"--", "/bin/bash", "-c", "echo evil > reviewed.py; echo evil > never-shown.py"});
  const Outcome done = asked("echo good > reviewed.py", shell_words(second));
  EXPECT_THAT(done.out, HasSubstr("other 125"));
  EXPECT_THAT(done.out, HasSubstr("waits for an answer")) << "it says what is in the way";
  EXPECT_THAT(done.out, HasSubstr("code 0\n")) << done.err;
  EXPECT_EQ(world().read("reviewed.py"), "good\n");
  EXPECT_FALSE(world().exists("never-shown.py"));
}

TEST_P(AfterRun, nothing_is_applied_that_was_held_when_it_was_shown) {
  world().write("tools/check.sh", "#!/bin/sh\n", 0755);
  ASSERT_EQ(world().call({"/bin/bash", "-c", "mkdir .husky; ln -s ../tools/check.sh .husky/pre-commit"}).code, 0);
  const Outcome done = asked("echo 'echo evil' >> tools/check.sh; echo x > plain", "rm -r .husky");
  EXPECT_THAT(done.out, HasSubstr("code 0\n")) << done.err;
  EXPECT_EQ(world().read("plain"), "x\n");
  EXPECT_EQ(world().read("tools/check.sh"), "#!/bin/sh\n");
  EXPECT_THAT(done.err, HasSubstr("not shown as one that goes"));
}

TEST_P(AfterRun, the_workspace_that_is_applied_is_the_runs) {
  for (const char* name : {"x1/of-the-host", "x2/of-the-host"}) world().write(name, "");
  const std::string x1 = world().workspace() + "/x1", x2 = world().workspace() + "/x2";
  ASSERT_EQ(world().shell(policy(), "echo one > one.py", {.cwd = x1}).code, 0);
  const Outcome run = world().shell(policy(), "cd " + x2 + "; echo two > two.py", {.cwd = x1},
                                    {"--var", "workspace=" + x2, "--apply", "safe"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_FALSE(world().exists("x1/one.py")) << "nobody looked at it";
  EXPECT_EQ(world().read("x2/two.py"), "two\n");
}

TEST_P(AfterRun, without_a_layer_nothing_is_applied) {
  for (const char* name : {"x1/of-the-host", "x2/of-the-host"}) world().write(name, "");
  const std::string x1 = world().workspace() + "/x1";
  ASSERT_EQ(world().shell(policy(), "echo one > one.py", {.cwd = x1}).code, 0);
  const std::string bare = world().policy("bare", "alos: 1\nabout: bare\nextends: [base]\n");
  const Outcome run = world().shell(bare, "true", {.cwd = x1}, {"--apply", "safe"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_FALSE(world().exists("x1/one.py"));
  EXPECT_THAT(run.err, HasSubstr("nothing to apply"));
}

INSTANTIATE_TEST_SUITE_P(Around, AfterRun, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
