#include "supervisor/box/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <set>
#include <string_view>

#include "base/sys.h"

namespace alos::box {
namespace {

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(by, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool names(std::string_view list, std::string_view word) {
  for (const std::string_view item : split(list, ','))
    if (item == word) return true;
  return false;
}

// Where the mount that shows `root` of a hierarchy shows `path` of it: a container's mount may begin below the root.
std::optional<std::string> join(std::string_view mount_point, std::string_view root, std::string_view path) {
  if (root == "/") root = "";
  if (!path.starts_with(root)) return std::nullopt;
  std::string out(mount_point);
  out += path.substr(root.size());
  while (out.ends_with('/')) out.pop_back();
  return out;
}

Result<void> write_value(const std::string& path, std::string_view value) {
  const UniqueFd fd = TRY(sys::open(path, O_WRONLY));
  if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    return fail_errno("write", path);
  return {};
}

std::optional<uint64_t> number_in(const std::string& path, std::string_view key = {}) {
  const auto text = sys::read_file(path, 65536);
  if (!text) return std::nullopt;
  for (std::string_view line : split(*text, '\n')) {
    if (!key.empty()) {
      if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ') continue;
      line.remove_prefix(key.size() + 1);
    }
    uint64_t value = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc()) return value;
  }
  return std::nullopt;
}

bool may_make(const std::string& directory) { return ::access(directory.c_str(), W_OK | X_OK) == 0; }

}  // namespace

Result<CgroupView> view_cgroups(const std::string& mountinfo, const std::string& cgroup) {
  const std::string mounts = TRY(sys::read_file(mountinfo, 4 << 20));
  const std::string own = TRY(sys::read_file(cgroup, 1 << 16));
  CgroupView view;
  for (const std::string_view line : split(mounts, '\n')) {
    // "36 35 98:0 /root /mount/point options... - type source super-options" (proc_pid_mountinfo(5))
    const auto words = split(line, ' ');
    size_t dash = 0;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (words.size() < 7 || dash + 3 >= words.size()) continue;
    const bool v2 = words[dash + 1] == "cgroup2";
    if (!v2 && words[dash + 1] != "cgroup") continue;
    for (const std::string_view entry : split(own, '\n')) {
      const auto parts = split(entry, ':');  // "4:memory:/path"
      if (parts.size() < 3) continue;
      const bool same = v2 ? parts[0] == "0" && parts[1].empty() : !parts[1].empty() && names(words[dash + 3], parts[1].substr(0, parts[1].find(',')));
      if (!same) continue;
      const std::string_view path = entry.substr(parts[0].size() + parts[1].size() + 2);
      const auto directory = join(words[4], words[3], path);
      if (!directory || !may_make(*directory)) continue;
      const Hierarchy here{*directory, v2};
      if (v2) {
        view.unified = here;
        const auto controllers = sys::read_file(*directory + "/cgroup.controllers", 4096);
        const std::string listed = controllers.value_or("");  // outlives the views into it
        for (const std::string_view name : split(listed, ' ')) {
          const std::string_view word = name.substr(0, name.find('\n'));
          if (word == "memory" && !view.memory) view.memory = here;
          if (word == "pids" && !view.pids) view.pids = here;
          if (word == "cpu" && !view.cpu) view.cpu = here;
        }
      } else {
        if (names(parts[1], "memory")) view.memory = here;
        if (names(parts[1], "pids")) view.pids = here;
        if (names(parts[1], "cpu")) view.cpu = here;
        if (names(parts[1], "cpuacct")) view.cpuacct = here;
        if (names(parts[1], "freezer")) view.freezer = here;
      }
    }
  }
  return view;
}

Result<Cgroup> Cgroup::create(const CgroupView& view, const std::string& name, const policy::Limits& limits) {
  Cgroup out;
  const auto make = [&](const std::optional<Hierarchy>& where, std::string& member) -> Result<void> {
    if (!where || !member.empty()) return {};
    const std::string path = where->directory + "/alos-" + name;
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("mkdir", path);
    member = path;
    return {};
  };
  // Controllers of v2 reach a child only when its parent hands them down, which a cgroup with processes of its own may
  // not do (cgroups(7), "no internal processes"): EBUSY there means that a delegated scope is needed.
  const auto hand_down = [&](const std::optional<Hierarchy>& where, std::string_view controller) -> bool {
    return where && where->v2 &&
           write_value(where->directory + "/cgroup.subtree_control", fmt::format("+{}", controller)).has_value();
  };
  const auto refuse = [&](const char* limit) { out.unenforced_.push_back(limit); };

  TRY(make(view.unified, out.unified_));
  TRY(make(view.freezer, out.freezer_));
  if (limits.memory) {
    if (hand_down(view.memory, "memory")) {
      out.v2_memory_ = true;
      TRY(write_value(out.unified_ + "/memory.max", std::to_string(*limits.memory)));
      (void)write_value(out.unified_ + "/memory.swap.max", "0");  // absent without swap accounting
      TRY(write_value(out.unified_ + "/memory.oom.group", "1"));
    } else if (view.memory && !view.memory->v2) {
      TRY(make(view.memory, out.memory_));
      TRY(write_value(out.memory_ + "/memory.limit_in_bytes", std::to_string(*limits.memory)));
      (void)write_value(out.memory_ + "/memory.memsw.limit_in_bytes", std::to_string(*limits.memory));
    } else {
      refuse("memory");
    }
  }
  if (limits.processes) {
    if (hand_down(view.pids, "pids")) {
      out.v2_pids_ = true;
      TRY(write_value(out.unified_ + "/pids.max", std::to_string(*limits.processes)));
    } else if (view.pids && !view.pids->v2) {
      TRY(make(view.pids, out.pids_));
      TRY(write_value(out.pids_ + "/pids.max", std::to_string(*limits.processes)));
    }  // else RLIMIT_NPROC of the box's own user namespace holds
  }
  if (limits.cpus_milli) {
    constexpr uint64_t kPeriodUs = 100'000;
    const uint64_t quota = std::max<uint64_t>(1000, *limits.cpus_milli * kPeriodUs / 1000);
    if (hand_down(view.cpu, "cpu")) {
      out.v2_cpu_ = true;
      TRY(write_value(out.unified_ + "/cpu.max", fmt::format("{} {}", quota, kPeriodUs)));
    } else if (view.cpu && !view.cpu->v2) {
      TRY(make(view.cpu, out.cpu_));
      TRY(write_value(out.cpu_ + "/cpu.cfs_period_us", std::to_string(kPeriodUs)));
      TRY(write_value(out.cpu_ + "/cpu.cfs_quota_us", std::to_string(quota)));
    } else {
      refuse("cpus");
    }
  }
  if (view.cpuacct) TRY(make(view.cpuacct, out.cpuacct_));
  // cpu.stat of v2 counts usage without any controller.
  if (limits.cpu_time_ms && out.cpuacct_.empty() && out.unified_.empty()) refuse("cpu-time");
  return out;
}

Cgroup::~Cgroup() { remove(directories()); }

std::vector<std::string> Cgroup::directories() const {
  std::set<std::string> out;
  for (const std::string* path : {&memory_, &pids_, &cpu_, &cpuacct_, &freezer_, &unified_})
    if (!path->empty()) out.insert(*path);
  return {out.begin(), out.end()};
}

Result<std::vector<UniqueFd>> Cgroup::open_tasks() const {
  std::vector<UniqueFd> out;
  for (const std::string& directory : directories())
    if (directory != unified_) out.push_back(TRY(sys::open(directory + "/tasks", O_WRONLY)));
  return out;
}

Result<UniqueFd> Cgroup::open_unified() const { return sys::open(unified_, O_RDONLY | O_DIRECTORY); }

Result<void> Cgroup::freeze(bool frozen) const {
  if (!unified_.empty()) return write_value(unified_ + "/cgroup.freeze", frozen ? "1" : "0");
  if (!freezer_.empty()) return write_value(freezer_ + "/freezer.state", frozen ? "FROZEN" : "THAWED");
  return fail("freeze", "box", ENOTSUP, "no cgroup of this box can be frozen here");
}

Result<void> Cgroup::kill() const {
  if (unified_.empty()) return {};  // the end of the pid namespace does it
  auto killed = write_value(unified_ + "/cgroup.kill", "1");
  return killed || killed.error().code == ENOENT ? Result<void>{} : killed;  // cgroup.kill: 5.14
}

CgroupUsage Cgroup::usage() const {
  CgroupUsage out;
  if (!cpuacct_.empty()) {
    if (const auto ns = number_in(cpuacct_ + "/cpuacct.usage")) out.cpu_ms = *ns / 1'000'000;
  } else if (!unified_.empty()) {
    if (const auto us = number_in(unified_ + "/cpu.stat", "usage_usec")) out.cpu_ms = *us / 1000;
  }
  if (v2_memory_) {
    out.memory_peak = number_in(unified_ + "/memory.peak");  // 5.19
    out.memory_kills = number_in(unified_ + "/memory.events", "oom_kill").value_or(0);
  } else if (!memory_.empty()) {
    out.memory_peak = number_in(memory_ + "/memory.max_usage_in_bytes");
    out.memory_kills = number_in(memory_ + "/memory.oom_control", "oom_kill").value_or(0);
  }
  const std::string& pids = v2_pids_ ? unified_ : pids_;
  if (!pids.empty()) out.fork_refusals = number_in(pids + "/pids.events", "max").value_or(0);
  return out;
}

std::vector<std::string> Cgroup::possible(const CgroupView& view, const std::string& name) {
  std::set<std::string> out;
  for (const auto* where : {&view.memory, &view.pids, &view.cpu, &view.cpuacct, &view.freezer, &view.unified})
    if (*where) out.insert((*where)->directory + "/alos-" + name);
  return {out.begin(), out.end()};
}

void Cgroup::remove(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) (void)write_value(directory + "/cgroup.kill", "1");
  for (const std::string& directory : directories)
    // A dying process leaves its cgroup a moment after it is reaped.
    for (int attempt = 0; attempt < 500; ++attempt) {
      if (::rmdir(directory.c_str()) == 0 || errno != EBUSY) break;
      const timespec pause{.tv_sec = 0, .tv_nsec = 2'000'000};
      ::nanosleep(&pause, nullptr);
    }
}

}  // namespace alos::box
