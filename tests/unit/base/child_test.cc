#include "base/child.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace alos::sys {
namespace {

using testing::ElementsAre;
using testing::IsNull;
using testing::StrEq;

TEST(PointersTo, are_to_every_word_and_end) {
  std::vector<std::string> words{"program", "", "a b"};
  EXPECT_THAT(pointers_to(words), ElementsAre(StrEq("program"), StrEq(""), StrEq("a b"), IsNull()));
  EXPECT_EQ(pointers_to(words)[0], words[0].data());
  words.clear();
  EXPECT_THAT(pointers_to(words), ElementsAre(IsNull()));
}

pid_t child_that(int signal_or_code, useconds_t after_us = 0) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (after_us != 0) ::usleep(after_us);
  if (signal_or_code < 0) ::kill(::getpid(), -signal_or_code);
  ::_exit(signal_or_code);
}

TEST(WaitFor, gives_the_status_of_that_child_alone) {
  const pid_t first = child_that(3), second = child_that(-SIGKILL);
  const int killed = wait_for(second).value(), ended = wait_for(first).value();
  EXPECT_TRUE(WIFSIGNALED(killed) && WTERMSIG(killed) == SIGKILL);
  EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == 3);
}

TEST(WaitFor, goes_on_after_a_signal) {
  static volatile sig_atomic_t alarms = 0;
  struct sigaction handler{}, before{};
  handler.sa_handler = [](int) { alarms = alarms + 1; };  // without SA_RESTART
  ASSERT_EQ(::sigaction(SIGALRM, &handler, &before), 0);
  const pid_t child = child_that(7, 200'000);
  const itimerval often{{0, 20'000}, {0, 20'000}}, never{};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  const auto status = wait_for(child);
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  ASSERT_TRUE(status);
  EXPECT_EQ(WEXITSTATUS(*status), 7);
  EXPECT_GT(alarms, 0) << "no signal came";
}

TEST(WaitFor, takes_no_other_child_where_it_is_given_none) {
  const pid_t other = child_that(0);
  EXPECT_EQ(wait_for(-1).error().code, ECHILD);
  EXPECT_EQ(wait_for(0).error().code, ECHILD);
  EXPECT_EQ(wait_for(::getpid()).error().code, ECHILD);
  EXPECT_TRUE(wait_for(other));
  EXPECT_EQ(wait_for(other).error().code, ECHILD);
}

}  // namespace
}  // namespace alos::sys
