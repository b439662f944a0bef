#include "supervisor/host/enforcers.h"

#include <algorithm>

namespace alos::host {
namespace {

By by_cgroup(const Controller& controller) {
  switch (controller.form) {
    case Controller::Form::v1:
      return By::cgroup_v1;
    case Controller::Form::v2:
      return By::cgroup_v2;
    case Controller::Form::none:
      return By::nothing;
  }
  return By::nothing;
}

std::string remedy_for(const Facts& facts, uid_t uid) {
  if (uid == 0) return "mount cgroups with this controller, or start from a cgroup that may have children";
  if (facts.delegation.there())
    return "start it in a cgroup of its own: systemd-run --user --scope -p Delegate=yes alos run ...";
  return "run as a service of root, or let systemd delegate cgroups to this user (loginctl enable-linger)";
}

Enforcer in_cgroup(Limit limit, const Controller& controller, const Facts& facts, uid_t uid) {
  const By by = by_cgroup(controller);
  if (by == By::nothing) return {limit, by, controller.reason, remedy_for(facts, uid)};
  return {limit, by, controller.directory, {}};
}

// Without a cgroup the kernel still counts processes for each user namespace (RLIMIT_NPROC, 5.14).
Enforcer for_processes(const Facts& facts, uid_t uid) {
  Enforcer out = in_cgroup(Limit::processes, facts.cgroups.pids, facts, uid);
  if (out.by == By::nothing && facts.process_limit.there())
    out = {Limit::processes, By::rlimit, "RLIMIT_NPROC of the box's own user namespace", {}};
  return out;
}

}  // namespace

std::string_view name(Limit limit) {
  switch (limit) {
    case Limit::memory:
      return "memory";
    case Limit::processes:
      return "processes";
    case Limit::cpus:
      return "cpus";
    case Limit::cpu_time:
      return "cpu-time";
    case Limit::disk:
      return "disk";
    case Limit::open_files:
      return "open-files";
    case Limit::wall:
      return "wall";
  }
  return "?";
}

std::string_view name(By by) {
  switch (by) {
    case By::cgroup_v1:
      return "cgroup v1";
    case By::cgroup_v2:
      return "cgroup v2";
    case By::rlimit:
      return "rlimit";
    case By::timer:
      return "timer";
    case By::watched:
      return "watched";
    case By::nothing:
      return "nothing";
  }
  return "?";
}

Enforcers enforcers(const Facts& facts, uid_t uid) {
  return {
      in_cgroup(Limit::memory, facts.cgroups.memory, facts, uid),
      for_processes(facts, uid),
      in_cgroup(Limit::cpus, facts.cgroups.cpu, facts, uid),
      in_cgroup(Limit::cpu_time, facts.cgroups.usage, facts, uid),
      Enforcer{
          Limit::disk, By::watched, "private space: the size of its tmpfs; layer and lasting home: measured while the box runs, or, as root with 'disk-by: image', an image of that size", {}},
      Enforcer{Limit::open_files, By::rlimit, "RLIMIT_NOFILE, for each process", {}},
      Enforcer{Limit::wall, By::timer, "the supervisor ends the box", {}}};
}

std::vector<Limit> must_degrade(const Enforcers& table, const std::vector<Limit>& limits) {
  std::vector<Limit> out;
  for (const Enforcer& enforcer : table)
    if (enforcer.needs_degrade() && std::ranges::find(limits, enforcer.limit) != limits.end())
      out.push_back(enforcer.limit);
  return out;
}

}  // namespace alos::host
