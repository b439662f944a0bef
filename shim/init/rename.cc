#include "shim/init/rename.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "base/unique_fd.h"
#include "shim/init/protocol.h"

namespace alos::init {
namespace {

// The kernel reads the low half of this argument only; the filter lets calls with the high half set pass, so that
// init's own renames are not notified to init.
constexpr uint64_t kOwnCall = 1ULL << 32;

int rename_natively(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  return ::syscall(SYS_renameat2, from_dir, from, to_dir, to, flags | kOwnCall) == 0 ? 0 : errno;
}

struct Call {
  uint64_t id = 0;
  pid_t pid = 0;
  int from_dir = AT_FDCWD, to_dir = AT_FDCWD;
  unsigned flags = 0;
  char from[PATH_MAX] = {}, to[PATH_MAX] = {};
};

bool read_string(int memory, uint64_t address, char (&out)[PATH_MAX]) {
  // A string may end right before an unmapped page: read up to each page's end.
  for (size_t at = 0; at < sizeof out;) {
    const size_t room = std::min<size_t>(sizeof out - at, 4096 - (address + at) % 4096);
    const ssize_t n = ::pread(memory, out + at, room, static_cast<off_t>(address + at));
    if (n <= 0) return false;
    if (std::memchr(out + at, '\0', static_cast<size_t>(n))) return true;
    at += static_cast<size_t>(n);
  }
  return false;
}

bool read_call(const seccomp_notif& request, Call& call) {
  const auto& args = request.data.args;
  uint64_t from = 0, to = 0;
  switch (request.data.nr) {
    case SYS_rename:
      from = args[0], to = args[1];
      break;
    case SYS_renameat2:
      call.flags = static_cast<unsigned>(args[4]);
      [[fallthrough]];
    case SYS_renameat:
      call.from_dir = static_cast<int>(args[0]), from = args[1];
      call.to_dir = static_cast<int>(args[2]), to = args[3];
      break;
    default:
      return false;
  }
  call.id = request.id;
  call.pid = static_cast<pid_t>(request.pid);
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/mem", call.pid);
  const UniqueFd memory(::open(path, O_RDONLY | O_CLOEXEC));
  return memory && read_string(memory.get(), from, call.from) && read_string(memory.get(), to, call.to);
}

// The caller's directory, opened as its own /proc entry says.
UniqueFd directory_of(const Call& call, int dir) {
  char path[64];
  if (dir == AT_FDCWD)
    std::snprintf(path, sizeof path, "/proc/%d/cwd", call.pid);
  else
    std::snprintf(path, sizeof path, "/proc/%d/fd/%d", call.pid, dir);
  return UniqueFd(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

void answer(int listener, uint64_t id, int error, uint32_t flags = 0) {
  seccomp_notif_resp response{};
  response.id = id;
  response.error = -error;
  response.flags = flags;
  ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);  // ENOENT: the caller is gone
}

// The box's filter may refuse setuid and setgid to all in the box, init included; the rest of the mode is kept then.
void set_mode(int directory, mode_t mode) {
  if (::fchmod(directory, mode & 07777) != 0) ::fchmod(directory, mode & 01777);
}

// What a directory has besides its contents. Read before these are moved: that changes its times, and may need its mode
// widened.
class Attributes {
 public:
  explicit Attributes(int directory) {
    known_ = ::fstat(directory, &st_) == 0;
    const ssize_t n = ::flistxattr(directory, names_, sizeof names_);
    names_size_ = n > 0 ? static_cast<size_t>(n) : 0;
  }

  // A directory that its owner may not write is renamed by the kernel all the same.
  void open_to_owner(int directory) const {
    if (known_ && (st_.st_mode & 0700) != 0700) set_mode(directory, st_.st_mode | 0700);
  }

  void copy(int from, int to) const {
    for (size_t at = 0; at < names_size_; at += std::strlen(names_ + at) + 1) {
      char value[4096];
      const ssize_t n = ::fgetxattr(from, names_ + at, value, sizeof value);
      if (n >= 0) ::fsetxattr(to, names_ + at, value, static_cast<size_t>(n), 0);
    }
    set(to);
  }

  void set(int directory) const {
    if (!known_) return;
    set_mode(directory, st_.st_mode);
    const timespec times[2] = {st_.st_atim, st_.st_mtim};
    ::futimens(directory, times);
  }

 private:
  struct stat st_{};
  bool known_ = false;
  char names_[4096];
  size_t names_size_ = 0;
};

// Calls `each(name)` for every entry until it fails. Entries go away while they are listed, so listing starts again
// until nothing is left.
template <class Each>
int empty(int directory, Each each) {
  for (;;) {
    const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return errno;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
    if (!stream) return errno;
    bool any = false;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      any = true;
      if (const int rc = each(entry->d_name)) return rc;
      errno = 0;
    }
    if (errno != 0) return errno;
    if (!any) return 0;
  }
}

int fill(int from, int to, int depth);

// Moves one entry; a directory that cannot be renamed is made anew and its contents moved.
int move_entry(int from, const char* name, int to, int depth) {
  const int rc = rename_natively(from, name, to, name, RENAME_NOREPLACE);
  if (rc != EXDEV) return rc;
  const UniqueFd source(::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return errno == ENOTDIR ? EXDEV : errno;
  if (::mkdirat(to, name, 0700) != 0) return errno;
  const UniqueFd target(::openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  int failed = target ? fill(source.get(), target.get(), depth + 1) : errno;
  if (failed == 0 && ::unlinkat(from, name, AT_REMOVEDIR) != 0) failed = errno;
  if (failed != 0) ::unlinkat(to, name, AT_REMOVEDIR);
  return failed;
}

// Moves everything in `from` to `to`, with the attributes. When it cannot be, all is as it was: what was moved already
// is purely the layer's, for which the kernel's own rename is enough.
int fill(int from, int to, int depth) {
  if (depth > 128) return ELOOP;
  const std::unique_ptr<const Attributes> attributes(new (std::nothrow) Attributes(from));
  if (!attributes) return ENOMEM;
  attributes->open_to_owner(from);
  const int rc = empty(from, [&](const char* name) { return move_entry(from, name, to, depth); });
  if (rc == 0) {
    attributes->copy(from, to);
  } else {
    empty(to, [&](const char* name) { return rename_natively(to, name, from, name, RENAME_NOREPLACE); });
    attributes->set(from);
  }
  return rc;
}

// Renames the directory by filling a new one, which is purely the layer's and so can be renamed into place at once: the
// new name appears whole. When something in between fails, what was moved is moved back.
int rename_by_moving(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) return EXDEV;
  const UniqueFd source(::openat(from_dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return errno == ENOTDIR || errno == ELOOP ? EXDEV : errno;
  char parent[PATH_MAX];
  size_t end = ::strnlen(to, sizeof parent);
  if (end == sizeof parent) return ENAMETOOLONG;
  std::memcpy(parent, to, end + 1);
  while (end > 1 && parent[end - 1] == '/') parent[--end] = '\0';
  const char* slash = std::strrchr(parent, '/');
  const size_t keep = slash ? static_cast<size_t>(slash - parent) + 1 : 0;
  if (keep + 32 > sizeof parent) return ENAMETOOLONG;
  // A name that an earlier run, ended in the middle, may have left is passed over.
  int made = -1;
  for (unsigned serial = 0; made != 0 && serial < 100; ++serial) {
    std::snprintf(parent + keep, 32, "%.*s%d-%u", static_cast<int>(kRenamePrefix.size()), kRenamePrefix.data(),
                  ::getpid(), serial);
    made = ::mkdirat(to_dir, parent, 0700);
    if (made != 0 && errno != EEXIST) return errno;
  }
  if (made != 0) return EEXIST;
  const UniqueFd filled(::openat(to_dir, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  int rc = filled ? fill(source.get(), filled.get(), 0) : errno;
  if (rc == 0) {
    rc = rename_natively(to_dir, parent, to_dir, to, flags);
    if (rc == 0) return ::unlinkat(from_dir, from, AT_REMOVEDIR) == 0 ? 0 : errno;
    fill(filled.get(), source.get(), 0);
  }
  ::unlinkat(to_dir, parent, AT_REMOVEDIR);
  return rc;
}

// One directory at a time, so that of two that rename the same one finds it gone. A record lock, not a flag: the worker
// has the agent's uid, which may kill it, and this ends with its process.
void wait_for_turn(int turns) {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  while (::fcntl(turns, F_SETLKW, &whole) != 0 && errno == EINTR) {
  }
}

int carry_out(const Call& call) {
  const UniqueFd from_dir = directory_of(call, call.from_dir);
  const UniqueFd to_dir = directory_of(call, call.to_dir);
  const int from = from_dir ? from_dir.get() : -1;
  const int to = to_dir ? to_dir.get() : -1;
  const int rc = rename_natively(from, call.from, to, call.to, call.flags);
  return rc == EXDEV ? rename_by_moving(from, call.from, to, call.to, call.flags) : rc;
}

bool names_a_directory(const Call& call) {
  const UniqueFd dir = directory_of(call, call.from_dir);
  struct stat st{};
  return ::fstatat(dir ? dir.get() : -1, call.from, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

}  // namespace

RenameHelper::RenameHelper(int listener) : listener_(listener), turns_(::memfd_create("renames", MFD_CLOEXEC)) {}

void RenameHelper::serve() {
  // As large as this kernel says (seccomp_unotify(2)); these structs have not grown since 5.0.
  seccomp_notif request{};
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) return;  // ENOENT: its caller died
  static Call call;
  call = Call{};
  const bool known = read_call(request, call);
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ID_VALID, &request.id) != 0) return;
  // CONTINUE: nothing is decided by what was read (see the class), and the kernel judges the call as if never notified.
  if (!known || !names_a_directory(call)) return answer(listener_, request.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  const pid_t worker = ::fork();
  if (worker < 0) return answer(listener_, request.id, errno);
  if (worker == 0) {
    wait_for_turn(turns_.get());
    answer(listener_, call.id, carry_out(call));
    ::_exit(0);
  }
}

}  // namespace alos::init
