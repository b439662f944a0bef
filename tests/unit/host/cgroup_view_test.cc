#include "supervisor/box/cgroup_view.h"

#include <gmock/gmock.h>

#include "fake_cgroups.h"

namespace alos::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using CgroupViewTest = FakeCgroups;

TEST_F(CgroupViewTest, shows_the_own_group_of_v2_the_one_above_and_the_root) {
  group("", "cpu io memory pids");
  group("/system.slice", "cpu memory pids");
  group("/system.slice/agent.service", "memory pids", "17\n4711\n");
  mounted_v2("/system.slice/agent.service");
  const auto machine = box::read_machine(files_);
  ASSERT_TRUE(machine) << machine.error().text();
  const box::CgroupView& view = machine->view;
  EXPECT_EQ(view.own->directory, at("/system.slice/agent.service"));
  EXPECT_THAT(view.own->controllers, UnorderedElementsAre("memory", "pids"));
  EXPECT_THAT(view.own->processes, ElementsAre(17, 4711));
  EXPECT_FALSE(view.own->top || view.own->delegated);
  EXPECT_TRUE(view.own->writable);
  EXPECT_EQ(view.parent->directory, at("/system.slice"));
  EXPECT_THAT(view.parent->processes, IsEmpty());
  EXPECT_EQ(view.root->directory, at(""));
  EXPECT_TRUE(view.root->top);
  EXPECT_FALSE(view.memory || machine->systemd);
}

TEST_F(CgroupViewTest, a_process_in_the_root_has_nothing_above) {
  group("", "memory");
  mounted_v2("/");
  const auto machine = box::read_machine(files_);
  ASSERT_TRUE(machine);
  EXPECT_EQ(machine->view.own->directory, at(""));
  EXPECT_FALSE(machine->view.parent);
}

TEST_F(CgroupViewTest, a_mount_that_begins_below_the_root_shows_what_lies_in_it_alone) {
  group("", "memory");
  group("/inner", "memory");
  mounted_v2("/docker/c0ffee/inner", "/docker/c0ffee");
  EXPECT_EQ(box::read_machine(files_)->view.own->directory, at("/inner"));
  mounted_v2("/docker/other", "/docker/c0ffee");
  EXPECT_FALSE(box::read_machine(files_)->view.own) << "it lies outside of what is mounted";
  mounted_v2("/../other", "/");
  EXPECT_FALSE(box::read_machine(files_)->view.own) << "a cgroup namespace shows nothing above itself";
}

TEST_F(CgroupViewTest, shows_the_directories_of_v1_controller_by_controller_and_v2_beside_them) {
  for (const char* dir : {"/memory/mine", "/cpu,cpuacct/mine", "/unified"})
    std::filesystem::create_directories(at(dir));
  write(files_.mountinfo, "31 20 0:27 / " + at("/memory") + " rw - cgroup cgroup rw,memory\n" + "32 20 0:28 / " +
                              at("/cpu,cpuacct") + " rw - cgroup cgroup rw,cpu,cpuacct\n" + "33 20 0:29 / " +
                              at("/unified") + " rw - cgroup2 cgroup2 rw\n" + "34 20 0:30 / " + at("/gone") +
                              " rw - cgroup cgroup rw,pids\n" + "nonsense\n");
  write(files_.cgroup, "3:memory:/mine\n2:cpu,cpuacct:/mine\n4:pids:/mine\n1:name=systemd:/mine\n0::/\n");
  const auto machine = box::read_machine(files_);
  ASSERT_TRUE(machine);
  EXPECT_EQ(machine->view.memory, at("/memory/mine"));
  EXPECT_EQ(machine->view.cpu, at("/cpu,cpuacct/mine"));
  EXPECT_EQ(machine->view.cpuacct, at("/cpu,cpuacct/mine"));
  EXPECT_FALSE(machine->view.pids) << "mounted where nothing is";
  ASSERT_TRUE(machine->view.own);
  EXPECT_THAT(machine->view.own->controllers, IsEmpty());
}

TEST_F(CgroupViewTest, without_the_files_there_is_no_answer) {
  EXPECT_FALSE(box::read_machine(files_));
}

}  // namespace
}  // namespace alos::test
