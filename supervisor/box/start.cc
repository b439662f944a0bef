#include "supervisor/box/start.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/enter.h"
#include "supervisor/box/identity.h"

namespace alos::box {
namespace {

// What a user namespace holds (inotify, queued signals, message queues) is counted for who made it, too
// (user_namespaces(7)): made by root's id, four boxes would have all of root's inotify instances, and its services
// none. So it is made by the box's own, which is nobody else's. An id other than 0 has no capabilities in effect; they
// stay permitted, because the real one is still 0 (capabilities(7)).
Result<void> take_effective_id(uid_t uid) {
  if (::syscall(SYS_setresuid, -1, uid, -1) != 0) return fail_errno("setresuid", "owner of the user namespace");
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return fail_errno("capget", "launcher");
  for (auto& half : data) half.effective = half.permitted;
  if (::syscall(SYS_capset, &header, data) != 0) return fail_errno("capset", "launcher");
  return {};
}

// A realtime caller (chrt, a realtime service) would hand its scheduling on: an agent could take whole processors from
// everybody, and a v1 cgroup without a realtime budget does not take the box at all (EINVAL, CONFIG_RT_GROUP_SCHED).
// With the flag a child begins as SCHED_OTHER, and with nice 0 where it would be below (sched(7)); what asks for less,
// as SCHED_IDLE or nice 10, is kept.
Result<void> reset_priority_on_fork() {
  const int policy = ::sched_getscheduler(0);
  sched_param param{};
  if (policy < 0 || ::sched_getparam(0, &param) != 0 ||
      ::sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param) != 0)
    return fail_errno("sched_setscheduler", "reset on fork");
  return {};
}

// The box becomes a child of the supervisor, not of the launcher: it is waited for there, on every kernel, and the
// launcher's end does not touch it. CLONE_PARENT demands exit_signal 0.
Result<void> clone_child(const Holder& holder, const Layout& box, const sys::Pair& report, Starting& out) {
  UniqueFd into;
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
               CLONE_PARENT | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  if (holder.cgroup && holder.cgroup->has_unified()) {
    into = TRY(holder.cgroup->open_unified());
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(into.get());
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail("clone3", "box", errno, "see 'alos doctor'");
  if (pid == 0) enter_box(box, report.b.get(), report.a.get());
  out.pid = static_cast<pid_t>(pid);
  out.pidfd = UniqueFd(pidfd);
  return {};
}

// These limits bound each box by itself. What is in force when its user namespace is made bounds all processes of the
// namespace that makes it, which is the holder's: so all boxes of the run together (get_userns_rlimit_max() in
// kernel/ucount.c, 5.14), and this process with what it starts. As root this would need another real id; there a cgroup
// counts, and the rest is nobody else's.
class BoundForAll {
 public:
  BoundForAll(__rlimit_resource what, rlim_t most) : what_(what) {
    if (::getrlimit(what_, &before_) != 0) return;
    rlimit bound = before_;
    bound.rlim_cur = std::min(before_.rlim_cur, most);
    set_ = ::setrlimit(what_, &bound) == 0;
  }
  ~BoundForAll() {
    if (set_) ::setrlimit(what_, &before_);
  }
  BoundForAll(const BoundForAll&) = delete;
  BoundForAll& operator=(const BoundForAll&) = delete;

 private:
  __rlimit_resource what_;
  rlimit before_{};
  bool set_ = false;
};

// The other half is the caller's.
rlim_t half_of(__rlimit_resource what) {
  rlimit now{};
  return ::getrlimit(what, &now) == 0 ? now.rlim_cur / 2 : 0;
}

Result<void> clone_as_own(const Holder& holder, const Layout& box, const sys::Pair& report, Starting& out) {
  if (holder.privilege == Privilege::rootless) {
    constexpr rlim_t kOwn = 2;
    const auto processes = holder.plan().limits.processes;
    const BoundForAll all_processes(RLIMIT_NPROC, processes ? *processes + kOwn : RLIM_INFINITY);
    const BoundForAll queues(RLIMIT_MSGQUEUE, half_of(RLIMIT_MSGQUEUE));
    const BoundForAll signals(RLIMIT_SIGPENDING, half_of(RLIMIT_SIGPENDING));
    return clone_child(holder, box, report, out);
  }
  TRY(take_effective_id(holder.run.host_uid));
  auto cloned = clone_child(holder, box, report, out);
  TRY(take_effective_id(0));
  return cloned;
}

UniqueFd* place_of(Handed& handed, StepReport::Kind what) {
  switch (what) {
    case StepReport::Kind::terminal:
      return &handed.terminal;
    case StepReport::Kind::listener:
      return &handed.listener;
    case StepReport::Kind::tree:
      return &handed.tree;
    default:
      return nullptr;
  }
}

}  // namespace

LaunchError failure_of(StepReport& report) {
  report.object.back() = '\0';
  return {report.step, Error{std::string(name(report.step)), printable(report.object.data()), report.error, ""}};
}

Launched<Starting> clone_box(const Holder& holder, Layout& box, Trace& trace) {
  Starting out;
  sys::Pair control = ALOS_STEP(trace, Step::clone, sys::socketpair(SOCK_SEQPACKET));
  sys::Pair report = ALOS_STEP(trace, Step::clone, sys::socketpair(SOCK_SEQPACKET));
  box.control = std::move(control.b);
  out.control = std::move(control.a);
  ALOS_STEP(trace, Step::clone, reset_priority_on_fork());
  ALOS_STEP(trace, Step::clone, clone_as_own(holder, box, report, out));
  out.report = std::move(report.a);
  return out;
}

Launched<void> release(const Holder& holder, Starting& box, Trace& trace) {
  const Identity identity{.host_uid = holder.run.host_uid, .host_gid = holder.run.host_gid};
  ALOS_STEP(trace, Step::identity_map, write_maps(box.pid, identity, Setgroups::permitted));
  const std::byte go{1};
  ALOS_STEP(trace, Step::start, sys::send_message(box.report.get(), std::span(&go, 1)));
  return {};
}

Launched<bool> hear(Starting& box) {
  StepReport message;
  auto got = sys::receive_message(box.report.get(), std::as_writable_bytes(std::span(&message, 1)), 1);
  if (!got) return std::unexpected(LaunchError{Step::start, got.error()});
  if (got->size == 0) return true;
  UniqueFd* const place = got->size == sizeof message ? place_of(box.handed, message.kind) : nullptr;
  if (got->size != sizeof message || got->fds.size() != (place ? 1 : 0))
    return std::unexpected(LaunchError{Step::start, Error{"report", "box", EBADMSG, ""}});
  if (place) {
    *place = std::move(got->fds[0]);
    return false;
  }
  return std::unexpected(failure_of(message));
}

void give_up(const Starting& box) {
  (void)sys::pidfd_signal(box.pidfd.get(), SIGKILL);
}

}  // namespace alos::box
