#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "supervisor/box/identity.h"
#include "supervisor/host/probe_parts.h"

namespace alos::host::parts {
namespace {

constexpr int kMountable = CLONE_NEWUSER | CLONE_NEWNS;

// Raw: Debian 12's glibc has the wrappers, older ones do not.
int fd_of(long rc) {
  return static_cast<int>(rc);
}

Outcome try_fsopen() {
  const int context = fd_of(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  if (context < 0) return failed("fsopen");
  if (::syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return failed("fsconfig");
  if (fd_of(::syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0)) < 0) return failed("fsmount");
  return worked();
}

int clone_of_root() {
  return fd_of(::syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
}

Outcome try_open_tree() {
  return clone_of_root() < 0 ? failed("open_tree") : worked();
}

Outcome try_move_mount() {
  const int tree = clone_of_root();
  if (tree < 0) return failed("open_tree");
  return ::syscall(SYS_move_mount, tree, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) != 0
             ? failed("move_mount")
             : worked();
}

Outcome try_mount_setattr() {
  const int tree = clone_of_root();
  if (tree < 0) return failed("open_tree");
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_RDONLY;
  return ::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0
             ? failed("mount_setattr")
             : worked();
}

Outcome try_overlay(const std::string& at) {
  const std::string lower = at + "/lower", upper = at + "/upper", work = at + "/work", merged = at + "/merged";
  for (const std::string* path : {&lower, &upper, &work, &merged})
    if (::mkdir(path->c_str(), 0700) != 0) return failed("mkdir");
  const std::string options = "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work + ",userxattr";
  if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) return failed("mount overlay");
  // A whiteout or an attribute that the upper cannot hold shows only when something is written.
  if (!sys::replace_file(merged + "/file", "x", 0600)) return failed("write");
  if (::mkdir((merged + "/dir").c_str(), 0700) != 0) return failed("mkdir");
  return worked();
}

Result<Fact> overlay_in(const std::string& directory) {
  std::string at = directory + "/.alos-probe-XXXXXX";
  if (!::mkdtemp(at.data()))
    return Fact{.state = State::unknown,
                .detail = "cannot write to " + directory + ": " + strerrorname_np(errno),
                .remedy = {}};
  if (::geteuid() == 0 && ::chown(at.c_str(), kNobody, kNobody) != 0) return fail_errno("chown", at);
  auto fact = tried(
      kMountable, [&] { return try_overlay(at); },
      "kernel 5.11 or newer with overlay, on a file system that can be its upper (ext4, xfs, btrfs; tmpfs from 6.6)");
  if (const auto fd = sys::open(at, O_RDONLY | O_DIRECTORY)) (void)sys::remove_below(fd->get());
  ::rmdir(at.c_str());
  return fact;
}

Fact idmapped_in(const std::string& directory) {
  const std::string remedy =
      "use a file system that can be id-mapped (ext4, xfs, btrfs; tmpfs from 6.3), or 'workspace: copy'";
  const auto mapping = box::mapping_namespace(1000, 1000, 100123, 100123);
  if (!mapping) return {.state = State::no, .detail = mapping.error().text(), .remedy = remedy};
  const auto fd = sys::open(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return {.state = State::unknown, .detail = fd.error().text(), .remedy = {}};
  const auto mount = box::mapped_mount(fd->get(), *mapping, directory);
  if (!mount) return {.state = State::no, .detail = mount.error().text(), .remedy = remedy};
  return {.state = State::yes, .detail = directory, .remedy = {}};
}

}  // namespace

Result<void> mounts(Facts& facts) {
  facts.fsopen = TRY(tried(kMountable, try_fsopen, kNewerKernel));
  facts.open_tree = TRY(tried(kMountable, try_open_tree, kNewerKernel));
  facts.move_mount = TRY(tried(kMountable, try_move_mount, kNewerKernel));
  facts.mount_setattr = TRY(tried(kMountable, try_mount_setattr, kNewerKernel));
  facts.overlay = TRY(overlay_in(facts.directory));
  if (facts.overlay.there()) facts.overlay.detail = facts.directory;
  if (facts.uid == 0) facts.idmapped_mount = idmapped_in(facts.directory);
  return {};
}

}  // namespace alos::host::parts
