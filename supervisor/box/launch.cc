#include "supervisor/box/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/child.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/covers.h"
#include "supervisor/box/enter.h"
#include "supervisor/box/host_mounts.h"
#include "supervisor/box/host_sockets.h"
#include "supervisor/box/kernel_abi.h"
#include "supervisor/box/limit_holders.h"
#include "supervisor/box/private_space.h"
#include "supervisor/box/sources.h"

namespace alos::box {
namespace {

// As TRY, for a step: its error says which.
#define STEP(at, ...)                                                                  \
  __extension__({                                                                      \
    auto result_ = (__VA_ARGS__);                                                      \
    if (fault.delays(at)) ::usleep(500'000);                                           \
    if (fault.hits(at)) result_ = alos::fail("fault", name(at), fault.error);          \
    if (!result_) return std::unexpected(LaunchError{at, std::move(result_).error()}); \
    mark_step(steps, at);                                                              \
    ::alos::detail::take(std::move(result_));                                          \
  })

bool degraded(const Order& order, std::string_view what) {
  return std::ranges::find(order.run.degrade, what) != order.run.degrade.end();
}

Result<void> check_request(const Order& order) {
  const Identity identity{.host_uid = order.run.host_uid, .host_gid = order.run.host_gid};
  TRY(check(identity));
  if (order.run.argv.empty()) return fail("request", "argv", EINVAL);
  if (order.policy.filter.empty())
    return fail("request", "filter", EINVAL, "the compiled policy has no seccomp filter");
  const bool workspace = order.policy.plan.workspace_mode != policy::WorkspaceMode::none;
  if (workspace != static_cast<bool>(order.workspace)) return fail("request", "workspace", EINVAL);
  if (!order.ring && !degraded(order, "broker")) return fail("request", "file ring", EBADF);
  return {};
}

// Refuses what nothing here holds and was not given up; what was is listed.
Result<std::vector<std::string>> check_limits(const Order& order, const Machine& machine) {
  std::vector<std::string> given_up;
  std::string missing;
  for (const Limit limit : unheld(who_holds(machine), set_in(order.policy.plan.limits))) {
    const std::string word(name(limit));
    if (degraded(order, word))
      given_up.push_back(word);
    else
      missing += (missing.empty() ? "" : ",") + word;
  }
  if (missing.empty()) return given_up;
  const std::string why = find_foothold(machine).reason;
  return fail("limits", missing, ENOTSUP,
              fmt::format("nothing here can hold them for a whole box{}; run with --degrade {} to go without, "
                          "or see 'alos doctor' for what is missing",
                          why.empty() ? "" : " (" + why + ")", missing));
}

struct Limited {
  Janitor janitor;
  Cgroup cgroup;
  std::vector<std::string> given_up;
};

Result<Limited> limit_box(const Order& order, const Machine& machine) {
  std::vector<std::string> given_up = TRY(check_limits(order, machine));
  CgroupPlan plan = plan_cgroup(machine, order.run.id, order.policy.plan.limits);
  Janitor janitor = TRY(start_janitor(plan));
  Cgroup cgroup = TRY(Cgroup::create(std::move(plan)));
  return Limited{std::move(janitor), std::move(cgroup), std::move(given_up)};
}

// What cannot be made here is nothing that holds: refused with its own reason, unless every limit that it would have
// held was given up.
Result<Limited> make_cgroup(const Order& order) {
  Machine machine = as_it_is(TRY(read_machine()));
  auto limited = limit_box(order, machine);
  if (limited || limited.error().operation == "limits") return limited;
  machine.view = {};
  auto without = limit_box(order, machine);
  return without ? std::move(without) : std::move(limited);
}

// A rootless box is its caller to the kernel's count of descriptors that are sent and not received, and may send while
// that is not above its own limit, at most SCM_MAX_FD (253) at once: so it has fewer than the caller's other programs.
uint64_t open_files(const Order& order) {
  constexpr uint64_t kReserve = 256;
  const uint64_t wanted = order.policy.plan.limits.open_files.value_or(1024);
  if (order.privilege == Privilege::root) return wanted;
  const uint64_t callers = order.caller_open_files;
  return std::min(wanted, callers - std::min(kReserve, callers / 4));
}

// Rootless, what a box's message queues hold counts against the caller's own limit, on most machines 800 KiB: nine
// queues.
uint64_t message_queues(const Order& order) {
  constexpr uint64_t kEnough = 1 << 20;
  if (order.privilege == Privilege::root) return kEnough;
  rlimit callers{};
  return ::getrlimit(RLIMIT_MSGQUEUE, &callers) == 0 ? std::min<uint64_t>(kEnough, callers.rlim_cur / 2) : 0;
}

std::vector<LimitValue> resource_limits(const Order& order) {
  const policy::Limits& limits = order.policy.plan.limits;
  // 1 and not 0: at 0 the kernel still starts the host's crash handler where core_pattern is a pipe, at 1 it does not
  // (fs/coredump.c).
  std::vector<LimitValue> out{{RLIMIT_CORE, 1}, {RLIMIT_MSGQUEUE, message_queues(order)}};
  out.push_back({RLIMIT_NOFILE, open_files(order)});
  // Timers and queued signals: counted for the box's namespace, and for the caller as well.
  out.push_back({RLIMIT_SIGPENDING, 1024});
  // No priority above ordinary programs': see reset_priority_on_fork().
  out.push_back({RLIMIT_RTPRIO, 0});
  out.push_back({RLIMIT_NICE, 0});
  // Counted per user namespace (5.14), so it bounds this box alone; set inside, after the namespace was made.
  // What overlayfs copies up has no name before it is whole, and nothing here sees it grow: no file is larger than all
  // may be, and one page, so that where something else is full first that is said (ENOSPC). Not of a direct workspace,
  // whose files are the host's own.
  if (limits.disk && order.policy.plan.workspace_mode != policy::WorkspaceMode::direct)
    out.push_back({RLIMIT_FSIZE, *limits.disk + 4096});
  if (limits.processes) out.push_back({RLIMIT_NPROC, *limits.processes});
  return out;
}

std::vector<GeneratedFile> generated_files(const RunRequest&) {
  return {
      {"/etc/passwd",
       "root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/bash\n"
       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
      {"/etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"},
      {"/etc/hosts", "127.0.0.1 localhost box\n::1 localhost box\n"},
      {"/etc/hostname", "box\n"},
      {"/etc/resolv.conf", "# no name server: this box has no network but loopback\n"},
      {"/etc/nsswitch.conf",
       "passwd: files\ngroup: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n"},
  };
}

Result<UniqueFd> open_init() {
  const std::string path = TRY(program_directory()) + "/alos-init";
  auto fd = sys::open(path, O_RDONLY | O_NOFOLLOW);
  if (!fd) fd.error().hint = "the installation is incomplete";
  return fd;
}

Result<UniqueFd> lasting_home(const Order& order) {
  const UniqueFd fd = TRY(sys::open(order.run.home, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const auto mine = TRY(sys::fstat(fd.get()));
  const auto theirs = TRY(sys::fstat(order.home.get()));
  if (mine.st_dev != theirs.st_dev || mine.st_ino != theirs.st_ino) return fail("open", order.run.home, ESTALE);
  if (order.privilege == Privilege::root && mine.st_uid != order.run.host_uid) {
    const UniqueFd mapping = TRY(mapping_namespace(mine.st_uid, mine.st_gid, order.run.host_uid, order.run.host_gid));
    return mapped_mount(fd.get(), mapping, order.run.home);
  }
  const long rc = ::syscall(SYS_open_tree, fd.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (rc < 0) return fail_errno("open_tree", order.run.home);
  UniqueFd mount(static_cast<int>(rc));
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
    return fail_errno("mount_setattr", order.run.home);
  return mount;
}

// `home`: one that lasts, or none.
Result<std::vector<Place>> private_parts(const PrivateSpace& space, UniqueFd home) {
  std::vector<Place> out;
  for (const PrivatePart& part : kPrivateParts) {
    Place place;
    place.target = part.target;
    const bool lasts = home && part.target == policy::kBoxHome;
    place.source = lasts ? std::move(home) : TRY(clone_part(space, part));
    out.push_back(std::move(place));
  }
  return out;
}

Result<int> landlock_floor(const Order& order) {
  const int abi = landlock_abi();
  if (abi > 0) return abi;
  if (degraded(order, "landlock")) return 0;
  return fail("landlock", "this kernel", ENOSYS,
              "boot with lsm=...,landlock, or say 'degrade: [landlock]': mounts and ids alone would hold files then");
}

// Setting no bits is answered with success where the kernel knows the call (6.3), or refused where the caller is under
// it already (prctl_set_mdwe in kernel/sys.c).
bool knows_mdwe() {
  return ::prctl(kPrSetMdwe, 0, 0, 0, 0) == 0 || ::prctl(kPrGetMdwe, 0, 0, 0, 0) > 0;
}

// Whether the box is to be put under MDWE.
Result<bool> mdwe_floor(const Order& order) {
  if (!order.policy.plan.memory_deny_write_execute) return false;
  if (knows_mdwe()) return true;
  if (degraded(order, "mdwe")) return false;
  return fail("mdwe", "this kernel", ENOSYS,
              "it came with kernel 6.3; run with --degrade mdwe to go without: the seccomp filter alone would refuse "
              "memory that is writable and executable then");
}

Result<bool> hosts_mounts_show_twice(const policy::BoxPlan& plan, const std::vector<Place>& places) {
  if (plan.masks.empty()) return false;
  std::vector<std::string> paths;
  for (const Place& place : places)
    if (place.kind == Place::Kind::mount && !lies_below(place.target, "/dev")) paths.push_back(place.target);
  if (!plan.workspace.empty()) paths.push_back(plan.workspace);
  return shown_twice(paths);
}

// A nested rule's place must come after the tree that holds it.
void order_places(std::vector<Place>& places) {
  std::ranges::stable_sort(places, {}, [](const Place& p) { return std::ranges::count(p.target, '/'); });
}

void take_arguments(Layout& box, RunRequest& run, std::string& flags, bool notify) {
  flags = fmt::format("{}{}", run.terminal ? "t" : "-", notify ? "n" : "-");
  static char name[] = "alos-init";
  box.argv = {name, flags.data()};
  for (std::string& arg : run.argv) box.argv.push_back(arg.data());
  box.argv.push_back(nullptr);
  box.env = sys::pointers_to(run.env);
}

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

struct Cloned {
  pid_t pid;
  UniqueFd pidfd;
};

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
Result<Cloned> clone_box(const Layout& box, const sys::Pair& report, const std::optional<Cgroup>& cgroup) {
  UniqueFd into;
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
               CLONE_PARENT | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  if (cgroup && cgroup->has_unified()) {
    into = TRY(cgroup->open_unified());
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(into.get());
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail("clone3", "box", errno, "see 'alos doctor'");
  if (pid == 0) enter_box(box, report.b.get(), report.a.get());
  return Cloned{static_cast<pid_t>(pid), UniqueFd(pidfd)};
}

Result<Cloned> clone_as_own(const Order& order, const Layout& box, const sys::Pair& report,
                            const std::optional<Cgroup>& cgroup) {
  if (order.privilege == Privilege::rootless) return clone_box(box, report, cgroup);
  TRY(take_effective_id(order.run.host_uid));
  auto cloned = clone_box(box, report, cgroup);
  TRY(take_effective_id(0));
  return cloned;
}

UniqueFd* place_of(Handed& handed, StepReport::Kind what) {
  switch (what) {
    case StepReport::Kind::terminal:
      return &handed.terminal;
    case StepReport::Kind::listener:
      return &handed.listener;
    case StepReport::Kind::root:
      return &handed.root;
    case StepReport::Kind::failed:
      break;
  }
  return nullptr;
}

// Reads the child's reports until init runs (end of file) or a step failed.
Launched<Handed> await_exec(int report) {
  Handed handed;
  for (;;) {
    StepReport message;
    auto got = sys::receive_message(report, std::as_writable_bytes(std::span(&message, 1)), 1);
    if (!got) return std::unexpected(LaunchError{Step::start, got.error()});
    if (got->size == 0) return handed;
    UniqueFd* const place = got->size == sizeof message ? place_of(handed, message.kind) : nullptr;
    if (got->size != sizeof message || got->fds.size() != (place ? 1 : 0))
      return std::unexpected(LaunchError{Step::start, Error{"report", "box", EBADMSG, ""}});
    if (place) {
      *place = std::move(got->fds[0]);
      continue;
    }
    message.object.back() = '\0';
    return std::unexpected(LaunchError{
        message.step, Error{std::string(name(message.step)), printable(message.object.data()), message.error, ""}});
  }
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Launched<Box> launch(Order order, Fault fault, LaunchTimes& times) {
  int64_t* const steps = times.share_steps();
  STEP(Step::request, check_request(order));
  const policy::BoxPlan& plan = order.policy.plan;
  const Identity identity{.host_uid = order.run.host_uid, .host_gid = order.run.host_gid};

  Layout box;
  box.fault = fault;
  box.times = steps;
  box.init = STEP(Step::request, open_init());
  box.landlock_abi = STEP(Step::request, landlock_floor(order));
  box.memory_deny_write_execute = STEP(Step::request, mdwe_floor(order));
  Box out;
  // Before the namespaces: rootless, the new one would own no cgroup.
  Limited limited = STEP(Step::cgroup, make_cgroup(order));
  out.janitor = std::move(limited.janitor);
  out.cgroup.emplace(std::move(limited.cgroup));
  out.given_up = std::move(limited.given_up);
  box.cgroup_tasks = STEP(Step::cgroup, out.cgroup->open_tasks());

  STEP(Step::namespaces, enter_holder(order.privilege, order.run.host_uid, order.run.host_gid));
  const WorkspaceSource source{plan.workspace_mode, plan.workspace, order.run.layer, std::move(order.workspace),
                               std::move(order.layer)};
  OpenedWorkspace opened = STEP(Step::workspace, open_workspace(source));
  box.places = STEP(Step::sources, open_sources(plan));
  UniqueFd home;
  if (plan.keep_home) {
    home = STEP(Step::sources, lasting_home(order));
    out.written.push_back(std::move(order.home));
  }
  for (Place& device : STEP(Step::sources, open_devices())) box.places.push_back(std::move(device));
  // While every directory of the host is still seen.
  const std::vector<std::string> sockets = STEP(Step::sources, named_sockets());
  const bool twice = STEP(Step::sources, hosts_mounts_show_twice(plan, box.places));
  box.staging = STEP(Step::workspace, make_staging());
  if (order.image) opened.layer = STEP(Step::workspace, attach_image(order.image, box.staging));
  const UniqueFd merged =
      STEP(Step::workspace, mount_workspace(source, opened, order.privilege, identity, box.staging));
  const PrivateSpace space = STEP(
      Step::private_space,
      make_private_space(box.staging + "/private", private_size(plan.limits), order.run.host_uid, order.run.host_gid));
  box.private_device = space.device;
  box.parts = STEP(Step::private_space, private_parts(space, std::move(home)));
  for (Place& place : STEP(Step::workspace, place_workspace(plan, merged))) box.places.push_back(std::move(place));
  order_places(box.places);
  if (opened.layer) {
    const bool layered = plan.workspace_mode == policy::WorkspaceMode::layer;
    UniqueFd content = STEP(Step::workspace, sys::openat(opened.layer.get(), layered ? "upper" : "copy",
                                                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (order.image)
      out.bounded = std::move(content);
    else
      out.written.push_back(std::move(content));
  }
  const UniqueFd in_place;
  const UniqueFd& host = opened.layer ? opened.directory : in_place;
  box.covers = STEP(Step::masks, find_covers(plan, merged, host, box.places, sockets, twice));

  box.files = generated_files(order.run);
  box.drop_groups = order.privilege == Privilege::root;
  box.limits = resource_limits(order);
  box.cwd = order.run.cwd;
  box.filter = order.policy.filter;
  const bool notify = plan.workspace_mode == policy::WorkspaceMode::layer;
  if (notify) box.rename_filter = order.policy.rename_filter;
  for (int i = 0; i < 3; ++i) box.stdio[i] = std::move(order.stdio[i]);
  box.listener = static_cast<bool>(order.ring);
  box.terminal = order.run.terminal;
  box.terminal_mask = order.run.terminal_mask;
  box.rows = order.run.rows;
  box.columns = order.run.columns;
  std::string flags;
  take_arguments(box, order.run, flags, !box.rename_filter.empty());

  sys::Pair control = STEP(Step::clone, sys::socketpair(SOCK_SEQPACKET));
  sys::Pair report = STEP(Step::clone, sys::socketpair(SOCK_SEQPACKET));
  box.control = std::move(control.b);
  STEP(Step::clone, reset_priority_on_fork());
  Cloned child = STEP(Step::clone, clone_as_own(order, box, report, out.cgroup));
  report.b.reset();

  auto started = [&]() -> Launched<Handed> {
    STEP(Step::identity_map, write_maps(child.pid, identity, Setgroups::permitted));
    const std::byte go{1};
    STEP(Step::start, sys::send_message(report.a.get(), std::span(&go, 1)));
    return await_exec(report.a.get());
  }();
  if (!started) {
    (void)sys::pidfd_signal(child.pidfd.get(), SIGKILL);
    // Its parent reaps it; the cgroup is removed with `out`.
    pollfd ended{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
    ::poll(&ended, 1, 2000);
    return std::unexpected(started.error());
  }
  out.pid = child.pid;
  out.pidfd = std::move(child.pidfd);
  out.control = std::move(control.a);
  out.handed = std::move(*started);
  if (!box.listener) out.given_up.emplace_back("broker");
  if (box.landlock_abi == 0) out.given_up.emplace_back("landlock");
  if (plan.memory_deny_write_execute && !box.memory_deny_write_execute) out.given_up.emplace_back("mdwe");
  return out;
}

}  // namespace alos::box
