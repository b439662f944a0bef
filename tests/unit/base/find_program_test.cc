#include "base/find_program.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace alos {
namespace {

namespace fs = std::filesystem;

class FindProgram : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-path-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    before_ = fs::current_path();
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(top_);
  }
  void put(const std::string& file, fs::perms mode = fs::perms::owner_all) const {
    const fs::path path = top_ + "/" + file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "#!/bin/sh\n";
    fs::permissions(path, mode);
  }
  static std::string find(const std::string& program, const std::string& path) {
    char found[PATH_MAX];
    return find_program(program, path, found) ? found : "none";
  }

  std::string top_;
  fs::path before_;
};

TEST_F(FindProgram, takes_the_first_directory_that_has_it) {
  put("b/tool"), put("c/tool");
  EXPECT_EQ(find("tool", top_ + "/a:" + top_ + "/b:" + top_ + "/c"), top_ + "/b/tool");
  EXPECT_EQ(find("tool", top_ + "/a:" + top_ + "/c"), top_ + "/c/tool");
  EXPECT_EQ(find("other", top_ + "/a:" + top_ + "/b"), "none");
}

TEST_F(FindProgram, passes_over_what_cannot_be_started) {
  put("a/tool", fs::perms::owner_read);
  fs::create_directories(top_ + "/b/tool");
  fs::create_directories(top_ + "/c");
  fs::create_symlink("nowhere", top_ + "/c/tool");
  put("d/tool");
  EXPECT_EQ(find("tool", top_ + "/a:" + top_ + "/b:" + top_ + "/c:" + top_ + "/d"), top_ + "/d/tool");
  EXPECT_EQ(find(top_ + "/a/tool", ""), "none");
  EXPECT_EQ(find(top_ + "/b/tool", ""), "none");
}

TEST_F(FindProgram, searches_only_for_names_without_a_slash) {
  put("a/tool");
  fs::current_path(top_);
  EXPECT_EQ(find(top_ + "/a/tool", "/nowhere"), top_ + "/a/tool");
  EXPECT_EQ(find("a/tool", "/nowhere"), "a/tool");
  EXPECT_EQ(find("a/tool", top_), "a/tool");
  EXPECT_EQ(find("./tool", top_ + "/a"), "none");
}

TEST_F(FindProgram, takes_an_empty_directory_for_the_current_one) {
  put("tool");
  fs::current_path(top_);
  for (const char* path : {"", ":/nowhere", "/nowhere:", "/nowhere::/nowhere"})
    EXPECT_EQ(find("tool", path), "./tool") << path;
  EXPECT_EQ(find("tool", "/nowhere"), "none");
}

TEST_F(FindProgram, finds_nothing_by_no_name_or_one_that_is_no_path) {
  put("a/tool");
  EXPECT_EQ(find("", top_ + "/a"), "none");
  EXPECT_EQ(find("", ""), "none");
  EXPECT_EQ(find("/" + std::string(PATH_MAX, 'x'), ""), "none");
  EXPECT_EQ(find("tool", std::string(PATH_MAX, '/') + ":" + top_ + "/a"), top_ + "/a/tool") << "the rest is searched";
}

}  // namespace
}  // namespace alos
