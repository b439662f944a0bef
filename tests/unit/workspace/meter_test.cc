#include "supervisor/workspace/meter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/sys.h"

namespace alos::workspace {
namespace {

// On the file system of /tmp and not in memory: ext4 seeks in a directory of one block by hashes of its names, and
// answers EINVAL to a saved position when the block is gone.
TEST(Meter, counts_nothing_of_a_directory_that_is_removed_while_it_reads_it) {
  char root[] = "/tmp/alos-meter-XXXXXX";
  ASSERT_NE(::mkdtemp(root), nullptr);
  const auto fd = sys::open(root, O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(fd);
  for (const uint64_t names : {20, 5000}) {
    const std::string some = std::string(root) + "/some";
    ASSERT_EQ(::mkdir(some.c_str(), 0755), 0);
    for (uint64_t i = 0; i < names; ++i) ASSERT_EQ(::symlink("x", (some + "/" + std::to_string(i)).c_str()), 0);
    Meter meter(std::move(*sys::dup(fd->get())));
    while (meter.charged() < std::min<uint64_t>(names, 500) * Meter::kPerName) meter.step(1);
    EXPECT_EQ(meter.rounds(), 0u) << "it has not come to its end";
    EXPECT_TRUE(remove_tree(fd->get(), "some"));
    while (meter.failure().empty() && meter.rounds() < 2) meter.step(100);
    EXPECT_EQ(meter.failure(), "") << names;
  }
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace alos::workspace
