#include "syscall-broker/private_root.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "base/sys.h"

namespace alos::broker {
namespace {

constexpr const char* kOwnDescriptors = "/proc/self/fd";
constexpr std::string_view kHint =
    "the broker runs as an account without privilege and needs a user namespace for its empty root; `alos doctor`, as "
    "an ordinary user, says what forbids one";

Result<void> write_own(const char* file, const std::string& text) {
  const UniqueFd fd = TRY(sys::open(file, O_WRONLY));
  return sys::write_all(fd.get(), text);
}

bool may_mount() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct own[2] = {};
  return ::syscall(SYS_capget, &header, own) == 0 && (own[0].effective & (1U << CAP_SYS_ADMIN)) != 0;
}

// Who it is does not change, and what is checked of it neither.
Result<void> enter_namespaces() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (may_mount()) {
    if (::unshare(CLONE_NEWNS) != 0) return fail_errno("unshare", "mount namespace of the broker");
    return {};
  }
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return fail("unshare", "user namespace of the broker", errno, kHint);
  TRY(write_own("/proc/self/setgroups", "deny"));
  TRY(write_own("/proc/self/uid_map", fmt::format("{0} {0} 1", uid)));
  return write_own("/proc/self/gid_map", fmt::format("{0} {0} 1", gid));
}

Result<void> put_own_descriptors(int tree) {
  for (const char* directory : {"proc", "proc/self", "proc/self/fd", "box", "brokered"})
    TRY(sys::mkdirat(AT_FDCWD, directory, 0555));
  if (::syscall(SYS_move_mount, tree, "", AT_FDCWD, "proc/self/fd", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return fail_errno("move_mount", kOwnDescriptors);
  return {};
}

Result<void> change_root() {
  // What is mounted here must not be seen elsewhere, and what is mounted elsewhere not here.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fail("mount", "private /", errno, kHint);
  const UniqueFd tree(
      static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, kOwnDescriptors, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree) return fail_errno("open_tree", kOwnDescriptors);
  // A directory that every host has, and that nothing is looked for in from now on.
  constexpr const char* kAt = "/proc";
  if (::mount("alos-broker", kAt, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,nr_inodes=16,mode=555") != 0)
    return fail_errno("mount", "tmpfs");
  if (::chdir(kAt) != 0) return fail_errno("chdir", kAt);
  TRY(put_own_descriptors(tree.get()));
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno("pivot_root", "root of the broker");
  if (::umount2(".", MNT_DETACH) != 0) return fail_errno("umount2", "the host's root");
  if (::chdir("/") != 0) return fail_errno("chdir", "/");
  return {};
}

Result<UniqueFd> place(const UniqueFd& tree, const std::string& at) {
  if (!tree) return UniqueFd();
  if (::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, at.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return fail_errno("move_mount", at);
  return sys::open(at, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

Result<void> make_read_only() {
  constexpr unsigned long kFlags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount(nullptr, "/", nullptr, kFlags, nullptr) != 0) return fail_errno("mount", "read-only root of the broker");
  return {};
}

Result<void> drop_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0) return fail_errno("capset", "broker");
  return {};
}

}  // namespace

Result<void> enter_private_root() {
  const pid_t parent = ::getppid();
  TRY(enter_namespaces());
  TRY(change_root());
  // New credentials may have cleared it (prctl(2)).
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail_errno("prctl", "PR_SET_PDEATHSIG");
  if (::getppid() != parent) return fail("getppid", "supervisor", ESRCH, "it ended");
  return {};
}

Result<View::Roots> close_private_root(const Trees& trees) {
  View::Roots out{.box = TRY(place(trees.box, "/box")),
                  .brokered = TRY(place(trees.brokered, "/brokered")),
                  .mask_device = trees.mask_device,
                  .mask = trees.mask};
  TRY(make_read_only());
  TRY(drop_capabilities());
  return out;
}

}  // namespace alos::broker
