#include "supervisor/box/keeper.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/sys.h"
#include "supervisor/box/disk_watch.h"
#include "supervisor/box/protocol.h"
#include "supervisor/box/runs.h"

namespace alos::box {
namespace {

class Keeper {
  static constexpr int64_t kWallGrace = 1'000'000'000;  // ns
  static constexpr int64_t kLongest = 3'600'000;        // ms between two looks at the clock
  static constexpr int64_t kBetween = 10'000'000;       // ns between two looks at the limits

 public:
  Keeper(Holder& holder, Starting box, std::vector<Granted> granted, LaunchTimes& times, Fault later)
      : holder_(holder),
        box_(std::move(box)),
        granted_(std::move(granted)),
        limits_(holder.plan().limits),
        times_(times),
        later_(later),
        disk_(std::move(holder.written), std::move(holder.bounded), limits_.disk, box_.pid),
        runs_(holder, disk_, later, [this] { return between(); }) {
    if (limits_.wall_ms && !holder.run.clock_is_given)
      wall_ns_ = boot_ns() + static_cast<int64_t>(*limits_.wall_ms) * 1'000'000 + kWallGrace;
  }
  Keeper(const Keeper&) = delete;

  // Until the box is gone or the supervisor is.
  void run() {
    for (;;) {
      std::vector<pollfd> fds{{.fd = box_.pidfd.get(), .events = POLLIN, .revents = 0},
                              {.fd = kLauncherSocket, .events = POLLIN, .revents = 0},
                              {.fd = identity_ ? identity_->report.get() : -1, .events = POLLIN, .revents = 0}};
      const size_t own = fds.size();
      runs_.add_to(fds);
      const int ready = ::poll(fds.data(), fds.size(), next_check_ms());
      if (ready < 0 && errno != EINTR) break;
      if (fds[0].revents != 0) return finish();
      // Before orders, which change what was polled.
      if (ready > 0) runs_.look(std::span(fds).subspan(own));
      if (fds[2].revents != 0) hear_identity();
      if (fds[1].revents != 0 && !obey()) break;
      if (is_over()) return finish();
    }
    end_box();
  }

 private:
  bool obey() {
    LauncherOrder order;
    auto got = sys::receive_message(kLauncherSocket, std::as_writable_bytes(std::span(&order, 1)), 4);
    if (!got || got->size != sizeof order) return false;
    switch (order.kind) {
      case LauncherOrder::Kind::kill:
        kill_all();
        break;
      case LauncherOrder::Kind::freeze:
        (void)holder_.cgroup->freeze(true);
        break;
      case LauncherOrder::Kind::thaw:
        (void)holder_.cgroup->freeze(false);
        break;
      case LauncherOrder::Kind::identity:
        begin_identity();
        break;
      case LauncherOrder::Kind::run:
        runs_.begin(order, std::move(got->fds));
        break;
      case LauncherOrder::Kind::end_run:
        runs_.end(order.run);
        break;
    }
    return true;
  }

  bool is_over() {
    over_ = over_ || over_cpu_time() || over_disk() || over_wall();
    return over_;
  }

  // An agent decides how long it takes to find what is to be covered in a box: what it holds limits for, and its end,
  // do not wait for that.
  Result<void> between() {
    const int64_t now = boot_ns();
    if (now < next_between_ns_) return {};
    next_between_ns_ = now + kBetween;
    const auto ended = [](std::string_view how) { return fail("run", "box", ECANCELED, std::string(how)); };
    if (is_over()) return ended("a limit ended the run");
    pollfd fds[] = {{.fd = box_.pidfd.get(), .events = POLLIN, .revents = 0},
                    {.fd = kLauncherSocket, .events = 0, .revents = 0}};
    if (::poll(fds, 2, 0) <= 0) return {};
    return ended(fds[0].revents != 0 ? "the run is over" : "the supervisor is gone");
  }

  void begin_identity() {
    auto begun =
        identity_ ? Result<Identifying>(fail("identity", "order", EBUSY, "one is being registered")) : start_identity();
    if (begun)
      identity_.emplace(std::move(*begun));
    else
      say_identity_failed({Step::personality, begun.error()});
  }

  Result<Identifying> start_identity() {
    if (box_.handed.tree) TRY(keep_tree(holder_, std::move(box_.handed.tree)));
    return identify(holder_, granted_, later_);
  }

  void hear_identity() {
    const auto done = hear(*identity_);
    if (done && !*done) return;
    const Identifying identity = std::move(*identity_);
    identity_.reset();
    if (!done) return say_identity_failed(done.error());
    LauncherReport report;
    report.kind = LauncherReport::Kind::identity;
    report.personality = identity.personality;
    report.personality_of_files = identity.of_files;
    report.mask_device = identity.mask_device;
    report.mask = identity.mask;
    const int fds[] = {identity.box.get(), identity.view.get()};
    Trace trace{.fault = later_};
    if (const auto told = hand_over(report, std::span(fds).first(identity.view ? 2 : 1), trace); !told)
      say_identity_failed(told.error());
  }

  static void say_identity_failed(const LaunchError& error) {
    LauncherReport report;
    report.kind = LauncherReport::Kind::identity_failed;
    send_failure(report, error);
  }

  void kill_all() {
    (void)holder_.cgroup->kill();
    (void)sys::pidfd_signal(box_.pidfd.get(), SIGKILL);  // the end of its init ends a pid namespace
    (void)holder_.cgroup->freeze(false);                 // v1's freezer keeps what it froze from dying
  }

  void end_box() {
    kill_all();
    pollfd gone{.fd = box_.pidfd.get(), .events = POLLIN, .revents = 0};
    ::poll(&gone, 1, 5000);
    runs_.end_all();
  }

  int next_check_ms() const {
    const int disk = disk_.wait_ms();
    uint64_t wait = UINT64_MAX;
    if (wall_ns_ != 0)
      wait = static_cast<uint64_t>(std::clamp<int64_t>((wall_ns_ - boot_ns()) / 1'000'000 + 1, 0, kLongest));
    if (disk >= 0) wait = std::min(wait, static_cast<uint64_t>(disk));
    if (limits_.cpu_time_ms) {
      const uint64_t used = holder_.cgroup->usage().cpu_ms.value_or(0);
      const uint64_t left = *limits_.cpu_time_ms > used ? *limits_.cpu_time_ms - used : 0;
      const auto cores = static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
      wait = std::min(wait, std::clamp<uint64_t>(left / cores, 20, 10'000));
    }
    return wait == UINT64_MAX ? -1 : static_cast<int>(wait);
  }

  // The layer's and the lasting home's part of `disk`; the private space's is the size of its tmpfs.
  bool over_disk() {
    const DiskWatch::Found found = disk_.look();
    if (found == DiskWatch::Found::full) say_full();
    return found == DiskWatch::Found::over && end_by("disk", disk_.reason());
  }

  static void say_full() {
    LauncherReport report;
    report.kind = LauncherReport::Kind::full;
    send_report(report);
  }

  bool over_cpu_time() {
    if (!limits_.cpu_time_ms || holder_.cgroup->usage().cpu_ms.value_or(0) < *limits_.cpu_time_ms) return false;
    return end_by("cpu-time");
  }

  // The supervisor's to hold; this is for one that somebody stopped.
  bool over_wall() { return wall_ns_ != 0 && boot_ns() >= wall_ns_ && end_by("wall"); }

  bool end_by(std::string_view limit, const std::string& reason = {}) {
    LauncherReport report;
    report.kind = LauncherReport::Kind::limit;
    report.say(reason.empty() ? std::string(limit) : fmt::format("{}\n{}", limit, reason));
    send_report(report);
    end_box();
    return true;
  }

  void finish() {
    times_.mark("launcher.box-gone");
    if (!runs_.empty()) {
      kill_all();
      runs_.end_all();
    }
    if (!disk_.said_full() && disk_.is_full()) say_full();
    const CgroupUsage usage = holder_.cgroup->usage();
    LauncherReport report;
    report.kind = LauncherReport::Kind::ended;
    report.cpu_ms = usage.cpu_ms.value_or(0);
    report.memory_peak = usage.memory_peak.value_or(0);
    report.processes_peak = usage.processes_peak.value_or(0);
    report.memory_kills = usage.memory_kills;
    report.fork_refusals = usage.fork_refusals;
    holder_.cgroup.reset();  // waits until it is empty
    times_.mark("launcher.cgroup-gone");
    holder_.janitor.dismiss();
    send_report(report);
  }

  Holder& holder_;
  Starting box_;
  std::vector<Granted> granted_;
  policy::Limits limits_;
  LaunchTimes& times_;
  Fault later_;
  DiskWatch disk_;
  Runs runs_;
  std::optional<Identifying> identity_;
  int64_t wall_ns_ = 0;  // CLOCK_BOOTTIME; 0: none
  int64_t next_between_ns_ = 0;
  bool over_ = false;  // a limit ended it
};

}  // namespace

void keep(Holder& holder, Starting box, std::vector<Granted> granted, LaunchTimes& times, Fault later) {
  Keeper(holder, std::move(box), std::move(granted), times, later).run();
}

}  // namespace alos::box
