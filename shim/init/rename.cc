#include "shim/init/rename.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/unique_fd.h"

namespace alos::init {
namespace {

// The kernel reads the low half of this argument only; the filter lets calls with the high half set pass, so that init's
// own renames are not notified to init.
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
    case SYS_rename: from = args[0], to = args[1]; break;
    case SYS_renameat2: call.flags = static_cast<unsigned>(args[4]); [[fallthrough]];
    case SYS_renameat:
      call.from_dir = static_cast<int>(args[0]), from = args[1];
      call.to_dir = static_cast<int>(args[2]), to = args[3];
      break;
    default: return false;
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

void copy_attributes(int from, int to) {
  struct stat st {};
  if (::fstat(from, &st) != 0) return;
  ::fchmod(to, st.st_mode & 07777);
  const timespec times[2] = {st.st_atim, st.st_mtim};
  ::futimens(to, times);
}

int move_contents(int from, int to, int depth);

// Moves one entry; a directory that cannot be renamed is made anew and its contents moved.
int move_entry(int from, const char* name, int to, int depth) {
  const int rc = rename_natively(from, name, to, name, RENAME_NOREPLACE);
  if (rc != EXDEV) return rc;
  const UniqueFd source(::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return errno == ENOTDIR ? EXDEV : errno;
  if (::mkdirat(to, name, 0700) != 0) return errno;
  const UniqueFd target(::openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return errno;
  if (const int moved = move_contents(source.get(), target.get(), depth + 1)) return moved;
  copy_attributes(source.get(), target.get());
  return ::unlinkat(from, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

int move_contents(int from, int to, int depth) {
  if (depth > 512) return ELOOP;
  // Entries go away while they are listed, so listing starts again until nothing is left.
  for (;;) {
    const int copy = ::openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return errno;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
    if (!stream) return errno;
    bool any = false;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      any = true;
      if (const int rc = move_entry(from, entry->d_name, to, depth)) return rc;
      errno = 0;
    }
    if (errno != 0) return errno;
    if (!any) return 0;
  }
}

// Renames the directory by filling a new one, which is purely the layer's and so can be renamed into place at once: the
// new name appears whole. When something in between fails, what was moved is moved back.
int rename_by_moving(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) return EXDEV;
  const UniqueFd source(::openat(from_dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return errno == ENOTDIR || errno == ELOOP ? EXDEV : errno;
  char parent[PATH_MAX];
  std::strcpy(parent, to);
  size_t end = std::strlen(parent);
  while (end > 1 && parent[end - 1] == '/') parent[--end] = '\0';
  const char* slash = std::strrchr(parent, '/');
  const size_t keep = slash ? static_cast<size_t>(slash - parent) + 1 : 0;
  if (keep + 32 > sizeof parent) return ENAMETOOLONG;
  static unsigned serial = 0;
  std::snprintf(parent + keep, 32, ".rename-%d-%u", ::getpid(), serial++);
  if (::mkdirat(to_dir, parent, 0700) != 0) return errno;
  const UniqueFd filled(::openat(to_dir, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  int rc = filled ? move_contents(source.get(), filled.get(), 0) : errno;
  if (rc == 0) {
    copy_attributes(source.get(), filled.get());
    rc = rename_natively(to_dir, parent, to_dir, to, flags);
  }
  if (rc == 0) return ::unlinkat(from_dir, from, AT_REMOVEDIR) == 0 ? 0 : errno;
  if (filled) move_contents(filled.get(), source.get(), 0);
  ::unlinkat(to_dir, parent, AT_REMOVEDIR);
  return rc;
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
  struct stat st {};
  return ::fstatat(dir ? dir.get() : -1, call.from, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

}  // namespace

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
    answer(listener_, call.id, carry_out(call));
    ::_exit(0);
  }
}

}  // namespace alos::init
