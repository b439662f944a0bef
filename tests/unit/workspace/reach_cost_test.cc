#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <string>

#include "base/sys.h"
#include "supervisor/workspace/reach.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

// The agent chooses how many links lead to a directory and how many files it has: what one costs must not depend on the
// other.
TEST(ReachCost, looks_at_few_names_for_each_path_of_a_directory_with_too_many) {
  constexpr uint64_t kMany = 2'000;
  char root[] = "/tmp/alos-reach-XXXXXX";
  ASSERT_NE(::mkdtemp(root), nullptr);
  std::vector<Reach::Link> links;
  for (uint64_t i = 0; i < kMany; ++i) links.push_back({"links/makefile." + std::to_string(i), "../d"});
  Tree host(std::move(*sys::open(root, O_RDONLY | O_DIRECTORY)));
  const auto reach = Reach::find(host, root, links, {}, {});
  ASSERT_TRUE(reach);
  Node file;
  file.type = Type::file, file.mode = 0644;
  for (uint64_t i = 0; i < kMany; ++i) {
    const std::string path = "d/" + std::to_string(i);
    const std::vector<Flag> flags = reach->flags({path, {}, file, {}, {}});
    ASSERT_EQ(flags.size(), 1u);
    ASSERT_THAT(flags[0].reason, HasSubstr("than can be followed"));
    EXPECT_EQ(reach->denied(path, [](std::string_view) { return std::nullopt; }), std::nullopt);
  }
  EXPECT_LE(reach->visits(), 4 * kMany);
  ::rmdir(root);
}

// A chain of links has forty ends for each.
TEST(ReachCost, keeps_no_more_of_what_links_lead_to_than_fits_in_memory) {
  char root[] = "/tmp/alos-reach-XXXXXX";
  ASSERT_NE(::mkdtemp(root), nullptr);
  std::vector<Reach::Link> links;
  for (size_t i = 0; i < 80'000; ++i) links.push_back({"l" + std::to_string(i), "l" + std::to_string(i + 1)});
  Tree host(std::move(*sys::open(root, O_RDONLY | O_DIRECTORY)));
  const auto reach = Reach::find(host, root, links, {}, {});
  ASSERT_TRUE(reach);
  Node file;
  file.type = Type::file, file.mode = 0644;
  const std::vector<Flag> flags = reach->flags({"plain", {}, file, {}, {}});
  ASSERT_EQ(flags.size(), 1u) << "where it was not followed to the end nothing is safe";
  EXPECT_THAT(flags[0].reason, HasSubstr("than can be followed"));
  EXPECT_LE(reach->kept(), 513u << 20);
  ::rmdir(root);
}

}  // namespace
}  // namespace alos::workspace
