#include "base/sys.h"

#include <dirent.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/digest.h"
#include "base/let_go.h"
#include "base/passed_fds.h"
#include "base/paths.h"

namespace alos::sys {
namespace {

template <class F>
auto retry(F call) {
  decltype(call()) rc;
  do rc = call();
  while (rc < 0 && errno == EINTR);
  return rc;
}

Result<void> checked(long rc, std::string_view operation, std::string_view object) {
  if (rc < 0) return fail_errno(operation, object);
  return {};
}

Result<UniqueFd> owned(long rc, std::string_view operation, std::string_view object) {
  if (rc < 0) return fail_errno(operation, object);
  return UniqueFd(static_cast<int>(rc));
}

}  // namespace

Result<UniqueFd> open(const std::string& path, int flags, mode_t mode) {
  return openat(AT_FDCWD, path, flags, mode);
}

Result<UniqueFd> openat(int dir, const std::string& path, int flags, mode_t mode) {
  return owned(retry([&] { return ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode); }), "openat", path);
}

Result<UniqueFd> openat2(int dir, const std::string& path, uint64_t flags, uint64_t resolve, mode_t mode) {
  open_how how{.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  long rc = -1;
  for (int attempt = 0; attempt < 32; ++attempt) {
    rc = retry([&] { return ::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how); });
    if (rc >= 0 || errno != EAGAIN) break;
  }
  return owned(rc, "openat2", path);
}

Result<UniqueFd> dup(int fd) {
  return owned(::fcntl(fd, F_DUPFD_CLOEXEC, 3), "fcntl F_DUPFD", std::to_string(fd));
}

Result<struct stat> fstat(int fd) {
  struct stat st{};
  // glibc's asks by newfstatat(2), which can also look at paths: a process that may not do that has this one.
  if (::syscall(SYS_fstat, fd, &st) != 0) return fail_errno("fstat", std::to_string(fd));
  return st;
}

Result<struct stat> lstatat(int dir, const std::string& path) {
  struct stat st{};
  if (::fstatat(dir, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("fstatat", path);
  return st;
}

Result<std::string> readlinkat(int dir, const std::string& path) {
  std::string out(4096, '\0');
  const ssize_t n = ::readlinkat(dir, path.c_str(), out.data(), out.size());
  if (n < 0) return fail_errno("readlinkat", path);
  if (static_cast<size_t>(n) == out.size()) return fail("readlinkat", path, ENAMETOOLONG);
  out.resize(static_cast<size_t>(n));
  return out;
}

std::string real_path(const std::string& path) {
  char real[PATH_MAX];
  return ::realpath(path.c_str(), real) ? real : path;
}

Result<void> mkdirat(int dir, const std::string& path, mode_t mode) {
  return checked(::mkdirat(dir, path.c_str(), mode), "mkdirat", path);
}

Result<void> make_dirs(const std::string& path, mode_t mode) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return fail_errno("mkdir", part);
    if (at == std::string::npos) break;
  }
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return fail_errno("stat", path);
  if (!S_ISDIR(st.st_mode)) return fail("mkdir", path, ENOTDIR);
  return {};
}

Result<void> unlinkat(int dir, const std::string& path, int flags) {
  return checked(::unlinkat(dir, path.c_str(), flags), "unlinkat", path);
}

Result<void> renameat2(int from_dir, const std::string& from, int to_dir, const std::string& to, unsigned flags) {
  return checked(::renameat2(from_dir, from.c_str(), to_dir, to.c_str(), flags), "renameat2", from + " -> " + to);
}

Result<void> fchown(int fd, uid_t uid, gid_t gid) {
  return checked(::fchown(fd, uid, gid), "fchown", std::to_string(fd));
}

Result<void> fchmod(int fd, mode_t mode) {
  return checked(::fchmod(fd, mode), "fchmod", std::to_string(fd));
}

Result<void> fsync(int fd) {
  return checked(retry([&] { return ::fsync(fd); }), "fsync", std::to_string(fd));
}

Result<std::vector<Entry>> list_some(int dir) {
  alignas(dirent64) std::array<char, 32768> chunk;
  std::vector<Entry> out;
  while (out.empty()) {  // "." and ".." alone are not the end
    const ssize_t n = retry([&] { return ::getdents64(dir, chunk.data(), chunk.size()); });
    if (n < 0) return fail_errno("getdents64", ".");
    if (n == 0) break;
    for (size_t at = 0; at < static_cast<size_t>(n);) {
      const auto* entry = reinterpret_cast<const dirent64*>(chunk.data() + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") out.push_back({std::string(name), entry->d_type});
      at += entry->d_reclen;
    }
  }
  return out;
}

Result<std::vector<Entry>> list(int dir) {
  // A fresh description: reading moves the offset of the one it is given.
  const UniqueFd own = TRY(openat(dir, ".", O_RDONLY | O_DIRECTORY));
  std::vector<Entry> out;
  for (;;) {
    std::vector<Entry> some = TRY(list_some(own.get()));
    if (some.empty()) return out;
    std::ranges::move(some, std::back_inserter(out));
  }
}

Result<std::string> read_file(int fd, size_t limit) {
  std::string out;
  std::array<char, 16384> chunk;
  for (;;) {
    const ssize_t n = retry([&] { return ::read(fd, chunk.data(), chunk.size()); });
    if (n < 0) return fail_errno("read", std::to_string(fd));
    if (n == 0) return out;
    if (out.size() + static_cast<size_t>(n) > limit) return fail("read", std::to_string(fd), EFBIG);
    out.append(chunk.data(), static_cast<size_t>(n));
  }
}

namespace {
Result<std::string> read_named(int fd, const std::string& path, size_t limit) {
  auto out = read_file(fd, limit);
  if (!out) out.error().object = path;
  return out;
}
}  // namespace

Result<std::string> read_file(const std::string& path, size_t limit) {
  const UniqueFd fd = TRY(open(path, O_RDONLY));
  return read_named(fd.get(), path, limit);
}

Result<std::string> read_regular(const std::string& path, size_t limit, uint64_t resolve) {
  const UniqueFd found = TRY(resolve == 0 ? open(path, O_PATH) : openat2(AT_FDCWD, path, O_PATH, resolve));
  if (!S_ISREG(TRY(fstat(found.get())).st_mode)) return fail("open", printable(path), EINVAL, "it is no regular file");
  auto fd = open("/proc/self/fd/" + std::to_string(found.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) fd.error().object = path;
  return read_named(TRY(std::move(fd)).get(), path, limit);
}

Result<void> write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = retry([&] { return ::write(fd, data.data(), data.size()); });
    if (n < 0) return fail_errno("write", std::to_string(fd));
    data.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<void> replace_file(const std::string& path, std::string_view data, mode_t mode, bool sync) {
  const std::string temporary = path + "." + random_hex(6) + ".tmp";
  auto written = [&]() -> Result<void> {
    const UniqueFd fd = TRY(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    TRY(write_all(fd.get(), data));
    if (sync) TRY(fsync(fd.get()));
    return renameat2(AT_FDCWD, temporary, AT_FDCWD, path, 0);
  }();
  if (written) return {};
  ::unlink(temporary.c_str());
  return fail(written.error().operation, path, written.error().code);  // the name that the caller knows
}

Result<Pair> pipe(int flags) {
  int fds[2];
  if (::pipe2(fds, flags | O_CLOEXEC) != 0) return fail_errno("pipe2", "");
  return Pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<Pair> socketpair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return fail_errno("socketpair", "");
  return Pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<void> send_message(int socket, std::span<const std::byte> data, std::span<const int> fds) {
  if (fds.size() > kMostPassedFds) return fail("sendmsg", "descriptors", EINVAL);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostPassedFds)> control{};
  iovec part{.iov_base = const_cast<std::byte*>(data.data()), .iov_len = data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const ssize_t n = retry([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL); });
  if (n < 0) return fail_errno("sendmsg", "");
  if (static_cast<size_t>(n) != data.size()) return fail("sendmsg", "", EMSGSIZE);
  return {};
}

Result<Message> receive_message(int socket, std::span<std::byte> data, size_t max_fds) {
  if (max_fds > kMostPassedFds) return fail("recvmsg", "descriptors", EINVAL);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostPassedFds)> control{};
  iovec part{.iov_base = data.data(), .iov_len = data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  // Room for all that a message can have: what does not fit the kernel closes itself, and waits where let_go() does
  // not.
  message.msg_controllen = control.size();
  const auto receive = [&] { return retry([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); }); };
  ssize_t n = receive();
  // The other side ended without reading all that it was sent. That is said once, and before what it sent itself
  // (net/unix/af_unix.c, unix_release_sock()): its last words come after.
  if (n < 0 && errno == ECONNRESET) n = receive();
  if (n < 0) return fail_errno("recvmsg", "");
  Message out;
  out.size = static_cast<size_t>(n);
  out.fds = take_passed_fds(message);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && out.fds.size() <= max_fds) return out;
  let_go(std::move(out.fds));
  return fail("recvmsg", "", EMSGSIZE);
}

Result<UniqueFd> memfd(const std::string& name, std::string_view content, bool sealed) {
  UniqueFd fd = TRY(owned(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create", name));
  TRY(write_all(fd.get(), content));
  if (sealed && ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return fail_errno("fcntl F_ADD_SEALS", name);
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return fail_errno("lseek", name);
  return fd;
}

Result<UniqueFd> pidfd_open(pid_t pid) {
  return owned(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open", std::to_string(pid));
}

Result<void> pidfd_signal(int pidfd, int signal) {
  return checked(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0), "pidfd_send_signal",
                 std::to_string(pidfd));
}

Result<void> lock(int fd) {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &whole) != 0) return fail("lock", std::to_string(fd), errno == EACCES ? EAGAIN : errno);
  return {};
}
Result<void> lock_soon(int fd) {
  constexpr int kTries = 100;
  const timespec a_while{.tv_sec = 0, .tv_nsec = 20'000'000};
  auto locked = lock(fd);
  for (int i = 0; i < kTries && !locked && locked.error().code == EAGAIN; ++i) {
    ::nanosleep(&a_while, nullptr);
    locked = lock(fd);
  }
  return locked;
}

uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const uint64_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

Result<bool> is_locked(int fd) {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_GETLK, &whole) != 0) return fail_errno("fcntl", std::to_string(fd));
  return whole.l_type != F_UNLCK;
}

}  // namespace alos::sys
