#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

// Each system call that the project uses on the supervisor's side, wrapped once: EINTR is retried, descriptors come
// back close-on-exec and owned, errors carry operation and object. Between clone and exec raw calls are used instead.
namespace alos::sys {

Result<UniqueFd> open(const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> openat(int dir, const std::string& path, int flags, mode_t mode = 0);
// `resolve` is RESOLVE_* of openat2(2), kernel 5.6. EAGAIN (a rename raced with "..") is retried a bounded number of
// times.
Result<UniqueFd> openat2(int dir, const std::string& path, uint64_t flags, uint64_t resolve, mode_t mode = 0);
Result<UniqueFd> dup(int fd);

Result<struct stat> fstat(int fd);
Result<struct stat> lstatat(int dir, const std::string& path);  // never follows the last component
Result<std::string> readlinkat(int dir, const std::string& path);
// Where a path leads by links; itself where nothing is, or nothing that can be seen.
std::string real_path(const std::string& path);
Result<void> mkdirat(int dir, const std::string& path, mode_t mode);
// Existing directories are fine; a component that is something else is ENOTDIR.
Result<void> make_dirs(const std::string& path, mode_t mode);
Result<void> unlinkat(int dir, const std::string& path, int flags);
Result<void> renameat2(int from_dir, const std::string& from, int to_dir, const std::string& to, unsigned flags);
Result<void> fchown(int fd, uid_t uid, gid_t gid);
Result<void> fchmod(int fd, mode_t mode);
Result<void> fsync(int fd);
// Names in a directory but "." and "..", with their d_type (DT_UNKNOWN where the file system does not say).
struct Entry {
  std::string name;
  unsigned char type;
};
Result<std::vector<Entry>> list(int dir);
// The next of them, some hundred at a time, by the offset of `dir`, which is open for reading; none: there are no more.
// What is made or removed meanwhile may be among them or not (getdents(2)).
Result<std::vector<Entry>> list_some(int dir);
// Removes `name` in `dir` with everything below, at any depth, with a constant number of descriptors: directories are
// moved up beside it first. Modes that forbid it are lifted. Errors: the first one that stopped it.
Result<void> remove_tree(int dir, const std::string& name);
// The same for everything in `dir`.
Result<void> remove_below(int dir);

// The whole file, at most `limit` bytes: EFBIG beyond.
Result<std::string> read_file(int fd, size_t limit);
Result<std::string> read_file(const std::string& path, size_t limit);
// The same of a regular file alone, links followed unless `resolve` (RESOLVE_*) says otherwise. Anything
// else is not even opened, which a device might take for an order, so `path` may be anybody's. Needs /proc. Errors:
// EINVAL for what is no regular file.
Result<std::string> read_regular(const std::string& path, size_t limit, uint64_t resolve = 0);
Result<void> write_all(int fd, std::string_view data);
// Temporary file beside `path`, written, synced when `sync`, renamed over it.
Result<void> replace_file(const std::string& path, std::string_view data, mode_t mode, bool sync = false);

struct Pair {
  UniqueFd a, b;
};
Result<Pair> pipe(int flags = 0);  // a: read end, b: write end
Result<Pair> socketpair(int type);
// One message with descriptors; a short send is EMSGSIZE. MSG_NOSIGNAL.
Result<void> send_message(int socket, std::span<const std::byte> data, std::span<const int> fds = {});
struct Message {
  size_t size = 0;  // 0: the other side is gone
  std::vector<UniqueFd> fds;
};
// What the other side said before it ended comes before its end, also where it had not read all. At most data.size()
// bytes and `max_fds` descriptors; a truncated message (MSG_TRUNC, MSG_CTRUNC) is EMSGSIZE and
// whatever descriptors came with it are let go (base/let_go.h).
Result<Message> receive_message(int socket, std::span<std::byte> data, size_t max_fds);

// The soft limit of open descriptors becomes the hard one. Returns what it was, 0 if that is not known.
uint64_t raise_open_files();

// An exclusive lock of the whole file that belongs to the open file description: it lasts over fork and exec, until the
// last descriptor of it is closed (fcntl_locking(2), F_OFD_SETLK). Errors: EAGAIN where somebody has it. `fd` is
// writable.
Result<void> lock(int fd);
// The same, for what a run holds: one that was just ended holds it until nothing of its box is left, so somebody who
// has it is waited for, two seconds at most.
Result<void> lock_soon(int fd);
// Whether somebody else has it. Only asks: unlike trying, it is never in another's way.
Result<bool> is_locked(int fd);

Result<UniqueFd> memfd(const std::string& name, std::string_view content, bool sealed);
Result<UniqueFd> pidfd_open(pid_t pid);
Result<void> pidfd_signal(int pidfd, int signal);

}  // namespace alos::sys
