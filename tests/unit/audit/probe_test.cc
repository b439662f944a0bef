#include "supervisor/host/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>

#include "base/sys.h"
#include "supervisor/box/limit_holders.h"
#include "supervisor/host/trial.h"

namespace alos::host {
namespace {

class ProbeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-probe-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    ::chmod(name, 0755);
  }
  void TearDown() override { EXPECT_EQ(::rmdir(dir_.c_str()), 0) << "the probe left something in its directory"; }
  std::string dir_;
};

// The cgroups of this process's probes; other tests probe meanwhile.
std::set<std::string> groups() {
  const std::string name = "alos-probe-" + std::to_string(::getpid()) + "-";
  std::set<std::string> out;
  std::error_code gone;
  for (std::filesystem::recursive_directory_iterator at("/sys/fs/cgroup", gone), end; at != end; at.increment(gone))
    if (at->path().filename().string().starts_with(name)) out.insert(at->path());
  return out;
}

TEST_F(ProbeTest, leaves_nothing_behind) {
  const auto descriptors = [] { return sys::list(sys::open("/proc/self/fd", O_RDONLY | O_DIRECTORY)->get())->size(); };
  const size_t before = descriptors();
  const auto facts = probe(dir_);
  ASSERT_TRUE(facts) << facts.error().text();
  EXPECT_EQ(descriptors(), before);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
  EXPECT_TRUE(groups().empty());
  EXPECT_EQ(facts->directory, dir_);
}

TEST_F(ProbeTest, a_directory_that_is_not_there_yet_is_judged_by_the_one_above) {
  EXPECT_EQ(probe(dir_ + "/state/alos")->directory, dir_);
}

TEST_F(ProbeTest, what_it_says_of_namespaces_is_so) {
  const auto facts = probe(dir_);
  ASSERT_TRUE(facts);
  const auto outcome = try_in_child(CLONE_NEWUSER, [] { return worked(); });
  ASSERT_TRUE(outcome);
  if (facts->user_namespace.there()) {
    EXPECT_TRUE(outcome->worked());
  }
}

// Runs `body` in a child where the given system calls answer `error`, as on another kernel or in a container.
template <class F>
int without(std::initializer_list<long> calls, int error, F body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (const long call : calls) {
      program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1));
      program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) ::_exit(99);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

TEST_F(ProbeTest, a_system_call_that_is_taken_away_is_missed) {
  const int code =
      without({SYS_openat2, SYS_landlock_create_ruleset, SYS_clone3, SYS_close_range, SYS_mount_setattr, SYS_execveat,
               SYS_pidfd_open, SYS_io_uring_setup},
              ENOSYS, [&] {
                const auto facts = probe(dir_);
                if (!facts) return 1;
                int bit = 2;
                for (const Fact* fact : {&facts->openat2, &facts->landlock, &facts->clone3, &facts->close_range,
                                         &facts->execveat, &facts->pidfd, &facts->io_uring}) {
                  if (fact->state != State::no || fact->detail.find("ENOSYS") == std::string::npos) return bit;
                  ++bit;
                }
                if (facts->landlock_abi != 0) return 20;
                if (facts->user_namespace.there() && facts->mount_setattr.state != State::no) return 21;
                return facts->openat2.remedy.empty() ? 22 : 0;
              });
  EXPECT_EQ(code, 0);
}

TEST_F(ProbeTest, where_namespaces_are_forbidden_what_needs_them_is_not_called_missing) {
  const int code = without({SYS_unshare}, EPERM, [&] {
    const auto facts = probe(dir_);
    if (!facts || facts->user_namespace.state != State::no || facts->user_namespace.remedy.empty()) return 1;
    for (const Fact* fact : {&facts->mount_namespace, &facts->procfs, &facts->overlay, &facts->fsopen})
      if (fact->state != State::unknown || fact->detail != kUntried) return 2;
    return 0;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(ProbeTest, an_ordinary_user_is_judged_as_one) {
  if (::geteuid() != 0) return;  // the others ran as one already
  ASSERT_EQ(::chown(dir_.c_str(), kNobody, kNobody), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(1);
    ::prctl(PR_SET_DUMPABLE, 1);  // its children's /proc files belong to it again
    const auto facts = probe(dir_);
    if (!facts || facts->uid != kNobody) ::_exit(2);
    // Here nothing delegates cgroups to nobody.
    if (box::who_holds(facts->machine)[0] != box::By::nothing) ::_exit(3);
    if (box::find_foothold(facts->machine).reason.empty()) ::_exit(4);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace alos::host
