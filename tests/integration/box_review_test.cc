// What a hostile reading of the box found, each as it was shown.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <sstream>

#include "base/sys.h"
#include "tests/integration/harness.h"

namespace alos::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr uid_t kStranger = 61'984;

class BoxReview : public InBothModes {
 protected:
  // As root a direct workspace must belong to somebody else.
  void give_workspace_away() {
    if (GetParam() != Mode::root) return;
    const std::string top = world().workspace();
    ASSERT_EQ(::lchown(top.c_str(), kStranger, kStranger), 0);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top))
      ASSERT_EQ(::lchown(entry.path().c_str(), kStranger, kStranger), 0);
  }
  void give_homes_away() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(world().state() + "/homes"))
      if (entry.path().filename() == "lasting") {
        ASSERT_EQ(::lchown(entry.path().c_str(), kStranger + 1, kStranger + 1), 0);
      }
  }
  std::string workspace_policy(const std::string& mode, const std::string& more = "") {
    return world().policy("with-" + mode, "alos: 1\nabout: " + mode +
                                              "\nextends: [base]\nvars: {workspace: dir}\nworkspace: " + mode + "\n" +
                                              more + "files:\n  all: {allow: rwx, path: $workspace/**}\n");
  }
};

// Device nodes are what the box is given devices for, and ptys are no use without.
bool shows_devices(const std::string& mount_point) {
  for (const char* device :
       {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts"})
    if (mount_point == device) return true;
  return false;
}

TEST_P(BoxReview, no_mount_lets_setuid_or_device_files_work) {
  for (const std::string mode : {"layer", "copy", "direct"}) {
    give_workspace_away();
    const std::string policy = workspace_policy(mode, "home: {keep: lasting}\n");
    ASSERT_EQ(world().shell(policy, "true").code, 0) << mode;
    if (GetParam() == Mode::root) give_homes_away();  // of another id than the next box's: it is mapped then
    const Outcome run = world().shell(policy, "cat /proc/self/mountinfo");
    ASSERT_EQ(run.code, 0) << mode << run.err;
    std::istringstream lines(run.out);
    int mounts = 0;
    bool home = false, workspace = false;
    for (std::string line; std::getline(lines, line); ++mounts) {
      // "36 35 98:0 /root /mount/point options... - type source super-options" (proc_pid_mountinfo(5))
      std::istringstream words(line);
      std::string id, parent, device, root, point, options;
      words >> id >> parent >> device >> root >> point >> options;
      options += ",";
      EXPECT_THAT(options, HasSubstr("nosuid,")) << mode << ": " << line;
      EXPECT_TRUE(shows_devices(point) || options.contains("nodev,")) << mode << ": " << line;
      home = home || point == "/home/agent";
      workspace = workspace || point == world().workspace();
    }
    EXPECT_GT(mounts, 20) << mode;
    EXPECT_TRUE(home && workspace) << run.out;
  }
}

INSTANTIATE_TEST_SUITE_P(Found, BoxReview, testing::Values(Mode::root, Mode::rootless), NameOfMode());

}  // namespace
}  // namespace alos::test
