#include "supervisor/box/limit_holders.h"

#include <algorithm>
#include <tuple>

namespace alos::box {
namespace {

using Kind = Foothold::Kind;

bool is_leaf(const Group& group) {
  return group.directory.substr(group.directory.rfind('/') + 1) == kLeaf;
}

// Without systemd nobody has the say over groups but those who may write them.
bool is_free(const Machine& machine, const Group& group) {
  return group.delegated || !machine.systemd;
}

// A group of this process's own can always be made where nothing is handed down; it can be killed, frozen and counted.
std::string plain_directory(const std::optional<Group>& own) {
  return own && own->writable && (own->top || own->handed_down.empty()) ? own->directory : "";
}

std::string why_not(const Machine& machine) {
  const auto& own = machine.view.own;
  if (!own) return "cgroup v2 is not mounted here";
  if (machine.view.root->controllers.empty()) return "cgroup v2 has no controllers here";
  if (!own->writable) return "this user may not write " + own->directory;
  if (!is_free(machine, *own)) return own->directory + " is systemd's, not delegated";
  return own->directory + " holds other processes, so it cannot hand controllers down";
}

By in_cgroup(const std::optional<std::string>& v1, const Foothold& foothold, const char* controller) {
  if (v1) return By::cgroup_v1;
  return foothold.controllers.contains(controller) ? By::cgroup_v2 : By::nothing;
}

By counting(const Machine& machine, const Foothold& foothold) {
  if (machine.view.cpuacct) return By::cgroup_v1;
  // cpu.stat needs no controller.
  return !foothold.directory.empty() || foothold.kind == Kind::ask ? By::cgroup_v2 : By::nothing;
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

std::vector<Limit> set_in(const policy::Limits& limits) {
  std::vector<Limit> out;
  if (limits.memory) out.push_back(Limit::memory);
  if (limits.processes) out.push_back(Limit::processes);
  if (limits.cpus_milli) out.push_back(Limit::cpus);
  if (limits.cpu_time_ms) out.push_back(Limit::cpu_time);
  if (limits.disk) out.push_back(Limit::disk);
  if (limits.open_files) out.push_back(Limit::open_files);
  if (limits.wall_ms) out.push_back(Limit::wall);
  return out;
}

Foothold find_foothold(const Machine& machine) {
  const auto& [own, parent, root] = std::tie(machine.view.own, machine.view.parent, machine.view.root);
  const std::string plain = plain_directory(own);
  if (!own || !root || root->controllers.empty()) return {Kind::none, plain, {}, why_not(machine)};
  if (machine.uid == 0 && root->top && root->writable) return {Kind::ready, root->directory, root->controllers, {}};
  if (parent && parent->writable && parent->processes.empty() && (is_leaf(*own) || is_free(machine, *parent)))
    return {Kind::ready, parent->directory, parent->controllers, {}};
  if (own->writable && is_free(machine, *own) && own->processes == std::vector<pid_t>{machine.self})
    return {Kind::settle, own->directory, own->controllers, {}};
  if (!machine.manager.empty()) return {Kind::ask, {}, machine.manager, {}};
  return {Kind::none, plain, {}, why_not(machine)};
}

Machine as_it_is(Machine machine) {
  machine.manager.clear();
  machine.self = -1;
  return machine;
}

Holders who_holds(const Machine& machine) {
  const Foothold foothold = find_foothold(machine);
  By processes = in_cgroup(machine.view.pids, foothold, "pids");
  if (processes == By::nothing && machine.process_limit) processes = By::rlimit;
  return {in_cgroup(machine.view.memory, foothold, "memory"),
          processes,
          in_cgroup(machine.view.cpu, foothold, "cpu"),
          counting(machine, foothold),
          By::watched,
          By::rlimit,
          By::timer};
}

std::vector<Limit> unheld(const Holders& holders, const std::vector<Limit>& limits) {
  std::vector<Limit> out;
  for (const Limit limit : kLimits)
    if (holders[static_cast<size_t>(limit)] == By::nothing && std::ranges::find(limits, limit) != limits.end())
      out.push_back(limit);
  return out;
}

}  // namespace alos::box
