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

// Raw: Debian 12's glibc has the wrappers, older ones do not.
int fd_of(long rc) {
  return static_cast<int>(rc);
}

Outcome try_fsopen() {
  const int context = fd_of(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  if (context < 0) return failed("fsopen");
  if (::syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return failed("fsconfig");
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
  return ::syscall(SYS_move_mount, tree, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) != 0 ? failed("move_mount")
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

// A directory for one trial, gone with all that the trial made.
class TrialDirectory {
 public:
  explicit TrialDirectory(const std::string& parent) : path_(parent + "/.alos-probe-XXXXXX") {
    made_ = ::mkdtemp(path_.data()) != nullptr;
    // The trial's user is not the one that made it: under root a box is somebody else.
    usable_ = made_ && (::geteuid() != 0 || ::chown(path_.c_str(), kNobody, kNobody) == 0);
    error_ = usable_ ? 0 : errno;
  }
  TrialDirectory(const TrialDirectory&) = delete;
  TrialDirectory& operator=(const TrialDirectory&) = delete;
  ~TrialDirectory() {
    if (!made_) return;
    if (const auto fd = sys::open(path_, O_RDONLY | O_DIRECTORY)) (void)sys::remove_below(fd->get());
    ::rmdir(path_.c_str());
  }
  bool usable() const { return usable_; }
  int error() const { return error_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool made_ = false, usable_ = false;
  int error_ = 0;
};

Result<Fact> overlay_in(const Facts& facts) {
  const std::string& directory = facts.directory;
  if (!facts.user_namespace.there()) return Fact{.state = State::unknown, .detail = kUntried, .remedy = {}};
  const TrialDirectory at(directory);
  if (!at.usable())
    return Fact{.state = State::unknown,
                .detail = "nothing can be tried in " + directory + ": " + strerrorname_np(at.error()),
                .remedy = "say where state goes (XDG_STATE_HOME), or make that directory writable"};
  return tried_in_box(
      facts, CLONE_NEWNS, [&] { return try_overlay(at.path()); },
      "kernel 5.11 or newer with overlay, on a file system that can hold its upper (ext4, xfs, btrfs; tmpfs "
      "from 6.6)");
}

Fact idmapped_in(const Facts& facts) {
  const std::string& directory = facts.directory;
  if (!facts.user_namespace.there()) return {.state = State::unknown, .detail = kUntried, .remedy = {}};
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
  facts.fsopen = TRY(tried_in_box(facts, CLONE_NEWNS, try_fsopen, kNewerKernel));
  facts.open_tree = TRY(tried_in_box(facts, CLONE_NEWNS, try_open_tree, kNewerKernel));
  facts.move_mount = TRY(tried_in_box(facts, CLONE_NEWNS, try_move_mount, kNewerKernel));
  facts.mount_setattr = TRY(tried_in_box(facts, CLONE_NEWNS, try_mount_setattr, kNewerKernel));
  facts.overlay = TRY(overlay_in(facts));
  if (facts.overlay.there()) facts.overlay.detail = facts.directory;
  if (facts.uid == 0) facts.idmapped_mount = idmapped_in(facts);
  return {};
}

}  // namespace alos::host::parts
