#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "supervisor/box/cgroup_view.h"

namespace alos::test {

// A machine's cgroups as plain files in a directory of the test's own. The kernel's part (files that appear with a
// group, rules about who may be where) is not played: tests say what is there.
class FakeCgroups : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-cgroups-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    ::chmod(name, 0755);
    files_ = {.mountinfo = dir_ + "/mountinfo",
              .cgroup = dir_ + "/cgroup",
              .systemd = dir_ + "/systemd",
              .busctl = dir_ + "/busctl"};
    std::filesystem::create_directory(dir_ + "/fs");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string at(const std::string& path) const { return dir_ + "/fs" + path; }
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  // A group of v2 at `path` below the mount; "" is the root.
  void group(const std::string& path, const std::string& controllers, const std::string& processes = "") const {
    write(at(path) + "/cgroup.controllers", controllers + "\n");
    write(at(path) + "/cgroup.subtree_control", "");
    write(at(path) + "/cgroup.procs", processes);
    if (!path.empty()) write(at(path) + "/cgroup.type", "domain\n");
  }
  void mounted_v2(const std::string& own, const std::string& root = "/") const {
    write(files_.mountinfo, "30 20 0:26 " + root + " " + dir_ + "/fs rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
    write(files_.cgroup, "0::" + own + "\n");
  }

  std::string dir_;
  box::MachineFiles files_;
};

}  // namespace alos::test
