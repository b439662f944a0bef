#include "supervisor/box/workspace_mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/mount.h"
#include "base/sys.h"
#include "supervisor/box/kernel_file.h"

namespace alos::box {
namespace {

using policy::WorkspaceMode;
using sys::FilesystemContext;

Result<UniqueFd> owned(long rc, std::string_view operation, std::string_view object, std::string_view hint = {}) {
  if (rc < 0) return fail(operation, object, errno, hint);
  return UniqueFd(static_cast<int>(rc));
}

Result<void> done(long rc, std::string_view operation, std::string_view object, std::string_view hint = {}) {
  if (rc < 0) return fail(operation, object, errno, hint);
  return {};
}

std::string fd_path(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

Result<void> attach(const UniqueFd& mount, const std::string& at) {
  return done(::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, at.c_str(), MOVE_MOUNT_F_EMPTY_PATH), "move_mount",
              at);
}

Result<UniqueFd> reopen(const std::string& path, const UniqueFd& checked) {
  UniqueFd fd = TRY(sys::openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, RESOLVE_NO_SYMLINKS));
  const auto mine = TRY(sys::fstat(fd.get()));
  const auto theirs = TRY(sys::fstat(checked.get()));
  if (mine.st_dev != theirs.st_dev || mine.st_ino != theirs.st_ino)
    return fail("open", path, ESTALE, "it was replaced while the run started");
  return fd;
}

// What the boxes of one run hold of these counts for the user who started it as well, all together: half of it at most.
struct UserCount {
  const char* path;
  std::optional<uint64_t> callers{};  // none: a kernel without it
};

Result<std::array<UserCount, 2>> read_user_counts() {
  std::array<UserCount, 2> out{{{"/proc/sys/user/max_inotify_instances"}, {"/proc/sys/user/max_inotify_watches"}}};
  for (UserCount& count : out) {
    const auto text = sys::read_file(count.path, 64);
    if (!text && text.error().code == ENOENT) continue;
    count.callers = std::strtoull(TRY(text).c_str(), nullptr, 10);
  }
  return out;
}

// Of the namespace that the caller is in: what he opens is that one's (set_lookup(), kernel/ucount.c).
Result<void> bound_user_counts(const std::array<UserCount, 2>& counts) {
  for (const UserCount& count : counts)
    if (count.callers) TRY(write_value(count.path, std::to_string(*count.callers / 2)));
  return {};
}

}  // namespace

Result<void> enter_holder(Privilege privilege, uid_t uid, gid_t gid) {
  if (privilege == Privilege::rootless) {
    const auto counts = TRY(read_user_counts());
    TRY(done(::unshare(CLONE_NEWNS | CLONE_NEWUSER), "unshare", "user and mount namespace", "see 'alos doctor'"));
    const Identity same{.uid = uid, .gid = gid, .host_uid = uid, .host_gid = gid};
    TRY(write_maps(::getpid(), same, Setgroups::denied));
    TRY(bound_user_counts(counts));
  } else {
    TRY(done(::unshare(CLONE_NEWNS), "unshare", "mount namespace", "see 'alos doctor'"));
  }
  return done(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "private propagation");
}

Result<std::string> make_staging() {
  const FilesystemContext tmpfs = TRY(FilesystemContext::open("tmpfs"));
  TRY(tmpfs.set("size", "1m"));
  TRY(tmpfs.set("mode", "755"));
  const UniqueFd mount = TRY(tmpfs.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  for (std::string at : {"/dev/pts", "/tmp", "/mnt", "/usr"}) {
    if (!attach(mount, at)) continue;
    for (const char* directory : {"/root", "/lower", "/image", "/merged", "/private", "/box", "/view", "/mask"})
      TRY(sys::mkdirat(AT_FDCWD, at + directory, 0755));
    // A mount of its own for the masks, read-only once they are made: its clones inherit that.
    const FilesystemContext masks = TRY(FilesystemContext::open("tmpfs"));
    TRY(masks.set("size", "64k"));
    const UniqueFd mask = TRY(masks.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    TRY(attach(mask, at + "/mask"));
    TRY(sys::mkdirat(AT_FDCWD, at + "/mask/directory", 0));
    for (const char* file : {"/mask/file", "/mask/other"}) TRY(sys::open(at + file, O_RDONLY | O_CREAT | O_EXCL, 0));
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    TRY(done(::syscall(SYS_mount_setattr, mask.get(), "", AT_EMPTY_PATH, &attr, sizeof attr), "mount_setattr", "mask"));
    return at;
  }
  return fail("move_mount", "/dev/pts", errno, "no directory to build the box on");
}

Result<OpenedWorkspace> open_workspace(const WorkspaceSource& source) {
  OpenedWorkspace out;
  if (source.mode == WorkspaceMode::none) return out;
  out.directory = TRY(reopen(source.directory, source.checked_directory));
  if (source.mode != WorkspaceMode::direct) out.layer = TRY(reopen(source.layer, source.checked_layer));
  return out;
}

namespace {

// The host's tree as the box may own it: mapped as root, as it is rootless.
Result<UniqueFd> own_tree(const UniqueFd& directory, Privilege privilege, const Identity& identity,
                          const std::string& name) {
  const auto owner = TRY(sys::fstat(directory.get()));
  if (privilege == Privilege::root && owner.st_uid != identity.host_uid) {
    const UniqueFd mapping = TRY(mapping_namespace(owner.st_uid, owner.st_gid, identity.host_uid, identity.host_gid));
    return mapped_mount(directory.get(), mapping, name);
  }
  return owned(
      ::syscall(SYS_open_tree, directory.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE),
      "open_tree", name);
}

Result<UniqueFd> overlay(const UniqueFd& lower, const UniqueFd& layer, Privilege privilege) {
  const FilesystemContext fs = TRY(FilesystemContext::open("overlay"));
  const UniqueFd upper = TRY(sys::openat(layer.get(), "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const UniqueFd work = TRY(sys::openat(layer.get(), "work", O_PATH | O_DIRECTORY | O_NOFOLLOW));
  TRY(fs.set("lowerdir", fd_path(lower.get())));
  TRY(fs.set("upperdir", fd_path(upper.get())));
  TRY(fs.set("workdir", fd_path(work.get())));
  TRY(fs.set("index", "off"));
  TRY(fs.set("metacopy", "off"));
  // Never redirects, though root could have them: a directory renamed by one would carry its masked files to names that
  // the next run's denies do not match. init renames such directories (shim/init/rename.h), and not what is masked.
  if (privilege == Privilege::root) {
    TRY(fs.set("redirect_dir", "nofollow"));
  } else {
    TRY(fs.flag("userxattr"));  // unprivileged overlayfs keeps its marks in user.overlay.* (5.11), and has no redirects
  }
  return fs.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

}  // namespace

Result<UniqueFd> attach_image(const UniqueFd& mount, const std::string& staging) {
  TRY(attach(mount, staging + "/image"));
  return sys::open(staging + "/image", O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

Result<UniqueFd> mount_workspace(const WorkspaceSource& source, const OpenedWorkspace& opened, Privilege privilege,
                                 const Identity& identity, const std::string& staging) {
  if (source.mode == WorkspaceMode::none) return UniqueFd();
  UniqueFd mount;
  if (source.mode == WorkspaceMode::copy) {
    const UniqueFd copy = TRY(sys::openat(opened.layer.get(), "copy", O_PATH | O_DIRECTORY | O_NOFOLLOW));
    mount = TRY(owned(::syscall(SYS_open_tree, copy.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH),
                      "open_tree", source.layer));
  } else {
    const UniqueFd tree = TRY(own_tree(opened.directory, privilege, identity, source.directory));
    if (source.mode == WorkspaceMode::direct) {
      mount = TRY(sys::dup(tree.get()));
    } else {
      // overlayfs takes its lower by path, and only from the mounter's own namespace.
      TRY(attach(tree, staging + "/lower"));
      const UniqueFd lower = TRY(sys::open(staging + "/lower", O_PATH | O_DIRECTORY));
      mount = TRY(overlay(lower, opened.layer, privilege));
    }
  }
  TRY(attach(mount, staging + "/merged"));
  return sys::open(staging + "/merged", O_RDONLY | O_DIRECTORY);
}

}  // namespace alos::box
