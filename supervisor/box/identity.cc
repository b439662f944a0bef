#include "supervisor/box/identity.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/child.h"
#include "base/sys.h"
#include "supervisor/box/kernel_file.h"

namespace alos::box {
namespace {

Result<void> write_lines(pid_t pid, std::string_view uid_line, std::string_view gid_line, Setgroups setgroups) {
  const std::string proc = fmt::format("/proc/{}/", pid);
  if (setgroups == Setgroups::denied) TRY(write_value(proc + "setgroups", "deny"));
  TRY(write_value(proc + "gid_map", gid_line));
  return write_value(proc + "uid_map", uid_line);
}

}  // namespace

Result<void> check(const Identity& identity) {
  if (identity.host_uid == 0 || identity.host_gid == 0 || identity.uid == 0 || identity.gid == 0)
    return fail("identity", fmt::format("{}:{}", identity.host_uid, identity.host_gid), EPERM,
                "a box is never uid or gid 0, outside or inside");
  return {};
}

Result<void> write_maps(pid_t pid, const Identity& identity, Setgroups setgroups) {
  TRY(check(identity));
  return write_lines(pid, fmt::format("{} {} 1\n", identity.uid, identity.host_uid),
                     fmt::format("{} {} 1\n", identity.gid, identity.host_gid), setgroups);
}

Result<UniqueFd> mapping_namespace(uid_t from_uid, gid_t from_gid, uid_t to_uid, gid_t to_gid) {
  auto gate = TRY(sys::pipe());
  const pid_t child =
      static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child < 0) return fail_errno("clone", "user namespace for an id map");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte;
    ::close(gate.b.get());
    [[maybe_unused]] const ssize_t n = ::read(gate.a.get(), &byte, 1);
    ::_exit(0);
  }
  // "1000 100123 1" in an id-mapped mount: on-disk 1000 is 100123 in the mount.
  auto made = [&]() -> Result<UniqueFd> {
    TRY(write_lines(child, fmt::format("{} {} 1\n", from_uid, to_uid), fmt::format("{} {} 1\n", from_gid, to_gid),
                    Setgroups::permitted));
    return sys::open(fmt::format("/proc/{}/ns/user", child), O_RDONLY);
  }();
  gate.b.reset();
  (void)sys::wait_for(child);
  return made;
}

Result<UniqueFd> mapped_mount(int directory, const UniqueFd& mapping, std::string_view object) {
  const long rc = ::syscall(SYS_open_tree, directory, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (rc < 0) return fail_errno("open_tree", object);
  UniqueFd mount(static_cast<int>(rc));
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attr.userns_fd = static_cast<uint64_t>(mapping.get());
  if (::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
    return fail("mount_setattr idmap", object, errno,
                errno == EINVAL ? "this file system cannot be id-mapped; use 'workspace: copy', or move it" : "");
  return mount;
}

}  // namespace alos::box
