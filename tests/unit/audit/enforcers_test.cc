#include "supervisor/host/enforcers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine.h"

namespace alos::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Limit> kEvery(kLimits.begin(), kLimits.end());

std::vector<By> who(const Facts& facts) {
  std::vector<By> out;
  for (const Enforcer& enforcer : enforcers(facts)) out.push_back(enforcer.by);
  return out;
}

std::vector<Limit> must_degrade(const Facts& facts, const std::vector<Limit>& limits) {
  return box::unheld(box::who_holds(facts.machine), limits);
}

TEST(Enforcers, stand_in_the_order_of_the_limits) {
  const auto table = enforcers(ordinary_user());
  for (size_t i = 0; i < kLimits.size(); ++i) EXPECT_EQ(table[i].limit, kLimits[i]);
}

TEST(Enforcers, cgroups_hold_the_whole_box_in_either_version) {
  EXPECT_THAT(who(root_with(Form::v1)), ElementsAre(By::cgroup_v1, By::cgroup_v1, By::cgroup_v1, By::cgroup_v1,
                                                    By::watched, By::rlimit, By::timer));
  EXPECT_THAT(who(root_with(Form::v2)), ElementsAre(By::cgroup_v2, By::cgroup_v2, By::cgroup_v2, By::cgroup_v2,
                                                    By::watched, By::rlimit, By::timer));
  EXPECT_THAT(must_degrade(root_with(Form::v1), kEvery), IsEmpty());
}

TEST(Enforcers, without_cgroups_processes_are_held_and_memory_and_cpu_are_not) {
  const Facts facts = ordinary_user();
  EXPECT_THAT(who(facts),
              ElementsAre(By::nothing, By::rlimit, By::nothing, By::nothing, By::watched, By::rlimit, By::timer));
  EXPECT_THAT(must_degrade(facts, kEvery), ElementsAre(Limit::memory, Limit::cpus, Limit::cpu_time));
}

TEST(Enforcers, an_rlimit_that_counts_the_whole_user_holds_no_box) {
  Facts facts = ordinary_user();
  facts.machine.process_limit = false;
  EXPECT_EQ(enforcers(facts)[1].by, By::nothing);
}

TEST(Enforcers, controllers_are_judged_one_by_one) {
  Facts facts = root_with(Form::v1);
  facts.machine.view.memory.reset();
  const auto table = enforcers(facts);
  EXPECT_THAT(must_degrade(facts, kEvery), ElementsAre(Limit::memory));
  EXPECT_THAT(table[0].how, HasSubstr("v2 is not mounted"));
  EXPECT_FALSE(table[0].remedy.empty());
}

TEST(Enforcers, only_limits_that_the_policy_sets_must_be_degraded) {
  EXPECT_THAT(must_degrade(ordinary_user(), {Limit::wall, Limit::cpus}), ElementsAre(Limit::cpus));
  EXPECT_THAT(must_degrade(ordinary_user(), {}), IsEmpty());
}

TEST(Enforcers, the_way_to_cgroups_is_the_one_that_this_user_has) {
  Facts facts = ordinary_user();
  EXPECT_THAT(enforcers(facts)[0].remedy, HasSubstr("enable-linger"));
  facts.delegation.state = State::yes;
  EXPECT_THAT(enforcers(facts)[0].remedy, HasSubstr("systemd-run --user"));
}

}  // namespace
}  // namespace alos::host
