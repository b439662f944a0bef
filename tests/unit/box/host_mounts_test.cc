#include "supervisor/box/host_mounts.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace alos::box {
namespace {

constexpr const char* kMounts =
    "20 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "21 20 0:5 / /dev rw - devtmpfs dev rw\n"
    "22 20 254:0 /srv/data /mnt/data rw - ext4 /dev/vda rw\n"
    "23 20 254:0 /etc/key /srv/with\\040blank/key ro - ext4 /dev/vda rw\n"
    "24 20 254:1 / /big rw - xfs /dev/vdb rw\n"
    "25 20 254:1 /home /home rw - xfs /dev/vdb rw\n";

bool twice(const std::vector<std::string>& paths) {
  const auto answer = shown_twice(paths, kMounts);
  EXPECT_TRUE(answer) << answer.error().text();
  return answer && *answer;
}

TEST(ShownTwice, where_a_part_is_mounted_at_another_place_too) {
  EXPECT_TRUE(twice({"/srv/data", "/mnt/data"}));
  EXPECT_TRUE(twice({"/mnt/data/deep", "/srv"}));
  EXPECT_TRUE(twice({"/srv/data/deep", "/mnt"}));
  EXPECT_TRUE(twice({"/etc", "/srv/with blank"})) << "a single file";
  EXPECT_TRUE(twice({"/big", "/home/one"}));
  EXPECT_TRUE(twice({"/srv", "/mnt", "/usr"}));
}

TEST(ShownTwice, not_where_the_parts_are_different_ones) {
  EXPECT_FALSE(twice({"/srv/data/a", "/mnt/data/b"}));
  EXPECT_FALSE(twice({"/usr", "/usr/lib", "/usr/lib/python3"})) << "each at the place that it has in the larger";
  EXPECT_FALSE(twice({"/srv/data", "/usr"}));
  EXPECT_FALSE(twice({"/srv/database", "/mnt/data"}));
  EXPECT_FALSE(twice({"/home/one", "/big/other"}));
  EXPECT_FALSE(twice({"/mnt", "/mnt/data"}));
  EXPECT_FALSE(twice({}));
}

TEST(ShownTwice, is_an_error_where_mounts_cannot_be_understood) {
  EXPECT_EQ(shown_twice({"/"}, "20 1 254:0\n").error().code, EBADMSG);
}

TEST(ShownTwice, reads_this_machine) {
  EXPECT_TRUE(shown_twice({"/usr"}));
}

}  // namespace
}  // namespace alos::box
