#include "supervisor/host/crashes.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/sys.h"

namespace alos::host {
namespace {

// As an ordinary user would have it; as root the log belongs to the supervisor's id.
class Crashes : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-crashes-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    ::chmod(name, 0755);
    where_ = {.state = std::string(name) + "/state", .runtime = std::string(name) + "/run", .cache = ""};
    std::filesystem::create_directories(marks());
  }
  void TearDown() override { std::filesystem::remove_all(std::filesystem::path(where_.state).parent_path()); }
  std::string marks() const { return marks_directory(where_.state); }
  static RunInfo run(const std::string& id) {
    RunInfo out;
    out.id = id;
    out.name = "name of " + id;
    return out;
  }
  std::vector<Crash> taken() const { return take_crashes(where_).value(); }
  Directories where_;
};

TEST_F(Crashes, a_run_that_goes_on_or_ended_is_none) {
  auto mark = RunMark::put(marks(), run("run_1"), "a-1");
  ASSERT_TRUE(mark) << mark.error().text();
  EXPECT_TRUE(taken().empty());
  mark->remove();
  EXPECT_TRUE(std::filesystem::is_empty(marks()));
}

TEST_F(Crashes, one_that_was_killed_is_told_once) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto mark = RunMark::put(marks(), run("run_1"), "a-1");
    ::_exit(mark ? 0 : 1);  // and with it the lock
  }
  int status = 1;
  ::waitpid(pid, &status, 0);
  ASSERT_EQ(status, 0);
  const auto crashes = taken();
  ASSERT_EQ(crashes.size(), 1u);
  EXPECT_EQ(crashes[0].run.name, "name of run_1");
  EXPECT_EQ(crashes[0].how, Crash::How::crash);
  EXPECT_TRUE(taken().empty());
}

TEST_F(Crashes, an_end_that_the_log_did_not_take_is_not_called_a_crash) {
  {
    auto mark = RunMark::put(marks(), run("run_1"), "a-1");
    ASSERT_TRUE(mark);
    mark->unrecorded();
  }
  const auto crashes = taken();
  ASSERT_EQ(crashes.size(), 1u);
  EXPECT_EQ(crashes[0].how, Crash::How::unrecorded);
}

TEST_F(Crashes, a_log_that_takes_nothing_keeps_them_for_later) {
  {
    ASSERT_TRUE(RunMark::put(marks(), run("run_1"), "a-1"));
  }
  std::ofstream(where_.state + "/audit") << "a file where the log would be";
  EXPECT_TRUE(taken().empty());
  std::filesystem::remove(where_.state + "/audit");
  EXPECT_EQ(taken().size(), 1u);
}

TEST_F(Crashes, what_is_no_mark_is_left_alone) {
  for (const char* text : {"", "running ", "running 1\n{", "running 1\n[]", "what\n{}"})
    std::ofstream(marks() + "/" + std::to_string(std::string_view(text).size())) << text;
  EXPECT_TRUE(taken().empty());
}

}  // namespace
}  // namespace alos::host
