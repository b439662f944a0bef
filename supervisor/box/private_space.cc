#include "supervisor/box/private_space.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/mount.h"
#include "base/sys.h"

namespace alos::box {
namespace {

// What the private space may come to when the policy sets no disk limit.
constexpr uint64_t kPrivateBytes = 1ULL << 30;
// Empty files use up no bytes of a tmpfs, but about 1 KiB of the kernel's memory each. One inode for every 4 KiB makes
// what they cost a part of the limit as well.
constexpr uint64_t kBytesPerInode = 4096;
constexpr uint64_t kLeastInodes = 1024, kMostInodes = 262'144;

Result<void> make_part(const UniqueFd& space, const PrivatePart& part, uid_t uid, gid_t gid) {
  const std::string name(part.name);
  TRY(sys::mkdirat(space.get(), name, part.mode));
  const UniqueFd fd = TRY(sys::openat(space.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(sys::fchown(fd.get(), uid, gid));
  return sys::fchmod(fd.get(), part.mode);
}

}  // namespace

PrivateSize private_size(const policy::Limits& limits) {
  const uint64_t bytes = std::min(limits.disk.value_or(kPrivateBytes), limits.memory.value_or(kPrivateBytes));
  return {bytes, std::clamp(bytes / kBytesPerInode, kLeastInodes, kMostInodes)};
}

Result<PrivateSpace> make_private_space(const std::string& at, PrivateSize size, uid_t host_uid, gid_t host_gid) {
  const sys::FilesystemContext tmpfs = TRY(sys::FilesystemContext::open("tmpfs"));
  TRY(tmpfs.set("size", std::to_string(size.bytes)));
  TRY(tmpfs.set("nr_inodes", std::to_string(size.inodes)));
  TRY(tmpfs.set("mode", "755"));
  PrivateSpace out;
  out.mount = TRY(tmpfs.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  out.device = TRY(sys::fstat(out.mount.get())).st_dev;
  for (const PrivatePart& part : kPrivateParts) TRY(make_part(out.mount, part, host_uid, host_gid));
  // Parts can be cloned only of what is mounted in the caller's namespace.
  if (::syscall(SYS_move_mount, out.mount.get(), "", AT_FDCWD, at.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return fail_errno("move_mount", at);
  return out;
}

Result<UniqueFd> clone_part(const PrivateSpace& space, const PrivatePart& part, uint64_t attributes) {
  const std::string name(part.name);
  const long rc = ::syscall(SYS_open_tree, space.mount.get(), name.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (rc < 0) return fail_errno("open_tree", part.target);
  UniqueFd mount(static_cast<int>(rc));
  mount_attr attr{};
  attr.attr_set = attributes;
  if (attributes != 0 && ::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
    return fail_errno("mount_setattr", part.target);
  return mount;
}

}  // namespace alos::box
