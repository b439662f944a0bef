// Plans of boxes against decide(), on generated policies; ALOS_PAIRS as in property_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "policy/plan.h"
#include "policy/planned_box.h"
#include "policy/way.h"
#include "tests/unit/policy/property.h"

namespace alos::policy::test {
namespace {

// Loading refuses allows of the box's own places, and of what lies around them.
bool lies_apart(const std::vector<PlainRule>& rules) {
  const Pattern dev = *Pattern::parse("/dev/**");
  return std::ranges::all_of(rules, [&](const PlainRule& rule) {
    return rule.effect == Effect::deny || std::ranges::all_of(rule.paths, [&](const std::string& text) {
             const Pattern path = *Pattern::parse(text);
             return !path.overlaps(dev) && !path.matches("/") && !path.matches("/tmp");
           });
  });
}

// Letters that mounts can give and take.
void take_letters(std::vector<PlainRule>& rules, Generator& make) {
  constexpr std::array kAllows{kRead, kRead | kWrite, kRead | kExecute, kAll};
  constexpr std::array kDenies{kAll, kWrite, kExecute, kWrite | kExecute};
  for (PlainRule& rule : rules) {
    const auto n = static_cast<size_t>(make.below(4));
    rule.rights = rule.effect == Effect::deny ? kDenies[n] : kAllows[n];
  }
}

struct Seen {
  int planned = 0, allowed = 0, refused = 0, brokered = 0, covered = 0;
};

// Holds the plan of `rules`, if there is one, against decide().
template <class MakePath>
void compare(const std::vector<PlainRule>& rules, Generator& make, MakePath make_path, Seen& seen) {
  Policy policy = build(rules).policy();
  if (make.below(3)) policy.workspace_mode = WorkspaceMode::layer, policy.workspace = "/a";
  const CompiledPolicy compiled = compile(std::move(policy));
  const auto made = plan_box(compiled);
  if (!made) return;  // refused with a reason; nothing to keep
  ++seen.planned;
  const PlannedBox box(*made);
  for (int i = 0; i < 40; ++i) {
    const std::string path = make_path();
    const Right right = std::array{Right::read, Right::write, Right::execute}[static_cast<size_t>(make.below(3))];
    const Request request = *Request::file(right, path);
    const PlannedBox::Kept kept = box.kept(right, path);
    const Decision decision = decide(compiled, request);
    if (decision.rule && decision.rule->brokered) {
      ASSERT_FALSE(kept.allowed) << "a use that nobody records\n" << shown(rules, request);
      ASSERT_FALSE(covered_on_way(compiled, right, path)) << "primitives reach it\n" << shown(rules, request);
      ++seen.brokered;
      continue;
    }
    if (!kept.mounted) continue;
    if (decision.layer == Layer::built_in) continue;  // the box's own, which no plan lists
    const bool decided = decision.effect == Effect::allow;
    const bool leaks = kept.allowed && !decided, covered_above = !kept.covered.empty() && kept.covered != path;
    ASSERT_FALSE(leaks) << shown(rules, request);
    if (!box.globs() && !covered_above) {
      ASSERT_EQ(kept.allowed, decided) << shown(rules, request);
    }
    if (!box.globs() && decided && (kept.mask || kept.allowed)) {
      const auto above = covered_on_way(compiled, right, path);
      ASSERT_EQ(above ? above->directory : "", covered_above ? kept.covered : "") << shown(rules, request);
      seen.covered += covered_above;
    }
    seen.allowed += kept.allowed;
    seen.refused += !kept.allowed;
  }
}

TEST(ALOS_SUITE, a_plan_allows_what_is_decided_and_nothing_else) {
  Seen seen;
  for (int seed = 0; seed < ALOS_PAIRS && !HasFatalFailure(); ++seed) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, "seed " + std::to_string(seed));
    Generator make(static_cast<uint32_t>(seed));
    std::vector<PlainRule> rules = make.rules();
    if (!lies_apart(rules)) continue;
    take_letters(rules, make);
    compare(rules, make, [&] { return make.path(); }, seen);
  }
  EXPECT_GT(seen.planned, ALOS_PAIRS / 400);
  EXPECT_GT(seen.allowed, ALOS_PAIRS / 400);
}

TEST(ALOS_SUITE, what_several_allows_except_is_planned_as_it_is_decided) {
  Seen seen;
  for (int seed = 0; seed < ALOS_PAIRS && !HasFatalFailure(); ++seed) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, "seed " + std::to_string(seed));
    Generator make(static_cast<uint32_t>(seed));
    const std::string directory = make.below(2) ? "/a" : "/s";
    std::vector<PlainRule> rules = make.entangled(directory);
    take_letters(rules, make);
    compare(rules, make, [&] { return make.path_below(directory); }, seen);
  }
  EXPECT_GT(seen.planned, ALOS_PAIRS / 10);
  EXPECT_GT(seen.allowed, ALOS_PAIRS);
  EXPECT_GT(seen.covered, ALOS_PAIRS / 100);
  EXPECT_GT(seen.refused, ALOS_PAIRS);
}

TEST(ALOS_SUITE, what_is_brokered_is_in_no_box) {
  Seen seen;
  for (int seed = 0; seed < ALOS_PAIRS && !HasFatalFailure(); ++seed) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, "seed " + std::to_string(seed));
    Generator make(static_cast<uint32_t>(seed));
    std::vector<PlainRule> rules = make.entangled("/s");
    take_letters(rules, make);
    PlainRule& rule = rules[static_cast<size_t>(make.below(static_cast<int>(rules.size())))];
    rule.brokered = rule.effect == Effect::allow;
    if (rule.brokered) rule.rights = rule.rights - kExecute;
    if (make.below(2)) rule.paths[0].replace(0, 2, "/b");  // apart from the others
    compare(rules, make, [&] { return make.path_below(make.below(2) ? "/s" : "/b"); }, seen);
  }
  EXPECT_GT(seen.planned, ALOS_PAIRS / 20);
  EXPECT_GT(seen.brokered, ALOS_PAIRS / 20);
}

}  // namespace
}  // namespace alos::policy::test
