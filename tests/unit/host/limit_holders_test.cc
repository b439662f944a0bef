#include "supervisor/box/limit_holders.h"

#include <gmock/gmock.h>

#include <random>

#include "supervisor/box/cgroup.h"
#include "supervisor/host/enforcers.h"

namespace alos::box {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = Foothold::Kind;

const std::vector<Limit> kEvery(kLimits.begin(), kLimits.end());
const std::set<std::string> kAll{"cpu", "memory", "pids"};
constexpr pid_t kSelf = 4711;

Group group(const std::string& directory, std::vector<pid_t> processes = {}) {
  return {.directory = directory, .controllers = kAll, .processes = std::move(processes), .writable = true};
}

Group root_group() {
  Group out = group("/cg");
  out.top = true;
  return out;
}

// A Debian server: pure v2, systemd, a session of an ordinary user.
Machine session() {
  Machine out;
  out.uid = 1000;
  out.self = kSelf;
  out.systemd = true;
  out.process_limit = true;
  out.view.root = root_group();
  out.view.parent = group("/cg/user.slice/user-1000.slice");
  out.view.own = group("/cg/user.slice/user-1000.slice/session-1.scope", {1, kSelf});
  for (auto* at : {&out.view.root, &out.view.parent, &out.view.own}) (*at)->writable = false;
  return out;
}

// The same inside `systemd-run --user --scope -p Delegate=yes`.
Machine scope() {
  Machine out = session();
  out.view.parent = group("/cg/app.slice");
  out.view.own = group("/cg/app.slice/run.scope", {kSelf});
  out.view.own->delegated = true;
  return out;
}

// What moving into the leaf makes of it.
Machine settled(Machine machine) {
  machine.view.parent = machine.view.own;
  machine.view.parent->processes.clear();
  machine.view.own = group(machine.view.parent->directory + "/" + std::string(kLeaf), {machine.self});
  return machine;
}

TEST(Foothold, root_makes_boxes_below_the_hierarchys_root) {
  Machine machine = session();
  machine.uid = 0;
  machine.view.root->writable = true;
  const Foothold foothold = find_foothold(machine);
  EXPECT_EQ(foothold.kind, Kind::ready);
  EXPECT_EQ(foothold.directory, "/cg");
  EXPECT_THAT(unheld(who_holds(machine), kEvery), IsEmpty());
}

TEST(Foothold, a_session_that_systemd_did_not_delegate_holds_no_box_and_says_so) {
  const Foothold foothold = find_foothold(session());
  EXPECT_EQ(foothold.kind, Kind::none);
  EXPECT_THAT(foothold.reason, HasSubstr("may not write"));
  EXPECT_THAT(unheld(who_holds(session()), kEvery), ElementsAre(Limit::memory, Limit::cpus, Limit::cpu_time));
}

TEST(Foothold, a_group_of_the_user_that_systemd_still_manages_is_left_alone) {
  Machine machine = scope();
  machine.view.own->delegated = false;
  EXPECT_EQ(find_foothold(machine).kind, Kind::none) << "systemd takes controllers back from what it manages";
  EXPECT_THAT(find_foothold(machine).reason, HasSubstr("not delegated"));
  machine.systemd = false;
  EXPECT_EQ(find_foothold(machine).kind, Kind::ready) << "nobody manages the empty group above";
}

TEST(Foothold, in_a_delegated_group_of_its_own_it_has_to_move_into_a_leaf) {
  EXPECT_EQ(find_foothold(scope()).kind, Kind::settle);
  EXPECT_EQ(find_foothold(as_it_is(scope())).kind, Kind::none);
  const Foothold after = find_foothold(as_it_is(settled(scope())));
  EXPECT_EQ(after.kind, Kind::ready);
  EXPECT_EQ(after.directory, "/cg/app.slice/run.scope");
}

TEST(Foothold, beside_other_processes_it_moves_nobody) {
  Machine machine = scope();
  machine.view.own->processes = {12, kSelf};
  EXPECT_EQ(find_foothold(machine).kind, Kind::none);
  EXPECT_THAT(find_foothold(machine).reason, HasSubstr("other processes"));
}

TEST(Foothold, a_supervisor_subgroup_made_by_systemd_is_as_good) {
  Machine machine = scope();  // DelegateSubgroup= (systemd 254)
  machine.view.parent = group("/cg/agent.service");
  machine.view.parent->delegated = true;
  machine.view.own = group("/cg/agent.service/main", {1, kSelf});
  EXPECT_EQ(find_foothold(machine).kind, Kind::ready);
  EXPECT_EQ(find_foothold(machine).directory, "/cg/agent.service");
}

TEST(Foothold, the_users_manager_is_asked_only_where_nothing_else_is) {
  Machine machine = session();
  machine.manager = {"memory", "pids"};
  EXPECT_EQ(find_foothold(machine).kind, Kind::ask);
  EXPECT_THAT(unheld(who_holds(machine), kEvery), ElementsAre(Limit::cpus)) << "it can give what it has itself";
  EXPECT_EQ(find_foothold(as_it_is(machine)).kind, Kind::none) << "a launcher asks nobody";
  Machine own = scope();
  own.manager = kAll;
  EXPECT_EQ(find_foothold(own).kind, Kind::settle);
}

TEST(Foothold, a_group_that_hands_controllers_down_takes_no_box_without_them) {
  Machine machine = session();
  machine.view.own->writable = true;
  machine.view.own->handed_down = {"memory"};
  EXPECT_EQ(find_foothold(machine).directory, "") << "a child of it could hold no process beside the group's own";
  machine.view.own->handed_down.clear();
  EXPECT_EQ(find_foothold(machine).directory, machine.view.own->directory) << "for kill, freeze and cpu.stat";
  EXPECT_THAT(unheld(who_holds(machine), kEvery), ElementsAre(Limit::memory, Limit::cpus));
}

TEST(Foothold, hybrid_machines_hold_limits_by_v1_and_kill_by_v2) {
  Machine machine;
  machine.view.memory = machine.view.pids = machine.view.cpu = machine.view.cpuacct = "/cg/v1/here";
  machine.view.own = machine.view.root = root_group();
  machine.view.root->controllers.clear();
  machine.view.own->controllers.clear();
  const Holders holders = who_holds(machine);
  for (const size_t limit : {0, 1, 2, 3}) EXPECT_EQ(holders[limit], By::cgroup_v1);
  EXPECT_EQ(plan_cgroup(machine, "run_1", {}).unified, "/cg/alos-run_1");
}

// ---- doctor, launch and what is written agree, on machines of every kind ----

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  bool flip() { return (random_() & 1) != 0; }
  std::set<std::string> controllers() {
    std::set<std::string> out;
    for (const char* name : {"cpu", "memory", "pids"})
      if (flip()) out.insert(name);
    return out;
  }
  Group group(const std::string& directory) {
    Group out{.directory = directory,
              .controllers = controllers(),
              .handed_down = {},
              .processes = {},
              .writable = flip(),
              .delegated = flip(),
              .top = flip()};
    if (flip()) out.processes.push_back(kSelf);
    if (random_() % 4 == 0) out.processes.push_back(12);
    if (random_() % 4 == 0) out.handed_down = {"memory"};
    return out;
  }
  Machine machine() {
    Machine out;
    out.uid = flip() ? 0 : 1000;
    out.self = kSelf;
    out.systemd = flip();
    out.process_limit = flip();
    if (flip()) out.manager = controllers();
    for (auto* where : {&out.view.memory, &out.view.pids, &out.view.cpu, &out.view.cpuacct, &out.view.freezer})
      if (random_() % 4 == 0) *where = "/v1";
    if (flip()) {
      out.view.root = group("/cg");
      out.view.own = group("/cg/above/own");
      out.view.parent = group("/cg/above");
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

bool writes(const CgroupPlan& plan, std::initializer_list<const char*> files) {
  for (const CgroupStep& step : plan.steps)
    for (const char* file : files)
      if (step.kind == CgroupStep::Kind::write && step.path.ends_with(std::string("/") + file)) return true;
  return false;
}

policy::Limits every_limit() {
  policy::Limits out;
  out.memory = 1 << 20;
  out.processes = 8;
  out.cpus_milli = 500;
  out.cpu_time_ms = 1000;
  return out;
}

TEST(Agreement, what_the_doctor_shows_as_held_is_what_a_launch_writes) {
  Dice dice(20'261);
  int held = 0;
  for (int round = 0; round < 20'000; ++round) {
    const Machine machine = as_it_is(dice.machine());
    const CgroupPlan plan = plan_cgroup(machine, "run_1", every_limit());
    const Holders holders = who_holds(machine);
    const auto by_cgroup = [&](Limit limit) {
      const By by = holders[static_cast<size_t>(limit)];
      return by == By::cgroup_v1 || by == By::cgroup_v2;
    };
    ASSERT_EQ(by_cgroup(Limit::memory), writes(plan, {"memory.max", "memory.limit_in_bytes"})) << round;
    ASSERT_EQ(by_cgroup(Limit::processes), writes(plan, {"pids.max"})) << round;
    ASSERT_EQ(by_cgroup(Limit::cpus), writes(plan, {"cpu.max", "cpu.cfs_quota_us"})) << round;
    ASSERT_EQ(by_cgroup(Limit::cpu_time), !plan.cpuacct.empty() || !plan.unified.empty()) << round;
    held += by_cgroup(Limit::memory);

    host::Facts facts;
    facts.machine = machine;
    std::vector<Limit> nobody;
    for (const host::Enforcer& line : host::enforcers(facts)) {
      if (line.by == By::nothing) nobody.push_back(line.limit);
      ASSERT_EQ(line.by == By::nothing, !line.remedy.empty());
      ASSERT_FALSE(line.how.empty()) << round << " " << name(line.limit);
    }
    ASSERT_EQ(nobody, unheld(holders, kEvery)) << round;
  }
  EXPECT_GT(held, 1000) << "the dice show too few machines that hold anything";
}

TEST(Agreement, what_is_promised_for_after_a_step_is_held_after_it) {
  Dice dice(7);
  int asked = 0, moved = 0;
  for (int round = 0; round < 20'000; ++round) {
    Machine machine = dice.machine();
    const Holders promised = who_holds(machine);
    const Foothold foothold = find_foothold(machine);
    Machine after = machine;
    if (foothold.kind == Kind::ask) {
      ++asked;
      after.view.own = group("/cg/app.slice/alos.scope", {kSelf});
      after.view.own->controllers = machine.manager;
      after = settled(after);
    } else if (foothold.kind == Kind::settle) {
      ++moved;
      after = settled(machine);
    } else {
      continue;
    }
    ASSERT_EQ(who_holds(as_it_is(after)), promised) << round;
  }
  EXPECT_GT(asked, 100);
  EXPECT_GT(moved, 100);
}

}  // namespace
}  // namespace alos::box
