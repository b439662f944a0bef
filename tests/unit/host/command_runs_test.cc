#include "supervisor/host/command_runs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

namespace alos::host {
namespace {

using box::LauncherReport;

class Commands : public testing::Test {
 protected:
  Commands() {
    auto pair = sys::socketpair(SOCK_SEQPACKET);
    launcher_ = std::move(pair->a);
    other_ = std::move(pair->b);
  }
  ~Commands() override {
    for (const auto& [number, pid] : alive_) {
      ::kill(pid, SIGKILL);  // children of this process that nobody has reaped
      ::waitpid(pid, nullptr, 0);
    }
  }
  void want(uint32_t number) {
    std::vector<UniqueFd> stdio;
    for (int i = 0; i < 3; ++i) stdio.push_back(std::move(*sys::open("/dev/null", O_RDWR)));
    broker::WantRun wanted;
    wanted.run = number;
    wanted.argv = {"/bin/true"};
    runs_.want(launcher_, wanted, std::move(stdio));
  }
  // A child stands for the first process of the box.
  void starts(uint32_t number) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
    alive_[number] = pid;
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(*sys::pidfd_open(pid)));
    auto control = sys::socketpair(SOCK_SEQPACKET);
    fds.push_back(std::move(control->a));
    inits_[number] = std::move(control->b);
    LauncherReport report;
    report.kind = LauncherReport::Kind::run_started;
    report.run = number;
    report.pid = pid;
    runs_.heard(report, std::move(fds));
  }
  void fails(uint32_t number) {
    LauncherReport report;
    report.kind = LauncherReport::Kind::run_failed;
    report.run = number;
    report.error = ENOENT;
    runs_.heard(report, {});
  }
  void ends(uint32_t number) {
    ::kill(alive_[number], SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(alive_[number]), &info, WEXITED | WNOWAIT);
    alive_.erase(number);
    inits_.erase(number);
  }

  UniqueFd launcher_, other_;
  std::vector<uint32_t> ended_;
  std::map<uint32_t, int> started_;  // and the error
  CommandRuns runs_{{.started = [this](const broker::RunStarted& run, const UniqueFd&) -> Result<void> {
                       if (run.error == 0 && untold_) return fail("sendmsg", "listener", ETOOMANYREFS);
                       started_[run.run] = run.error;
                       return {};
                     },
                     .ended =
                         [this](const broker::RunEnded& run) {
                           ended_.push_back(run.run);
                           executed_[run.run] = run.executed;
                         }}};
  bool untold_ = false;
  std::map<uint32_t, bool> executed_;
  void look_once() {
    std::vector<pollfd> fds;
    runs_.add_to(fds);
    ASSERT_GT(::poll(fds.data(), fds.size(), 1000), 0);
    runs_.look(fds);
  }
  std::map<uint32_t, pid_t> alive_;
  std::map<uint32_t, UniqueFd> inits_;
};

// What is ready was polled before the launcher was heard: another one's failure must not make it look like somebody
// else's, of whom nothing is to be read.
TEST_F(Commands, one_that_fails_between_poll_and_look_moves_no_other) {
  for (uint32_t number = 1; number <= 4; ++number) want(number);
  for (uint32_t number = 2; number <= 4; ++number) starts(number);
  ends(3);
  std::vector<pollfd> fds;
  runs_.add_to(fds);
  ASSERT_GT(::poll(fds.data(), fds.size(), 1000), 0);
  fails(1);
  ::alarm(20);  // it would wait for ever
  runs_.look(fds);
  ::alarm(0);
  EXPECT_EQ(started_[1], ENOENT);
  EXPECT_THAT(ended_, testing::ElementsAre(3));
  for (const uint32_t number : {2U, 4U}) ends(number);
  fds.clear();
  runs_.add_to(fds);
  ASSERT_GT(::poll(fds.data(), fds.size(), 1000), 0);
  runs_.look(fds);
  EXPECT_THAT(ended_, testing::UnorderedElementsAre(3, 2, 4));
}

// Every broker of a run numbers its commands from 1 on, and those of one that died take a while to end.
TEST_F(Commands, those_of_a_broker_that_died_are_not_the_next_one_s) {
  want(1);
  want(2);
  starts(1);
  started_.clear();
  runs_.end_all(launcher_);
  want(1);
  EXPECT_THAT(started_, testing::IsEmpty()) << "its number is not free";
  starts(2);  // the dead one's second, by the launcher's numbers
  EXPECT_THAT(started_, testing::IsEmpty());
  starts(3);
  EXPECT_THAT(started_, testing::ElementsAre(testing::Pair(1, 0)));
  want(1);
  EXPECT_EQ(started_[1], EEXIST);
  for (const uint32_t number : {1U, 2U}) ends(number);
  std::vector<pollfd> fds;
  runs_.add_to(fds);
  ASSERT_GT(::poll(fds.data(), fds.size(), 1000), 0);
  runs_.look(fds);
  EXPECT_THAT(ended_, testing::IsEmpty());
  ends(3);
  fds.clear();
  runs_.add_to(fds);
  ASSERT_GT(::poll(fds.data(), fds.size(), 1000), 0);
  runs_.look(fds);
  EXPECT_THAT(ended_, testing::ElementsAre(1));
}

TEST_F(Commands, one_is_ended_by_its_brokers_number) {
  want(1);
  starts(1);
  runs_.end_all(launcher_);
  for (const uint32_t number : {7U, 8U}) want(number);
  runs_.end(launcher_, 8);
  box::LauncherOrder order;
  do {
    ASSERT_TRUE(sys::receive_message(other_.get(), std::as_writable_bytes(std::span(&order, 1)), 4));
  } while (order.kind != box::LauncherOrder::Kind::end_run || order.run == 1);
  EXPECT_EQ(order.run, 3);
  ends(1);
}

TEST_F(Commands, one_that_was_not_told_to_start_its_program_has_not_run) {
  for (const uint32_t number : {1U, 2U}) want(number);
  runs_.end(launcher_, 1);
  starts(1);
  starts(2);
  for (const uint32_t number : {1U, 2U}) ends(number);
  look_once();
  EXPECT_THAT(ended_, testing::UnorderedElementsAre(1, 2));
  EXPECT_FALSE(executed_[1]);
  EXPECT_TRUE(executed_[2]) << "it may have";
}

TEST_F(Commands, one_that_its_broker_cannot_be_told_of_is_none) {
  want(1);
  untold_ = true;
  starts(1);
  EXPECT_EQ(started_[1], ETOOMANYREFS);
  pollfd told{.fd = inits_[1].get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&told, 1, 1000), 1);
  char byte = 0;
  EXPECT_EQ(::recv(inits_[1].get(), &byte, 1, MSG_DONTWAIT), 0) << "its socket is over, and no order came";
  ends(1);
  look_once();
  EXPECT_THAT(ended_, testing::IsEmpty()) << "it was told to have failed";
}

// A readiness that is none (poll(2), BUGS of select(2)) is not waited on.
TEST_F(Commands, nothing_is_waited_for) {
  want(1);
  starts(1);
  std::vector<pollfd> fds;
  runs_.add_to(fds);
  for (pollfd& fd : fds) fd.revents = POLLIN;
  ::alarm(20);
  runs_.look(fds);
  ::alarm(0);
  EXPECT_THAT(ended_, testing::IsEmpty());
}

}  // namespace
}  // namespace alos::host
