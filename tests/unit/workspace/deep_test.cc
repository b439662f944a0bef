#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

// Longer than PATH_MAX either way.
#ifdef ALOS_LONG
constexpr size_t kLevels = 10'000;
constexpr const char* kName = "d";
#else
constexpr size_t kLevels = 400;
constexpr const char* kName = "a-directory-with-a-longer-name";
#endif

class Deep : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, Deep, testing::Values(Kernel::user_overlay, Kernel::root_overlay, Kernel::plain_copy),
                         kernel_name);

TEST_P(Deep, levels_far_beyond_any_path_limit_are_walked_applied_and_dropped) {
  run([](World& world) {
    const auto dig = [] {
      for (size_t i = 0; i < kLevels; ++i) ASSERT_TRUE(::mkdir(kName, 0755) == 0 && ::chdir(kName) == 0) << i;
      write("bottom", "x");
    };
    world.agent(dig);
    EXPECT_EQ(world.changes().size(), kLevels + 1);
    const ApplyReport report = world.apply();
    EXPECT_EQ(report.count(Outcome::applied), kLevels + 1);
    EXPECT_FALSE(report.pending);
    world.agent([&] {
      ASSERT_TRUE(::mkdir("again", 0755) == 0 && ::chdir("again") == 0);
      dig();
    });
    world.undo();
    EXPECT_TRUE(world.changes().empty());
  });
}

}  // namespace
}  // namespace alos::workspace
