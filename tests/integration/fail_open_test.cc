// What is missing in the kernel or wrong in a policy refuses the run, by name: code 125, and nothing of the program
// ran. Whatever a kernel may lack is taken away by a seccomp filter around the real programs
// (tests/payloads/without_syscall).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kNoMdwe = "prctl&0x41=EINVAL";  // PR_SET_MDWE is 65: as before 6.3
constexpr const char* kNoLandlock =
    "landlock_create_ruleset=ENOSYS,landlock_add_rule=ENOSYS,landlock_restrict_self=ENOSYS";
// What a kernel answers where user.max_user_namespaces is 0. A filter cannot look into the arguments of clone3: all of
// them fail, and glibc goes on without.
constexpr const char* kNoUserNamespaces = "unshare&0x10000000=ENOSPC,clone&0x10000000=ENOSPC,clone3=ENOSPC";

class FailOpen : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (const std::string why = World::unavailable(GetParam()); !why.empty()) ALOS_SKIP(why);
    world_.emplace(GetParam());
    use_tree();
  }
  // From here on, with more lines at the policy's top.
  void use_tree(const std::string& more = "") {
    policy_ = world().policy("tree",
                             "alos: 1\nabout: a tree\nextends: base\nvars: {workspace: dir}\nworkspace: layer\n"
                             "files: {tree: {allow: rwx, path: $workspace/**}}\n" +
                                 more);
  }
  void TearDown() override {
    if (world_) {
      EXPECT_EQ(world_->leftovers(), "");
    }
  }
  World& world() { return *world_; }

  // alos run of a program that leaves traces, or of another script, on a kernel without what `rules` name.
  Outcome run_without(const std::string& rules, const std::vector<std::string>& flags = {},
                      const std::string& script = "echo ran; touch ran") {
    const std::string wrapper = world().root() + "/without_syscall";
    if (!world().exists(wrapper)) world().write(wrapper, world().read(ALOS_PAYLOADS "/without_syscall"), 0755);
    std::vector<std::string> argv{wrapper, rules, "--"};
    for (const std::string& word : world().run_arguments(policy_, flags)) argv.push_back(word);
    argv.insert(argv.end(), {"--", "/bin/sh", "-c", script});
    argv[3] = World::programs() + "/alos";
    return world().call(argv);
  }

  // Refused: the code, the words, and no trace of the program, in the layer neither.
  void expect_refused(const Outcome& run, const std::vector<std::string>& words) {
    EXPECT_EQ(run.code, 125) << run.err;
    EXPECT_EQ(run.out, "");
    for (const std::string& word : words) EXPECT_THAT(run.err, HasSubstr(word));
    const Outcome diff = world().call({"alos", "diff", "--workspace", world().workspace()});
    EXPECT_THAT(diff.out, Not(HasSubstr("ran"))) << diff.out;
    EXPECT_FALSE(world().exists("ran"));
    std::cout << "refused: " << run.err.substr(0, run.err.find('\n')) << "\n";
  }

  // The program as alos itself would start it, of a policy's text.
  Outcome run_policy(const std::string& text) {
    return world().shell(world().policy("probe", text), "echo ran; touch ran");
  }

  std::optional<World> world_;
  std::string policy_;
};

TEST_P(FailOpen, with_nothing_taken_away_the_program_runs) {
  const Outcome run = run_without("reboot=EPERM");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "ran\n");
  const Outcome diff = world().call({"alos", "diff", "--workspace", world().workspace()});
  EXPECT_THAT(diff.out, HasSubstr("ran")) << "so that its absence elsewhere means something";
}

TEST_P(FailOpen, without_landlock_it_refuses_unless_told_to_go_without) {
  expect_refused(run_without(kNoLandlock), {"landlock", "ENOSYS", "degrade"});
  const Outcome without = run_without(kNoLandlock, {"--degrade", "landlock", "--events", world().root() + "/events"});
  EXPECT_EQ(without.code, 0) << without.err;
  EXPECT_EQ(without.out, "ran\n");
  EXPECT_THAT(without.err, HasSubstr("landlock")) << "going without is printed";
  EXPECT_THAT(world().read(world().root() + "/events"), HasSubstr("landlock")) << "and told to whoever watches";
  const Outcome audit = world().call({"alos", "audit", "show", "--json"});
  EXPECT_THAT(audit.out, HasSubstr("landlock")) << "and recorded";
}

TEST_P(FailOpen, a_landlock_that_is_there_and_then_fails_is_not_gone_without) {
  for (const char* call : {"landlock_add_rule", "landlock_restrict_self"})
    expect_refused(run_without(std::string(call) + "=EOPNOTSUPP", {"--degrade", "landlock"}),
                   {"step 'landlock'", "EOPNOTSUPP"});
}

constexpr const char* kNotHeld = R"("not_held":"([a-z,]*,)?mdwe")";
constexpr const char* kMapWritableAndExecutable = "python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)' || echo held";

TEST_P(FailOpen, without_mdwe_a_policy_that_wants_it_refuses_unless_told_to_go_without) {
  use_tree("mdwe: on\n");
  expect_refused(run_without(kNoMdwe), {"mdwe", "ENOSYS", "--degrade mdwe"});
  const Outcome without =
      run_without(kNoMdwe, {"--degrade", "mdwe", "--events", world().root() + "/events"}, kMapWritableAndExecutable);
  EXPECT_EQ(without.code, 0) << without.err;
  EXPECT_EQ(without.out, "held\n") << "by the filter, which does not need it";
  EXPECT_THAT(without.err, testing::ContainsRegex("as degraded: (.*,)?mdwe\n")) << "going without is printed";
  EXPECT_THAT(world().read(world().root() + "/events"), testing::ContainsRegex(kNotHeld));
  const Outcome audit = world().call({"alos", "audit", "show", "--json"});
  EXPECT_THAT(audit.out, testing::ContainsRegex(kNotHeld)) << "and recorded";
}

TEST_P(FailOpen, mdwe_is_given_up_by_a_policy_only_where_it_is_missing) {
  use_tree("mdwe: on\ndegrade: [mdwe]\n");
  const Outcome without = run_without(kNoMdwe);
  EXPECT_EQ(without.out, "ran\n") << without.err;
  EXPECT_THAT(without.err, testing::ContainsRegex("as degraded: (.*,)?mdwe\n"));
  constexpr int kGetMdwe = 66;
  if (::prctl(kGetMdwe, 0, 0, 0, 0) < 0) return;  // before 6.3 it is missing anyway
  const Outcome with = run_without("reboot=EPERM", {}, kMapWritableAndExecutable);
  EXPECT_EQ(with.out, "held\n") << with.err;
  EXPECT_THAT(with.err, Not(HasSubstr("mdwe")));
}

constexpr const char* kNoRing = "io_uring_setup=EPERM";

TEST_P(FailOpen, without_io_uring_it_refuses_unless_told_to_go_without_primitives) {
  expect_refused(run_without(kNoRing), {"io_uring_setup", "EPERM", "--degrade broker"});
  const Outcome without = run_without(kNoRing, {"--degrade", "broker", "--events", world().root() + "/events"},
                                      "test -e /dev/alos || echo none; echo \"${ALOS_SOCKET-unset}\"");
  EXPECT_EQ(without.code, 0) << without.err;
  EXPECT_EQ(without.out, "none\nunset\n");
  EXPECT_THAT(without.err, testing::ContainsRegex("as degraded: (.*,)?broker\n")) << "going without is printed";
  EXPECT_THAT(world().read(world().root() + "/events"), testing::ContainsRegex(R"("not_held":"([a-z,]*,)?broker")"));
  const Outcome with = run_without("reboot=EPERM", {"--degrade", "broker"}, "echo $ALOS_SOCKET");
  EXPECT_EQ(with.out, "/dev/alos\n") << "given up only where it is missing";
}

TEST_P(FailOpen, where_accounts_have_no_user_namespaces_it_refuses_unless_told_to_go_without_primitives) {
  if (GetParam() != Mode::root) return;  // a box of its own would not be there either
  const std::string zero = world().root() + "/zero";
  world().write(zero, "0\n");
  const auto run = [&](const std::string& more) {
    return world().call({"/usr/bin/unshare", "-m", "/bin/sh", "-c",
                         "mount --bind " + zero + " /proc/sys/user/max_user_namespaces && exec " + World::programs() +
                             "/alos run --policy strict " + more + " -- /bin/sh -c 'test -e /dev/alos || echo none'"});
  };
  expect_refused(run(""), {"the broker's root", "EPERM", "max_user_namespaces is 0", "--degrade broker"});
  // A box cannot have a /proc beside one that is covered, as here: so far it comes.
  expect_refused(run("--degrade broker"), {"step 'proc'"});
}

TEST_P(FailOpen, a_ring_that_cannot_be_restricted_is_none) {
  expect_refused(run_without("io_uring_register=EINVAL"), {"io_uring_register", "EINVAL"});
}

TEST_P(FailOpen, without_user_namespaces_it_refuses) {
  expect_refused(run_without(kNoUserNamespaces), {"step '", "user", "namespace", "ENOSPC"});
}

TEST_P(FailOpen, on_a_kernel_whose_notifications_signals_end_directories_are_renamed_all_the_same) {
  world().write("tree/file", "content");
  const Outcome run = run_without("seccomp@1&0x20=EINVAL", {},
                                  "python3 -c 'import os; os.rename(\"tree\", \"moved\")'; cat moved/file");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "content");
}

struct Missing {
  const char* call;
  const char* step;
};

TEST_P(FailOpen, without_a_system_call_that_builds_the_box_it_refuses) {
  // The workspace is opened before there is a launcher.
  expect_refused(run_without("openat2=ENOSYS"), {"openat2", world().workspace(), "ENOSYS"});
  for (const Missing& missing :
       {Missing{"clone3", "clone"}, Missing{"mount_setattr", "sources"}, Missing{"close_range", "descriptors"},
        Missing{"open_tree", "sources"}, Missing{"move_mount", "workspace"}, Missing{"fsopen", "workspace"},
        Missing{"seccomp", "seccomp"}, Missing{"pivot_root", "pivot"}, Missing{"execveat", "exec"},
        Missing{"keyctl", "session"}, Missing{"setsid", "session"},
        Missing{"capset", GetParam() == Mode::root ? "request" : "capabilities"},
        Missing{"sethostname", "host-name"}}) {
    SCOPED_TRACE(missing.call);
    expect_refused(run_without(std::string(missing.call) + "=ENOSYS"),
                   {"step '" + std::string(missing.step) + "'", "ENOSYS"});
  }
}

TEST_P(FailOpen, what_no_rule_of_the_policy_may_lack) {
  const std::string head = "alos: 1\nabout: a probe\nextends: base\nvars: {workspace: dir}\n";
  const struct {
    const char* what;
    std::string text;
    std::vector<std::string> words;
  } probes[] = {
      {"a path that is missing",
       head + "files: {gone: {allow: r, path: /no/such/place/**}}\n",
       {"step 'sources'", "/no/such/place", "ENOENT"}},
      {"a path that is missing, denied",
       head + "files: {gone: {deny: r, path: $workspace/x, except: relative}}\n",
       {"relative"}},
      {"an unknown key", head + "fils: {tree: {allow: r, path: $workspace/**}}\n", {"unknown key 'fils'", ":5:"}},
      {"an unknown key of a rule",
       head + "files: {tree: {allow: r, paths: $workspace/**}}\n",
       {"unknown key 'paths'", ":5:"}},
      {"an unknown limit", head + "limits: {memroy: 1GiB}\n", {"unknown key 'memroy'", ":5:"}},
      {"a duplicate key",
       head + "files:\n  tree: {allow: r, path: $workspace/**}\n  tree: {deny: r, path: $workspace/**}\n",
       {"tree", ":7:"}},
      {"a duplicate key at the top", head + "limits: {wall: 1s}\nlimits: {wall: 9h}\n", {"limits", ":6:"}},
      {"an empty list", head + "files: {secrets: {deny: rwx, path: []}}\n", {"empty list", ":5:"}},
      {"an empty rule", head + "files: {secrets: }\n", {"secrets", ":5:"}},
      {"a limit without its unit", head + "limits: {wall: 10}\n", {"wall", ":5:"}},
      {"a base that is not there", "alos: 1\nabout: a probe\nextends: basis\n", {"basis", ":3:"}},
      {"no policy at all", "", {"probe.yaml"}},
  };
  for (const auto& probe : probes) {
    SCOPED_TRACE(probe.what);
    expect_refused(run_policy(probe.text), probe.words);
  }
}

TEST_P(FailOpen, a_policy_that_would_grow_without_end_is_refused_at_once) {
  std::string bomb = "alos: 1\nabout: a bomb\na0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) bomb += std::string(j ? ", " : "") + "*a" + std::to_string(i - 1);
    bomb += "]\n";
  }
  const auto begun = std::chrono::steady_clock::now();
  expect_refused(run_policy(bomb), {"probe.yaml:3:", "an anchor"});
  expect_refused(run_policy("alos: 1\nabout: deep\nfiles: " + std::string(20'000, '[') + "\n"), {"probe.yaml"});
  expect_refused(run_policy("alos: 1\nabout: " + std::string(8 << 20, 'x') + "\n"), {"probe.yaml"});
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

INSTANTIATE_TEST_SUITE_P(Threat55, FailOpen, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
