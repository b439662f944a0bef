// What a box of a command with more rights has covered.
#include "supervisor/box/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alos::box {
namespace {

using policy::BoxCommand;
using policy::BoxMask;
using policy::BoxMount;
using policy::BoxPlan;
using policy::kAll;
using policy::kRead;
using testing::ElementsAre;

BoxMount mount(const std::string& path, policy::Rights rights, bool tree = true) {
  return {path, false, tree, rights, false, "m", {"p.yaml", 1, 1}};
}

BoxMask mask(const std::string& pattern, const std::string& rule, std::vector<std::string> except = {}) {
  return {pattern, std::move(except), kAll, false, rule, "", {"p.yaml", 2, 1}};
}

BoxCommand command(const std::string& usage) {
  return {"show", usage, "/usr/bin/cat", {mount("/opt/data", kRead)}, {}, {}};
}

TEST(Command, has_what_exceptions_leave_out_and_nothing_that_is_denied) {
  BoxPlan agents;
  agents.masks = {mask("/opt/data/**", "all"), mask("/opt/**/keys/**", "keys"), mask("/opt/data/x", "no"),
                  mask("/srv/**", "other")};
  BoxCommand own = command("/usr/bin/cat");
  own.masks = {mask("/opt/data/x", "no"), mask("/opt/**/*.secret", "secrets")};
  const BoxPlan out = plan_of_command(agents, own);
  std::vector<std::string> said;
  for (const BoxMask& each : out.masks) {
    said.push_back(each.pattern);
    for (const std::string& except : each.except) said.back() += " but " + except;
  }
  EXPECT_THAT(said, ElementsAre("/opt/**/keys/** but /opt/data/**", "/opt/data/x", "/srv/**", "/opt/data/x",
                                "/opt/**/*.secret"));
}

}  // namespace
}  // namespace alos::box
