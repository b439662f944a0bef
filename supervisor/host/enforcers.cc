#include "supervisor/host/enforcers.h"

namespace alos::host {
namespace {

std::string remedy_for(const Facts& facts) {
  if (facts.machine.uid == 0)
    return "mount cgroups with this controller, or start from a cgroup that may have children";
  if (facts.delegation.there())
    return "install dbus-user-session (alos asks the user's manager for a scope), or start it in one: "
           "systemd-run --user --scope -p Delegate=yes alos run ...";
  return "run as a service of root, or let systemd delegate cgroups to this user (loginctl enable-linger)";
}

std::string place_of(const box::Machine& machine, By by, const std::optional<std::string>& v1) {
  if (by == By::cgroup_v1) return v1.value_or("");
  const box::Foothold foothold = box::find_foothold(machine);
  return foothold.kind == box::Foothold::Kind::ask ? "a scope that alos asks the user's manager for"
                                                   : foothold.directory;
}

std::string why_nothing(const Facts& facts) {
  if (!facts.cgroup_error.empty()) return facts.cgroup_error;
  const std::string reason = box::find_foothold(facts.machine).reason;
  return reason.empty() ? "this controller is not handed down to this user's cgroups" : reason;
}

Enforcer in_cgroup(const Facts& facts, Limit limit, By by, const std::optional<std::string>& v1) {
  if (by == By::nothing) return {limit, by, why_nothing(facts), remedy_for(facts)};
  if (by == By::rlimit) return {limit, by, "RLIMIT_NPROC of the box's own user namespace", {}};
  return {limit, by, place_of(facts.machine, by, v1), {}};
}

}  // namespace

Enforcers enforcers(const Facts& facts) {
  const box::Holders by = box::who_holds(facts.machine);
  const box::CgroupView& view = facts.machine.view;
  return {
      in_cgroup(facts, Limit::memory, by[0], view.memory),
      in_cgroup(facts, Limit::processes, by[1], view.pids),
      in_cgroup(facts, Limit::cpus, by[2], view.cpu),
      in_cgroup(facts, Limit::cpu_time, by[3], view.cpuacct),
      Enforcer{
          Limit::disk,
          by[4],
          "private space: the size of its tmpfs; layer and lasting home: measured while the box runs, or, as root with "
          "'disk-by: image', an image of that size",
          {}},
      Enforcer{Limit::open_files,
               by[5],
               "RLIMIT_NOFILE, for each process; rootless at most your own soft limit less 256",
               {}},
      Enforcer{Limit::wall, by[6], "the supervisor ends the box", {}}};
}

}  // namespace alos::host
