#include <gmock/gmock.h>

#include "fake_cgroups.h"
#include "supervisor/box/cgroup.h"
#include "supervisor/box/limit_holders.h"

namespace alos::test {
namespace {

using box::CgroupStep;
using Kind = box::CgroupStep::Kind;
using testing::ElementsAre;
using testing::HasSubstr;

class CgroupPlanTest : public FakeCgroups {
 protected:
  // Root on a pure v2 machine.
  box::Machine root() {
    group("", "cpu memory pids");
    group("/session.scope", "", "1\n");
    mounted_v2("/session.scope");
    box::Machine machine = box::read_machine(files_).value();
    machine.uid = 0;
    return box::as_it_is(machine);
  }
  // What the kernel shows in a new group; plain files here, so they are there before.
  void kernel_makes(const std::string& path) {
    group(path, "cpu memory pids");
    for (const char* file : {"memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.kill", "cgroup.freeze"})
      write(at(path) + "/" + file, "");
    write(at(path) + "/cgroup.events", "populated 0\nfrozen 0\n");
  }
  static policy::Limits limits() {
    policy::Limits out;
    out.memory = 64 << 20;
    out.processes = 32;
    out.cpus_milli = 1500;
    return out;
  }
};

TEST_F(CgroupPlanTest, v2_hands_controllers_down_level_by_level_before_a_limit_is_written) {
  const box::CgroupPlan plan = plan_cgroup(root(), "run_1", limits());
  const std::string above = at("/alos"), own = above + "/alos-run_1", all = "+memory +pids +cpu";
  EXPECT_THAT(
      plan.steps,
      ElementsAre(CgroupStep{Kind::make, above, ""}, CgroupStep{Kind::write, at("/cgroup.subtree_control"), all},
                  CgroupStep{Kind::write, above + "/cgroup.subtree_control", all}, CgroupStep{Kind::make, own, ""},
                  CgroupStep{Kind::write, own + "/memory.max", "67108864"},
                  CgroupStep{Kind::write_if_there, own + "/memory.swap.max", "0"},
                  CgroupStep{Kind::write, own + "/memory.oom.group", "1"},
                  CgroupStep{Kind::write, own + "/pids.max", "32"},
                  CgroupStep{Kind::write, own + "/cpu.max", "150000 100000"}));
  EXPECT_THAT(plan.groups(), ElementsAre(own));
}

TEST_F(CgroupPlanTest, only_what_a_limit_needs_is_handed_down) {
  policy::Limits memory;
  memory.memory = 4096;
  EXPECT_EQ(plan_cgroup(root(), "run_1", memory).steps[1].value, "+memory");
  EXPECT_EQ(plan_cgroup(root(), "run_1", {}).steps.size(), 2u) << "two groups and no write, for kill and cpu.stat";
}

TEST_F(CgroupPlanTest, v1_limits_go_to_each_hierarchy) {
  box::Machine machine;
  machine.view.memory = "/m";
  machine.view.cpu = machine.view.cpuacct = "/c";
  const box::CgroupPlan plan = plan_cgroup(machine, "run_1", limits());
  EXPECT_THAT(plan.steps,
              ElementsAre(CgroupStep{Kind::make, "/c/alos-run_1", ""}, CgroupStep{Kind::make, "/m/alos-run_1", ""},
                          CgroupStep{Kind::write, "/m/alos-run_1/memory.limit_in_bytes", "67108864"},
                          CgroupStep{Kind::write_if_there, "/m/alos-run_1/memory.memsw.limit_in_bytes", "67108864"},
                          CgroupStep{Kind::write_if_there, "/m/alos-run_1/memory.kmem.tcp.limit_in_bytes", "67108864"},
                          CgroupStep{Kind::make, "/c/alos-run_1", ""},
                          CgroupStep{Kind::write, "/c/alos-run_1/cpu.cfs_period_us", "100000"},
                          CgroupStep{Kind::write, "/c/alos-run_1/cpu.cfs_quota_us", "150000"}));
  EXPECT_THAT(plan.groups(), ElementsAre("/c/alos-run_1", "/m/alos-run_1"));
}

TEST_F(CgroupPlanTest, carried_out_each_file_has_its_value) {
  const box::Machine machine = root();
  kernel_makes("/alos");
  kernel_makes("/alos/alos-run_1");
  const std::string own = at("/alos/alos-run_1");
  write(own + "/memory.peak", "1048576\n");
  write(own + "/memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 3\noom_group_kill 1\n");
  write(own + "/pids.peak", "12\n");
  write(own + "/pids.events", "max 5\n");
  write(own + "/cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
  auto cgroup = box::Cgroup::create(plan_cgroup(machine, "run_1", limits()));
  ASSERT_TRUE(cgroup) << cgroup.error().text();
  EXPECT_EQ(read(at("/cgroup.subtree_control")), "+memory +pids +cpu");
  EXPECT_EQ(read(own + "/memory.max"), "67108864");
  EXPECT_EQ(read(own + "/memory.oom.group"), "1");
  EXPECT_EQ(read(own + "/pids.max"), "32");
  EXPECT_EQ(read(own + "/cpu.max"), "150000 100000");
  const box::CgroupUsage usage = cgroup->usage();
  EXPECT_EQ(usage.cpu_ms, 2500u);
  EXPECT_EQ(usage.memory_peak, 1048576u);
  EXPECT_EQ(usage.memory_kills, 3u);
  EXPECT_EQ(usage.processes_peak, 12u);
  EXPECT_EQ(usage.fork_refusals, 5u);
  EXPECT_TRUE(cgroup->freeze(true));
  EXPECT_EQ(read(own + "/cgroup.freeze"), "1");
  EXPECT_TRUE(cgroup->kill());
  EXPECT_EQ(read(own + "/cgroup.kill"), "1");
}

TEST_F(CgroupPlanTest, a_kernel_without_swap_accounting_is_no_error_and_one_without_the_limit_is) {
  const box::Machine machine = root();
  kernel_makes("/alos");
  kernel_makes("/alos/alos-run_1");
  EXPECT_TRUE(box::Cgroup::create(plan_cgroup(machine, "run_1", limits()))) << "there is no memory.swap.max";
  std::filesystem::remove(at("/alos/alos-run_1/memory.max"));
  const auto refused = box::Cgroup::create(plan_cgroup(machine, "run_1", limits()));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("memory.max"));
}

TEST_F(CgroupPlanTest, what_cannot_be_made_is_an_error_that_names_it) {
  const box::Machine machine = root();
  write(at("/alos"), "a file in the way");
  const auto refused = box::Cgroup::create(plan_cgroup(machine, "run_1", limits()));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr(at("/alos")));
}

}  // namespace
}  // namespace alos::test
