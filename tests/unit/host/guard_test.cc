#include "supervisor/host/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace alos::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Guard : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/alos-guard-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    std::filesystem::create_directories(dir_ + "/home/me/work");
    std::filesystem::create_directories(dir_ + "/state");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(Guard, what_contains_lies_below_or_is_aloss_own_is_refused) {
  const std::vector<Protected> own{{"state", dir_ + "/state"}};
  for (const std::string& path : {dir_, dir_ + "/state", std::string("/")})
    EXPECT_THAT(refuse_own_files({path}, own).error().text(), HasSubstr("contains alos's own state")) << path;
  std::filesystem::create_directories(dir_ + "/state/layers");
  EXPECT_THAT(refuse_own_files({dir_ + "/state/layers"}, own).error().text(), HasSubstr("lies below"));
  EXPECT_TRUE(refuse_own_files({dir_ + "/home", dir_ + "/nowhere"}, own));
}

TEST_F(Guard, another_name_of_it_is_seen_through) {
  std::filesystem::create_directory_symlink(dir_ + "/state", dir_ + "/home/link");
  EXPECT_FALSE(refuse_own_files({dir_ + "/home/link"}, {{"state", dir_ + "/state"}}));
}

TEST_F(Guard, what_is_not_there_yet_is_guarded_where_it_will_be) {
  const std::vector<Protected> own{{"configuration", dir_ + "/etc/alos/deep"}};
  EXPECT_THAT(refuse_own_files({dir_}, own).error().text(), HasSubstr("alos's own configuration"));
  EXPECT_TRUE(refuse_own_files({dir_ + "/home"}, own));
}

TEST_F(Guard, a_home_and_what_is_above_it_is_no_workspace) {
  const std::string home = dir_ + "/home/me";
  const std::vector<Home> homes{{"your home", home}};
  for (const std::string& whole : {home, dir_ + "/home", dir_, home + "/"})
    EXPECT_THAT(refuse_whole_home(whole, homes).error().text(), HasSubstr("your home")) << whole;
  EXPECT_TRUE(refuse_whole_home(home + "/work", homes));
  EXPECT_TRUE(refuse_whole_home(dir_ + "/state", homes));
}

TEST_F(Guard, any_home_counts_by_any_name_of_it) {
  std::filesystem::create_directories(dir_ + "/elsewhere/you");
  std::filesystem::create_directory_symlink(dir_ + "/elsewhere/you", dir_ + "/home/you");
  const std::vector<Home> homes{{"your home", dir_ + "/home/me"}, {"the home of 'you'", dir_ + "/home/you"}};
  for (const std::string& whole : {dir_ + "/home/you", dir_ + "/elsewhere/you", dir_ + "/elsewhere"})
    EXPECT_THAT(refuse_whole_home(whole, homes).error().text(), HasSubstr("the home of 'you'")) << whole;
}

TEST_F(Guard, without_a_home_only_the_root_is_refused) {
  EXPECT_THAT(refuse_whole_home("/", {}).error().text(), HasSubstr("whole machine"));
  EXPECT_TRUE(refuse_whole_home(dir_, {}));
  EXPECT_TRUE(refuse_whole_home(dir_, {{"your home", dir_ + "/gone"}})) << "a home that is not there holds nothing";
  EXPECT_TRUE(refuse_whole_home(dir_, {{"a service's", "/"}})) << "only the root holds that";
}

TEST_F(Guard, homes_are_the_callers_and_those_of_people) {
  std::ofstream(dir_ + "/passwd") << "root:x:0:0::/root:/bin/sh\nservice:x:102:1::/srv:/bin/sh\n"
                                     "caller:x:501:1::/home/caller:/bin/sh\nme:x:1000:1::/home/me:/bin/sh\n"
                                     "none:x:1001:1::relative:/bin/sh\n";
  const auto paths = [&](const std::string& mine, const std::string& sudo_uid) {
    std::vector<std::string> out;
    const auto homes = homes_of_people(mine, sudo_uid, dir_ + "/passwd");
    for (const Home& home : homes.value()) out.push_back(home.path);
    return out;
  };
  EXPECT_THAT(paths("/mine", ""), ElementsAre("/mine", "/root", "/home/me"));
  EXPECT_THAT(paths("", "501"), ElementsAre("/root", "/home/caller", "/home/me"));
  EXPECT_EQ(homes_of_people("", "", dir_ + "/none").value().size(), 0u) << "a machine without accounts";
  EXPECT_FALSE(homes_of_people("", "", dir_)) << "what cannot be read may name any";
}

}  // namespace
}  // namespace alos::host
