#include "supervisor/box/holder.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/host_mounts.h"
#include "supervisor/box/host_sockets.h"
#include "supervisor/box/requirements.h"
#include "supervisor/box/sources.h"

namespace alos::box {
namespace {

Result<UniqueFd> open_init() {
  const std::string path = TRY(program_directory()) + "/alos-init";
  auto fd = sys::open(path, O_RDONLY | O_NOFOLLOW);
  if (!fd) fd.error().hint = "the installation is incomplete";
  return fd;
}

Result<UniqueFd> lasting_home(const Holder& holder) {
  const UniqueFd fd = TRY(sys::open(holder.run.home, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const auto mine = TRY(sys::fstat(fd.get()));
  const auto theirs = TRY(sys::fstat(holder.home.get()));
  if (mine.st_dev != theirs.st_dev || mine.st_ino != theirs.st_ino) return fail("open", holder.run.home, ESTALE);
  if (holder.privilege == Privilege::root && mine.st_uid != holder.run.host_uid) {
    const UniqueFd mapping = TRY(mapping_namespace(mine.st_uid, mine.st_gid, holder.run.host_uid, holder.run.host_gid));
    return mapped_mount(fd.get(), mapping, holder.run.home);
  }
  const long rc = ::syscall(SYS_open_tree, fd.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (rc < 0) return fail_errno("open_tree", holder.run.home);
  UniqueFd mount(static_cast<int>(rc));
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
    return fail_errno("mount_setattr", holder.run.home);
  return mount;
}

}  // namespace

Result<bool> shown_twice_in(const policy::BoxPlan& plan, const std::vector<Place>& places) {
  std::vector<std::string> paths;
  bool denies = !plan.masks.empty();
  for (const policy::BoxCommand& command : plan.commands) {
    denies = denies || !command.masks.empty();
    for (const policy::BoxMount& mount : command.mounts) paths.push_back(mount.path);
  }
  if (!denies) return false;
  for (const Place& place : places)
    if (place.kind == Place::Kind::mount && !lies_below(place.target, "/dev")) paths.push_back(place.target);
  if (!plan.workspace.empty()) paths.push_back(plan.workspace);
  return shown_twice(paths);
}

Result<Sources> open_all_sources(const Holder& holder) {
  Sources out;
  out.places = TRY(open_sources(holder.plan().mounts, holder.plan().workspace));
  if (holder.plan().keep_home) out.home = TRY(lasting_home(holder));
  std::ranges::move(TRY(open_devices()), std::back_inserter(out.places));
  out.places.push_back(TRY(open_clients()));
  out.sockets = TRY(named_sockets());
  return out;
}

namespace {

// What the first primitive would find otherwise, with the run under way: each is there, and is what its rule says.
Result<void> check_brokered(const Holder& holder) {
  if (holder.ring) TRY(open_sources(holder.plan().brokered, holder.plan().workspace));
  return {};
}

}  // namespace

Launched<Held> hold(Order order, Trace& trace) {
  ALOS_STEP(trace, Step::request, check_request(order));
  Held out;
  Holder& holder = out.holder;
  holder.init = ALOS_STEP(trace, Step::request, open_init());
  holder.landlock_abi = ALOS_STEP(trace, Step::request, landlock_floor(order));
  holder.memory_deny_write_execute = ALOS_STEP(trace, Step::request, mdwe_floor(order));
  // Before the namespaces: rootless, the new one would own no cgroup.
  Limited limited = ALOS_STEP(trace, Step::cgroup, make_cgroup(order));
  holder.janitor = std::move(limited.janitor);
  holder.cgroup.emplace(std::move(limited.cgroup));
  holder.given_up = std::move(limited.given_up);
  holder.cgroup_tasks = ALOS_STEP(trace, Step::cgroup, holder.cgroup->open_tasks());
  holder.policy = std::move(order.policy);
  holder.run = std::move(order.run);
  holder.privilege = order.privilege;
  holder.caller_open_files = order.caller_open_files;
  holder.ring = std::move(order.ring);
  holder.home = std::move(order.home);
  const policy::BoxPlan& plan = holder.plan();
  if (!holder.ring) holder.given_up.emplace_back("broker");
  if (holder.landlock_abi == 0) holder.given_up.emplace_back("landlock");
  if (plan.memory_deny_write_execute && !holder.memory_deny_write_execute) holder.given_up.emplace_back("mdwe");

  const uid_t uid = holder.run.host_uid;
  const gid_t gid = holder.run.host_gid;
  ALOS_STEP(trace, Step::namespaces, enter_holder(holder.privilege, uid, gid));
  const WorkspaceSource source{plan.workspace_mode, plan.workspace, holder.run.layer, std::move(order.workspace),
                               std::move(order.layer)};
  OpenedWorkspace opened = ALOS_STEP(trace, Step::workspace, open_workspace(source));
  // While every directory of the host is still seen, should one be covered.
  out.sources = ALOS_STEP(trace, Step::sources, open_all_sources(holder));
  ALOS_STEP(trace, Step::sources, check_brokered(holder));
  holder.shown_twice = ALOS_STEP(trace, Step::sources, shown_twice_in(plan, out.sources.places));
  holder.staging = ALOS_STEP(trace, Step::workspace, make_staging());
  if (order.image) opened.layer = ALOS_STEP(trace, Step::workspace, attach_image(order.image, holder.staging));
  const Identity identity{.host_uid = uid, .host_gid = gid};
  holder.workspace =
      ALOS_STEP(trace, Step::workspace, mount_workspace(source, opened, holder.privilege, identity, holder.staging));
  holder.space = ALOS_STEP(trace, Step::private_space,
                           make_private_space(holder.staging + "/private", private_size(plan.limits), uid, gid));
  if (holder.home) holder.written.push_back(ALOS_STEP(trace, Step::sources, sys::dup(holder.home.get())));
  if (opened.layer) {
    const bool layered = plan.workspace_mode == policy::WorkspaceMode::layer;
    UniqueFd content =
        ALOS_STEP(trace, Step::workspace,
                  sys::openat(opened.layer.get(), layered ? "upper" : "copy", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (order.image)
      holder.bounded = std::move(content);
    else
      holder.written.push_back(std::move(content));
    holder.host = std::move(opened.directory);
  }
  return out;
}

}  // namespace alos::box
