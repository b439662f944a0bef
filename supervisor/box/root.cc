#include "supervisor/box/root.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "supervisor/box/protocol.h"

namespace alos::box {
namespace {

// RESOLVE_IN_ROOT takes "/a/b" as it is.
long open_below(int dir, const char* path, uint64_t flags) {
  open_how how{.flags = flags | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
  return ::syscall(SYS_openat2, dir, path, &how, sizeof how);
}

// What is covered may lie deeper than the path of one call reaches (PATH_MAX): it is opened piece by piece.
long open_path(int root, const char* path, uint64_t flags) {
  char piece[PATH_MAX];
  int at = root;
  while (::strnlen(path, sizeof piece) == sizeof piece) {
    const auto* end = static_cast<const char*>(::memrchr(path, '/', sizeof piece - 1));
    if (end == nullptr || end == path) return errno = ENAMETOOLONG, -1;
    const auto size = static_cast<size_t>(end - path);
    std::memcpy(piece, path, size);
    piece[size] = '\0';
    const long next = open_below(at, piece, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (at != root) ::close(at);
    if (next < 0) return -1;
    at = static_cast<int>(next);
    path = end + 1;
  }
  const long opened = open_below(at, path, flags);
  if (at != root) ::close(at);
  return opened;
}

long attach(int mount, int root, const char* target) {
  const long at = open_path(root, target, O_PATH | O_NOFOLLOW);
  if (at < 0) return -1;
  const long rc =
      ::syscall(SYS_move_mount, mount, "", static_cast<int>(at), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  ::close(static_cast<int>(at));
  return rc;
}

long set_attributes(int mount, uint64_t attributes, unsigned flags) {
  mount_attr attr{};
  attr.attr_set = attributes;
  return ::syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | flags, &attr, sizeof attr);
}

// Makes `target` and its parents, but only on the box's own tmpfs: nothing is ever created in a tree of the host, so a
// target that is missing there is ENOENT.
long make_target(const Root& root, const char* target, bool directory) {
  int at = ::fcntl(root.fd, F_DUPFD_CLOEXEC, 3);
  if (at < 0) return -1;
  char part[256];
  for (const char* rest = target + 1; *rest;) {
    const char* end = ::strchrnul(rest, '/');
    const auto size = static_cast<size_t>(end - rest);
    if (size >= sizeof part) return errno = ENAMETOOLONG, -1;
    std::memcpy(part, rest, size);
    part[size] = '\0';
    const bool last = *end == '\0';
    rest = last ? end : end + 1;
    int next = ::openat(at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0 && errno == ENOENT) {
      struct stat st{};
      if (::fstat(at, &st) != 0 || (st.st_dev != root.device && st.st_dev != root.private_device))
        return errno = ENOENT, -1;
      if (last && !directory) {
        next = ::openat(at, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
      } else {
        if (::mkdirat(at, part, 0755) != 0) return -1;
        next = ::openat(at, part, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
      }
    }
    ::close(at);
    if (next < 0) return -1;
    at = next;
  }
  ::close(at);
  return 0;
}

struct Masks {
  int file, other, directory;  // of what a deny takes, or what else is no agent's business
};

void cover(const Reporter& report, const Root& root, const Cover& what, const Masks& masks) {
  const char* target = what.target.c_str();
  int from = what.directory ? masks.directory : what.of_a_deny ? masks.file : masks.other;
  if (what.kind != Cover::Kind::hide)
    from = static_cast<int>(report.must(Step::mask, target, open_path(root.fd, target, O_PATH | O_NOFOLLOW)));
  const unsigned recursive = what.kind == Cover::Kind::hide ? 0 : AT_RECURSIVE;
  const auto mount = static_cast<int>(
      report.must(Step::mask, target,
                  ::syscall(SYS_open_tree, from, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive)));
  if (what.kind == Cover::Kind::restrict)
    report.must(Step::mask, target, set_attributes(mount, what.attributes, AT_RECURSIVE));
  report.must(Step::mask, target, attach(mount, root.fd, target));
  ::close(mount);
  if (what.kind != Cover::Kind::hide) ::close(from);
}

// Kernel state that procfs shows to everybody and that no agent has business with; absent ones are skipped.
constexpr const char* kProcHidden[] = {
    "/proc/acpi",          "/proc/asound",        "/proc/bus",         "/proc/cmdline",       "/proc/config.gz",
    "/proc/driver",        "/proc/dynamic_debug", "/proc/fs",          "/proc/interrupts",    "/proc/iomem",
    "/proc/ioports",       "/proc/irq",           "/proc/kallsyms",    "/proc/kcore",         "/proc/key-users",
    "/proc/keys",          "/proc/kmsg",          "/proc/kpagecgroup", "/proc/kpagecount",    "/proc/kpageflags",
    "/proc/latency_stats", "/proc/modules",       "/proc/mtrr",        "/proc/partitions",    "/proc/sched_debug",
    "/proc/scsi",          "/proc/slabinfo",      "/proc/softirqs",    "/proc/sysrq-trigger", "/proc/sysvipc",
    "/proc/timer_list",    "/proc/timer_stats",   "/proc/tty",         "/proc/vmallocinfo"};

}  // namespace

long mount_new(const char* type, const char* const (*options)[2], size_t count, uint64_t attributes) {
  const long context = ::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  const int fs = static_cast<int>(context);
  for (size_t i = 0; i < count; ++i)
    if (::syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0) return -1;
  if (::syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) return -1;
  const long mount = ::syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
  ::close(fs);
  return mount;
}

Root make_root(const std::string& at, dev_t private_device, const Reporter& report) {
  static constexpr const char* kOptions[][2] = {{"size", "4m"}, {"nr_inodes", "65536"}, {"mode", "755"}};
  const long fd = report.must(
      Step::root, "tmpfs", mount_new("tmpfs", kOptions, 3, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  report.must(Step::root, at.c_str(),
              ::syscall(SYS_move_mount, static_cast<int>(fd), "", AT_FDCWD, at.c_str(), MOVE_MOUNT_F_EMPTY_PATH));
  struct stat st{};
  report.must(Step::root, at.c_str(), ::fstat(static_cast<int>(fd), &st));
  return {static_cast<int>(fd), st.st_dev, private_device};
}

void place_private_space(const Layout& box, const Reporter& report, const Root& root) {
  for (const Place& part : box.parts) {
    const char* target = part.target.c_str();
    report.must(Step::private_space, target, make_target(root, target, true));
    report.must(Step::private_space, target, attach(part.source.get(), root.fd, target));
  }
}

void mount_proc(const Reporter& report, const Root& root) {
  report.must(Step::proc, "/proc", make_target(root, "/proc", true));
  const long proc = report.must(
      Step::proc, "/proc",
      mount_new("proc", nullptr, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY));
  report.must(Step::proc, "/proc", attach(static_cast<int>(proc), root.fd, "/proc"));
  ::close(static_cast<int>(proc));
}

void mount_devices(const Reporter& report, const Root& root) {
  static constexpr const char* kPts[][2] = {{"ptmxmode", "0666"}, {"mode", "620"}, {"max", "64"}};
  report.must(Step::devices, "/dev/pts", make_target(root, "/dev/pts", true));
  const long pts =
      report.must(Step::devices, "/dev/pts", mount_new("devpts", kPts, 3, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  report.must(Step::devices, "/dev/pts", attach(static_cast<int>(pts), root.fd, "/dev/pts"));
  ::close(static_cast<int>(pts));
}

void open_listener(const Reporter& report, const Root& root) {
  constexpr int kBacklog = 64;
  const auto fd = static_cast<int>(
      report.must(Step::listener, "socket", ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  // Bound by a path from the working directory: the root is none yet. pivot() sets both.
  const long devices = report.must(Step::listener, "/dev", open_path(root.fd, "/dev", O_PATH | O_DIRECTORY));
  report.must(Step::listener, "/dev", ::fchdir(static_cast<int>(devices)));
  sockaddr_un at{.sun_family = AF_UNIX, .sun_path = {}};
  static_assert(kSocketPath.starts_with("/dev/"));
  kSocketPath.copy(at.sun_path, sizeof at.sun_path - 1, sizeof "/dev/" - 1);
  report.must(Step::listener, "bind", ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at));
  // It is the box's user's, and connecting takes writing (unix(7)): nobody else's call is ever read.
  report.must(Step::listener, "chmod", ::fchmodat(static_cast<int>(devices), at.sun_path, 0600, 0));
  report.must(Step::listener, "listen", ::listen(fd, kBacklog));
  ::close(static_cast<int>(devices));
  report.hand_over(Step::listener, StepReport::Kind::listener, fd);
}

void place_all(const std::vector<Place>& places, const Reporter& report, const Root& root) {
  for (const Place& place : places) {
    const char* target = place.target.c_str();
    if (place.kind == Place::Kind::link) {
      const char* slash = std::strrchr(target, '/');
      char parent[PATH_MAX];
      std::snprintf(parent, sizeof parent, "%.*s", static_cast<int>(slash - target), target);
      if (parent[0]) report.must(Step::place, target, make_target(root, parent, true));
      const long dir = report.must(Step::place, target, open_path(root.fd, parent[0] ? parent : "/", O_PATH));
      const long rc = ::symlinkat(place.link_target.c_str(), static_cast<int>(dir), slash + 1);
      // A link that an earlier mount already shows needs no second one.
      report.must(Step::place, target, rc < 0 && errno == EEXIST ? 0 : rc);
      ::close(static_cast<int>(dir));
      continue;
    }
    report.must(Step::place, target, make_target(root, target, place.directory));
    report.must(Step::place, target, attach(place.source.get(), root.fd, target));
  }
}

void write_files(const Layout& box, const Reporter& report, const Root& root) {
  for (const GeneratedFile& file : box.files) {
    const char* path = file.path.c_str();
    report.must(Step::generated, path, make_target(root, path, false));
    const long fd = report.must(Step::generated, path, open_path(root.fd, path, O_WRONLY | O_TRUNC | O_NOFOLLOW));
    const ssize_t n = ::write(static_cast<int>(fd), file.content.data(), file.content.size());
    report.must(Step::generated, path, n == static_cast<ssize_t>(file.content.size()) ? 0 : -1);
    ::close(static_cast<int>(fd));
  }
}

void cover_all(const Layout& box, const Reporter& report, const Root& root) {
  char path[PATH_MAX];
  const auto open_mask = [&](const char* name) {
    std::snprintf(path, sizeof path, "%s/mask/%s", box.staging.c_str(), name);
    return static_cast<int>(report.must(Step::mask, path, ::open(path, O_PATH | O_CLOEXEC)));
  };
  const Masks masks{open_mask("file"), open_mask("other"), open_mask("directory")};
  for (const Cover& what : box.covers) cover(report, root, what, masks);
  for (const char* target : kProcHidden) {
    const long fd = open_path(root.fd, target, O_PATH | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) continue;
    struct stat st{};
    report.must(Step::mask, target, fd < 0 ? -1 : ::fstat(static_cast<int>(fd), &st));
    const auto mount =
        static_cast<int>(report.must(Step::mask, target,
                                     ::syscall(SYS_open_tree, S_ISDIR(st.st_mode) ? masks.directory : masks.other, "",
                                               OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
    report.must(Step::mask, target, attach(mount, root.fd, target));
    ::close(mount);
    ::close(static_cast<int>(fd));
  }
  for (const int mask : {masks.file, masks.other, masks.directory}) ::close(mask);
}

void pivot(const Layout& box, const Reporter& report, const Root& root) {
  report.must(Step::pivot, "read-only root", set_attributes(root.fd, MOUNT_ATTR_RDONLY, 0));
  report.must(Step::pivot, "fchdir", ::fchdir(root.fd));
  report.must(Step::pivot, "pivot_root", ::syscall(SYS_pivot_root, ".", "."));
  report.must(Step::pivot, "old root", ::umount2(".", MNT_DETACH));
  report.must(Step::pivot, "/", ::chdir("/"));
  report.must(Step::pivot, box.cwd.c_str(), ::chdir(box.cwd.c_str()));
  // A working directory outside the root shows as "(unreachable)..." (CVE-2024-21626).
  char cwd[PATH_MAX];
  report.must(Step::pivot, "getcwd", ::syscall(SYS_getcwd, cwd, sizeof cwd));
  if (cwd[0] != '/') {
    errno = EPERM;
    report.fail(Step::pivot, "working directory outside the root");
  }
}

}  // namespace alos::box
