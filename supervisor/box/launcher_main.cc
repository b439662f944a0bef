// alos-launcher: the only program that may hold capabilities. Started by the front with one socket to the supervisor on
// descriptor 3; makes one box, answers orders, and cleans up when the box or the supervisor is gone.

#include <cap-ng.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "base/sys.h"
#include "supervisor/box/keeper.h"
#include "supervisor/box/launch.h"
#include "supervisor/box/protocol.h"
#include "supervisor/box/runs.h"

namespace alos::box {
namespace {

constexpr size_t kSpecLimit = 16 << 20;
constexpr size_t kRequestLimit = 4 << 20;

Result<Order> receive_order() {
  LaunchMessage message;
  auto got = TRY(sys::receive_message(kLauncherSocket, std::as_writable_bytes(std::span(&message, 1)), 16));
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

// ALOS_FAIL_STEP: "STEP:ERRNO" of the first box, "later.STEP:ERRNO" of what is ordered afterwards.
Fault fault_from_environment(std::string_view of) {
  Fault fault;
  const char* text = ::secure_getenv("ALOS_FAIL_STEP");
  if (!text || !std::string_view(text).starts_with(of)) return fault;
  const std::string_view words = std::string_view(text).substr(of.size());
  const size_t colon = words.find(':');
  for (int i = 0; i < kSteps; ++i)
    if (name(static_cast<Step>(i)) == words.substr(0, colon)) fault.step = i;
  fault.error = EPERM;
  const std::string_view error = colon == words.npos ? "" : words.substr(colon + 1);
  std::from_chars(error.begin(), error.end(), fault.error);
  return fault;
}

int fail_launch(const LaunchError& error) {
  send_failure({}, error);
  return 1;
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

BoxRequest first_box(Order& order) {
  BoxRequest out;
  out.argv = order.run.argv;
  out.env = order.run.env;
  out.cwd = order.run.cwd;
  for (int i = 0; i < 3; ++i) out.stdio[i] = std::move(order.stdio[i]);
  out.terminal = order.run.terminal;
  out.terminal_mask = order.run.terminal_mask;
  out.rows = order.run.rows;
  out.columns = order.run.columns;
  return out;
}

Launched<void> report_started(const Holder& holder, const Starting& box, Trace& trace) {
  LauncherReport report;
  report.kind = LauncherReport::Kind::started;
  report.pid = box.pid;
  report.can_freeze = holder.cgroup && holder.cgroup->can_freeze() ? 1 : 0;
  std::string given_up;
  for (const std::string& what : holder.given_up) given_up += (given_up.empty() ? "" : ",") + what;
  report.say(given_up);
  std::vector<int> fds{box.pidfd.get(), box.control.get()};
  if (box.handed.listener) fds.push_back(box.handed.listener.get());
  report.has_listener = box.handed.listener ? 1 : 0;
  if (box.handed.terminal) fds.push_back(box.handed.terminal.get());
  return hand_over(report, fds, trace);
}

int run() {
  LaunchTimes times = LaunchTimes::from_environment();
  times.mark("launcher.main");
  ::umask(0);  // modes are explicit; overlayfs copies up with this umask
  // Sending descriptors fails while the user has more of them in flight than the sender's soft limit (net/core/scm.c):
  // the launcher's goes up, so that no box of the same user keeps the next from starting.
  const uint64_t open_files = sys::raise_open_files();
  ::setsid();  // a terminal's signals are the supervisor's
  auto kept = keep_needed_capabilities();
  // Received in any case: a socket that is closed with the order still in it takes the report of what failed along.
  auto order = receive_order();
  if (!kept) return fail_launch({Step::request, kept.error()});
  if (auto left = leave_callers_traits(); !left) return fail_launch({Step::request, left.error()});
  times.mark("launcher.order");
  if (!order) return fail_launch({Step::request, order.error()});
  order->caller_open_files = open_files;
  const std::vector<UniqueFd> locks = std::move(order->locks);  // until this process ends
  Trace trace{.fault = fault_from_environment(""), .steps = times.share_steps()};
  BoxRequest request = first_box(*order);
  auto held = hold(std::move(*order), trace);
  if (!held) return fail_launch(held.error());
  Holder& holder = held->holder;
  std::vector<Granted> granted;
  auto box = launch(holder, std::move(held->sources), std::move(request), trace, granted);
  times.mark("launcher.executed");
  if (!box) return fail_launch(box.error());
  if (auto told = report_started(holder, *box, trace); !told) {
    end(*box);
    return fail_launch(told.error());
  }
  // Only the supervisor may hold init's socket: its end of file is what ends a box whose supervisor died.
  box->control.reset();
  box->report.reset();
  box->handed.terminal.reset();
  box->handed.listener.reset();
  keep(holder, std::move(*box), std::move(granted), times, fault_from_environment("later."));
  times.mark("launcher.end");
  times.write();
  return 0;
}

}  // namespace
}  // namespace alos::box

int main() {
  return alos::box::run();
}
