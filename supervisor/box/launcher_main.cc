// alos-launcher: the only program that may hold capabilities. Started by the front with one socket to the supervisor on
// descriptor 3; makes one box, answers orders, and cleans up when the box or the supervisor is gone.

#include <cap-ng.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "base/clock.h"
#include "base/sys.h"
#include "supervisor/box/disk_watch.h"
#include "supervisor/box/launch.h"

namespace alos::box {
namespace {

constexpr int kSocket = kLauncherSocket;
constexpr size_t kSpecLimit = 16 << 20;
constexpr size_t kRequestLimit = 4 << 20;

void send_report(const LauncherReport& report, std::span<const int> fds = {}) {
  // A supervisor that is gone is noticed by the loop.
  (void)sys::send_message(kSocket, std::as_bytes(std::span(&report, 1)), fds);
}

Result<Order> receive_order() {
  LaunchMessage message;
  auto got = TRY(sys::receive_message(kSocket, std::as_writable_bytes(std::span(&message, 1)), 16));
  const size_t expected = 5 + (message.has_workspace ? 1 : 0) + (message.has_layer ? 1 : 0) +
                          (message.has_image ? 1 : 0) + (message.has_home ? 1 : 0) + message.locks;
  if (got.size != sizeof message || message.magic != LaunchMessage::kMagic || got.fds.size() != expected)
    return fail("request", "message", EBADMSG, "front and launcher are of different versions");
  Order order;
  order.policy = TRY(decode<Compiled>(TRY(sys::read_file(got.fds[0].get(), kSpecLimit)), "compiled policy"));
  order.run = TRY(decode<RunRequest>(TRY(sys::read_file(got.fds[1].get(), kRequestLimit)), "run request"));
  if (message.has_ring) {
    if (::fcntl(kRing, F_SETFD, FD_CLOEXEC) != 0) return fail_errno("fcntl", "file ring");
    order.ring = UniqueFd(kRing);
  }
  order.privilege = message.rootless ? Privilege::rootless : Privilege::root;
  for (int i = 0; i < 3; ++i) order.stdio[i] = std::move(got.fds[2 + i]);
  size_t next = 5;
  if (message.has_workspace) order.workspace = std::move(got.fds[next++]);
  if (message.has_layer) order.layer = std::move(got.fds[next++]);
  if (message.has_image) order.image = std::move(got.fds[next++]);
  if (message.has_home) order.home = std::move(got.fds[next++]);
  while (next < got.fds.size()) order.locks.push_back(std::move(got.fds[next++]));
  return order;
}

// As root only: what mounting, mapping and overlayfs (which acts with its mounter's capabilities) need, nothing else.
Result<void> keep_needed_capabilities() {
  if (::geteuid() != 0) return {};
  ::capng_get_caps_process();
  ::capng_clear(CAPNG_SELECT_CAPS);
  for (const unsigned capability :
       {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID,
        CAP_SETPCAP, CAP_SETFCAP, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_MKNOD}) {
    if (!::capng_have_capability(CAPNG_BOUNDING_SET, capability)) continue;
    ::capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED), capability);
  }
  errno = 0;
  if (::capng_apply(CAPNG_SELECT_CAPS) != 0) return fail("capng_apply", "launcher", errno ? errno : EPERM);
  return {};
}

Fault fault_from_environment() {
  Fault fault;
  const char* text = ::secure_getenv("ALOS_FAIL_STEP");
  if (!text) return fault;
  const std::string_view words = text;
  const size_t colon = words.find(':');
  for (int i = 0; i < kSteps; ++i)
    if (name(static_cast<Step>(i)) == words.substr(0, colon)) fault.step = i;
  fault.error = colon == words.npos ? EPERM : std::atoi(text + colon + 1);
  return fault;
}

class Keeper {
  static constexpr int64_t kWallGrace = 1'000'000'000;  // ns
  static constexpr int64_t kLongest = 3'600'000;        // ms between two looks at the clock

 public:
  Keeper(Box box, policy::Limits limits, LaunchTimes& times)
      : box_(std::move(box)),
        limits_(limits),
        times_(times),
        disk_(std::move(box_.written), std::move(box_.bounded), limits.disk, box_.pid) {
    if (limits.wall_ms) wall_ns_ = boot_ns() + static_cast<int64_t>(*limits.wall_ms) * 1'000'000 + kWallGrace;
  }

  // Until the box is gone or the supervisor is.
  void run() {
    for (;;) {
      pollfd fds[2] = {{.fd = box_.pidfd.get(), .events = POLLIN, .revents = 0},
                       {.fd = kSocket, .events = POLLIN, .revents = 0}};
      const int ready = ::poll(fds, 2, next_check_ms());
      if (ready < 0 && errno != EINTR) break;
      if (fds[0].revents != 0) return finish();
      if (fds[1].revents != 0 && !obey()) break;
      if (over_cpu_time() || over_disk() || over_wall()) return finish();
    }
    end_box();
  }

 private:
  bool obey() {
    std::byte order{};
    const auto got = sys::receive_message(kSocket, std::span(&order, 1), 0);
    if (!got || got->size == 0) return false;
    switch (static_cast<LauncherOrder>(order)) {
      case LauncherOrder::kill:
        kill_all();
        break;
      case LauncherOrder::freeze:
        (void)box_.cgroup->freeze(true);
        break;
      case LauncherOrder::thaw:
        (void)box_.cgroup->freeze(false);
        break;
    }
    return true;
  }

  void kill_all() {
    (void)box_.cgroup->kill();
    (void)sys::pidfd_signal(box_.pidfd.get(), SIGKILL);  // the end of its init ends a pid namespace
    (void)box_.cgroup->freeze(false);                    // v1's freezer keeps what it froze from dying
  }

  void end_box() {
    kill_all();
    pollfd gone{.fd = box_.pidfd.get(), .events = POLLIN, .revents = 0};
    ::poll(&gone, 1, 5000);
  }

  int next_check_ms() const {
    const int disk = disk_.wait_ms();
    uint64_t wait = UINT64_MAX;
    if (wall_ns_ != 0)
      wait = static_cast<uint64_t>(std::clamp<int64_t>((wall_ns_ - boot_ns()) / 1'000'000 + 1, 0, kLongest));
    if (disk >= 0) wait = std::min(wait, static_cast<uint64_t>(disk));
    if (limits_.cpu_time_ms) {
      const uint64_t used = box_.cgroup->usage().cpu_ms.value_or(0);
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
    if (!limits_.cpu_time_ms || box_.cgroup->usage().cpu_ms.value_or(0) < *limits_.cpu_time_ms) return false;
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
    if (!disk_.said_full() && disk_.is_full()) say_full();
    const CgroupUsage usage = box_.cgroup->usage();
    LauncherReport report;
    report.kind = LauncherReport::Kind::ended;
    report.cpu_ms = usage.cpu_ms.value_or(0);
    report.memory_peak = usage.memory_peak.value_or(0);
    report.processes_peak = usage.processes_peak.value_or(0);
    report.memory_kills = usage.memory_kills;
    report.fork_refusals = usage.fork_refusals;
    box_.cgroup.reset();  // waits until it is empty
    times_.mark("launcher.cgroup-gone");
    box_.janitor.dismiss();
    send_report(report);
  }

  Box box_;
  policy::Limits limits_;
  LaunchTimes& times_;
  DiskWatch disk_;
  int64_t wall_ns_ = 0;  // CLOCK_BOOTTIME; 0: none
};

int fail_launch(Step step, const Error& error) {
  LauncherReport report;
  report.kind = LauncherReport::Kind::failed;
  report.step = step;
  report.error = error.code;
  report.say(error.text());
  send_report(report);
  return 1;
}

// Sending descriptors fails while the user has more of them in flight than the sender's soft limit (net/core/scm.c):
// the launcher's goes up, so that no box of the same user keeps the next from starting. Returns what it was.
uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const uint64_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

// What the caller handed on and a box must not have: protection from the kernel's end by memory (a service's negative
// oom_score_adj), memory laid out without chance (setarch -R).
Result<void> leave_callers_traits() {
  constexpr const char* kScore = "/proc/self/oom_score_adj";
  const UniqueFd score = TRY(sys::open(kScore, O_RDWR));
  if (TRY(sys::read_file(score.get(), 16)).starts_with('-') && ::pwrite(score.get(), "0", 1, 0) != 1)
    return fail_errno("write", kScore);
  if (::personality(PER_LINUX) < 0) return fail_errno("personality", "PER_LINUX");
  return {};
}

int run() {
  LaunchTimes times = LaunchTimes::from_environment();
  times.mark("launcher.main");
  ::umask(0);  // modes are explicit; overlayfs copies up with this umask
  const uint64_t open_files = raise_open_files();
  ::setsid();  // a terminal's signals are the supervisor's
  auto kept = keep_needed_capabilities();
  // Received in any case: a socket that is closed with the order still in it takes the report of what failed along.
  auto order = receive_order();
  if (!kept) return fail_launch(Step::request, kept.error());
  if (auto left = leave_callers_traits(); !left) return fail_launch(Step::request, left.error());
  times.mark("launcher.order");
  if (!order) return fail_launch(Step::request, order.error());
  order->caller_open_files = open_files;
  const policy::Limits limits = order->policy.plan.limits;
  const std::vector<UniqueFd> locks = std::move(order->locks);  // until this process ends
  auto box = launch(std::move(*order), fault_from_environment(), times);
  times.mark("launcher.executed");
  if (!box) return fail_launch(box.error().step, box.error().error);
  LauncherReport report;
  report.kind = LauncherReport::Kind::started;
  report.pid = box->pid;
  report.can_freeze = box->cgroup && box->cgroup->can_freeze() ? 1 : 0;
  std::string given_up;
  for (const std::string& what : box->given_up) given_up += (given_up.empty() ? "" : ",") + what;
  report.say(given_up);
  std::vector<int> fds{box->pidfd.get(), box->control.get()};
  if (box->handed.listener) fds.insert(fds.end(), {box->handed.root.get(), box->handed.listener.get()});
  report.has_listener = box->handed.listener ? 1 : 0;
  if (box->handed.terminal) fds.push_back(box->handed.terminal.get());
  send_report(report, fds);
  // Only the supervisor may hold init's socket: its end of file is what ends a box whose supervisor died.
  box->control.reset();
  box->handed.terminal.reset();
  box->handed.listener.reset();
  Keeper(std::move(*box), limits, times).run();
  times.mark("launcher.end");
  times.write();
  return 0;
}

}  // namespace
}  // namespace alos::box

int main() {
  return alos::box::run();
}
