#include "supervisor/box/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "base/clock.h"
#include "base/sys.h"
#include "supervisor/box/kernel_file.h"
#include "supervisor/box/limit_holders.h"

namespace alos::box {
namespace {

using Kind = CgroupStep::Kind;

// The first number of the file, or the one that stands after `key` at the beginning of a line.
std::optional<uint64_t> number_in(const std::string& path, std::string_view key = {}) {
  const auto text = sys::read_file(path, 65536);
  if (!text) return std::nullopt;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    std::string_view line(text->data() + at, end - at);
    at = end + 1;
    if (!key.empty()) {
      if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ') continue;
      line.remove_prefix(key.size() + 1);
    }
    uint64_t value = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc()) return value;
  }
  return std::nullopt;
}

constexpr uint64_t kPeriodUs = 100'000;
uint64_t quota_us(uint64_t cpus_milli) {
  return std::max<uint64_t>(1000, cpus_milli * kPeriodUs / 1000);
}

class Planner {
 public:
  Planner(const Machine& machine, const std::string& name, const policy::Limits& limits)
      : view_(machine.view), foothold_(find_foothold(machine)), name_("alos-" + name), limits_(limits) {}

  CgroupPlan plan() {
    unified();
    v1(view_.freezer, out_.freezer);
    v1(view_.cpuacct, out_.cpuacct);
    if (limits_.memory) memory();
    if (limits_.processes) processes();
    if (limits_.cpus_milli) cpus();
    return std::move(out_);
  }

 private:
  void make(const std::string& path) { out_.steps.push_back({Kind::make, path, {}}); }
  void write(const std::string& path, std::string value) {
    out_.steps.push_back({Kind::write, path, std::move(value)});
  }
  void write_if_there(const std::string& path, std::string value) {
    out_.steps.push_back({Kind::write_if_there, path, std::move(value)});
  }

  void v1(const std::optional<std::string>& where, std::string& member) {
    if (!where) return;
    member = *where + "/" + name_;
    make(member);
  }

  bool by_v2(const std::optional<std::string>& v1_directory, const char* controller) const {
    return !v1_directory && foothold_.controllers.contains(controller);
  }

  // A group of alos's own between the foothold and the boxes hands the controllers down as well: as long as it does,
  // the kernel lets nobody above take them back (EBUSY), and with them the limits.
  void unified() {
    if (foothold_.directory.empty()) return;
    std::string handed;
    const auto need = [&](bool limited, const std::optional<std::string>& v1_directory, const char* controller) {
      if (limited && by_v2(v1_directory, controller))
        handed += fmt::format("{}+{}", handed.empty() ? "" : " ", controller);
    };
    need(limits_.memory.has_value(), view_.memory, "memory");
    need(limits_.processes.has_value(), view_.pids, "pids");
    need(limits_.cpus_milli.has_value(), view_.cpu, "cpu");
    if (foothold_.kind != Foothold::Kind::ready) {
      out_.unified = foothold_.directory + "/" + name_;
      return make(out_.unified);
    }
    out_.above = foothold_.directory + "/alos";
    out_.unified = out_.above + "/" + name_;
    make(out_.above);
    if (!handed.empty()) {
      write(foothold_.directory + "/cgroup.subtree_control", handed);
      write(out_.above + "/cgroup.subtree_control", handed);
    }
    make(out_.unified);
  }

  void memory() {
    const std::string value = std::to_string(*limits_.memory);
    if (by_v2(view_.memory, "memory")) {
      out_.v2_memory = true;
      write(out_.unified + "/memory.max", value);
      write_if_there(out_.unified + "/memory.swap.max", "0");  // there with swap accounting only
      write(out_.unified + "/memory.oom.group", "1");
    } else if (view_.memory) {
      v1(view_.memory, out_.memory);
      write(out_.memory + "/memory.limit_in_bytes", value);
      write_if_there(out_.memory + "/memory.memsw.limit_in_bytes", value);
      // What waits in TCP sockets is not in the limit above, and as much again at most.
      write_if_there(out_.memory + "/memory.kmem.tcp.limit_in_bytes", value);
    }
  }

  void processes() {
    const std::string value = std::to_string(*limits_.processes);
    if (by_v2(view_.pids, "pids")) {
      out_.v2_pids = true;
      write(out_.unified + "/pids.max", value);
    } else if (view_.pids) {
      v1(view_.pids, out_.pids);
      write(out_.pids + "/pids.max", value);
    }
  }

  void cpus() {
    const uint64_t quota = quota_us(*limits_.cpus_milli);
    if (by_v2(view_.cpu, "cpu")) {
      write(out_.unified + "/cpu.max", fmt::format("{} {}", quota, kPeriodUs));
    } else if (view_.cpu) {
      v1(view_.cpu, out_.cpu);
      write(out_.cpu + "/cpu.cfs_period_us", std::to_string(kPeriodUs));
      write(out_.cpu + "/cpu.cfs_quota_us", std::to_string(quota));
    }
  }

  const CgroupView& view_;
  Foothold foothold_;
  std::string name_;
  const policy::Limits& limits_;
  CgroupPlan out_;
};

Result<void> carry_out(const CgroupStep& step) {
  if (step.kind == Kind::make) {
    if (::mkdir(step.path.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("mkdir", step.path);
    return {};
  }
  auto written = write_value(step.path, step.value);
  if (!written && step.kind == Kind::write_if_there && written.error().code == ENOENT) return {};
  return written;
}

Result<void> carry_out(const CgroupPlan& plan) {
  for (const CgroupStep& step : plan.steps) TRY(carry_out(step));
  return {};
}

// v2 tells when the last process is gone: a change after the read wakes the poll (cgroup.events). At most `ms`.
void wait_until_empty(const std::string& directory, int ms) {
  const auto events = sys::open(directory + "/cgroup.events", O_RDONLY);
  const int64_t until = boot_ns() + int64_t{ms} * 1'000'000;
  while (events) {
    char text[256];
    const ssize_t n = ::pread(events->get(), text, sizeof text, 0);
    if (n <= 0 || std::string_view(text, static_cast<size_t>(n)).find("populated 1") == std::string_view::npos) return;
    const int64_t left_ms = (until - boot_ns()) / 1'000'000;
    pollfd change{.fd = events->get(), .events = POLLPRI, .revents = 0};
    if (left_ms <= 0 || ::poll(&change, 1, static_cast<int>(left_ms)) == 0) return;
  }
}

constexpr int kEmptyMs = 1000;

}  // namespace

std::vector<std::string> CgroupPlan::groups() const {
  std::set<std::string> out;
  for (const std::string* path : {&memory, &pids, &cpu, &cpuacct, &freezer, &unified})
    if (!path->empty()) out.insert(*path);
  return {out.begin(), out.end()};
}

CgroupPlan plan_cgroup(const Machine& machine, const std::string& name, const policy::Limits& limits) {
  return Planner(machine, name, limits).plan();
}

Result<Cgroup> Cgroup::create(CgroupPlan plan) {
  Cgroup out(std::move(plan));
  Result<void> done;
  // The last box of another run may take alos's own group away between the making of it and of what goes into it.
  for (int attempt = 0; attempt < 10; ++attempt) {
    done = carry_out(out.plan_);
    if (done || done.error().code != ENOENT || out.plan_.above.empty()) break;
  }
  if (!done) return std::unexpected(std::move(done).error());
  return out;
}

Cgroup::~Cgroup() {
  remove(plan_);
}

Result<std::vector<UniqueFd>> Cgroup::open_tasks() const {
  std::vector<UniqueFd> out;
  for (const std::string& directory : plan_.groups())
    if (directory != plan_.unified) out.push_back(TRY(sys::open(directory + "/tasks", O_WRONLY)));
  return out;
}

Result<UniqueFd> Cgroup::open_unified() const {
  return sys::open(plan_.unified, O_RDONLY | O_DIRECTORY);
}

Result<void> Cgroup::freeze(bool frozen) const {
  if (!plan_.unified.empty()) return write_value(plan_.unified + "/cgroup.freeze", frozen ? "1" : "0");
  if (!plan_.freezer.empty()) return write_value(plan_.freezer + "/freezer.state", frozen ? "FROZEN" : "THAWED");
  return fail("freeze", "box", ENOTSUP, "no cgroup of this box can be frozen here");
}

Result<void> Cgroup::kill() const {
  if (plan_.unified.empty()) return {};
  auto killed = write_value(plan_.unified + "/cgroup.kill", "1");
  return killed || killed.error().code == ENOENT ? Result<void>{} : killed;
}

CgroupUsage Cgroup::usage() const {
  CgroupUsage out;
  if (!plan_.cpuacct.empty()) {
    if (const auto ns = number_in(plan_.cpuacct + "/cpuacct.usage")) out.cpu_ms = *ns / 1'000'000;
  } else if (!plan_.unified.empty()) {
    if (const auto us = number_in(plan_.unified + "/cpu.stat", "usage_usec")) out.cpu_ms = *us / 1000;
  }
  if (plan_.v2_memory) {
    out.memory_peak = number_in(plan_.unified + "/memory.peak");
    out.memory_kills = number_in(plan_.unified + "/memory.events", "oom_kill").value_or(0);
  } else if (!plan_.memory.empty()) {
    out.memory_peak = number_in(plan_.memory + "/memory.max_usage_in_bytes");
    out.memory_kills = number_in(plan_.memory + "/memory.oom_control", "oom_kill").value_or(0);
  }
  const std::string& pids = plan_.v2_pids ? plan_.unified : plan_.pids;
  if (!pids.empty()) {
    out.processes_peak = number_in(pids + "/pids.peak");
    out.fork_refusals = number_in(pids + "/pids.events", "max").value_or(0);
  }
  return out;
}

void Cgroup::remove(const CgroupPlan& plan) {
  const std::vector<std::string> groups = plan.groups();
  if (!plan.unified.empty()) {
    (void)write_value(plan.unified + "/cgroup.kill", "1");
    wait_until_empty(plan.unified, kEmptyMs);
  }
  for (const std::string& directory : groups)
    // A dying process leaves its v1 groups a moment after it is reaped, and nothing tells of it.
    for (int attempt = 0; attempt < 500; ++attempt) {
      if (::rmdir(directory.c_str()) == 0 || errno != EBUSY) break;
      const timespec pause{.tv_sec = 0, .tv_nsec = 2'000'000};
      ::nanosleep(&pause, nullptr);
    }
  if (!plan.above.empty()) ::rmdir(plan.above.c_str());  // EBUSY while another box is in it
}

}  // namespace alos::box
