#include "supervisor/workspace/tree.h"

#include <linux/openat2.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "base/file_time.h"
#include "base/paths.h"
#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
constexpr size_t kChunk = 3800;  // below PATH_MAX, which bounds one call and not a tree

Type type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return Type::file;
    case S_IFDIR:
      return Type::directory;
    case S_IFLNK:
      return Type::link;
    case S_IFIFO:
      return Type::fifo;
    case S_IFSOCK:
      return Type::socket;
    default:
      return Type::device;
  }
}

bool is_missing(const Error& error) {
  return error.code == ENOENT || error.code == ENOTDIR || error.code == ELOOP;
}

}  // namespace

std::string_view name(Type type) {
  constexpr std::string_view kNames[] = {"absent", "file", "directory", "link", "fifo", "socket", "device"};
  return kNames[static_cast<size_t>(type)];
}

Node Node::of(const struct stat& st) {
  Node node;
  node.type = type_of(st.st_mode);
  node.mode = st.st_mode & 07777;
  node.size = node.type == Type::directory ? 0 : static_cast<uint64_t>(st.st_size);
  node.blocks = static_cast<uint64_t>(st.st_blocks) * 512;
  node.uid = st.st_uid;
  node.gid = st.st_gid;
  node.device = st.st_dev;
  node.inode = st.st_ino;
  node.links = st.st_nlink;
  node.ctime_ns = ns_of(st.st_ctim);
  node.mtime_ns = ns_of(st.st_mtim);
  node.whiteout = S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
  return node;
}

std::string_view parent_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

std::string_view base_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string join(std::string_view dir, std::string_view name) {
  std::string out(dir);
  if (!dir.empty() && !name.empty()) out += '/';
  return out.append(name);
}

bool is_below(std::string_view path, std::string_view dir) {
  return dir.empty() || (path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/'));
}

bool is_plain(std::string_view path) {
  if (path.find('\0') != path.npos) return false;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == ".." || part.size() > NAME_MAX) return false;
    at = end + 1;
  }
  return true;
}

Result<Tree> Tree::open(const std::string& path) {
  auto root =
      sys::openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  if (!root && root.error().code == ELOOP)
    return fail("open", printable(path), ELOOP, "a link stands in its path now; put the directory back where it was");
  return Tree(TRY(std::move(root)));
}

Result<int> Tree::dir(std::string_view path) {
  while (!open_.empty() && !is_below(path, std::string_view(last_).substr(0, open_.back().length))) open_.pop_back();
  last_ = path;
  for (;;) {
    const size_t done = open_.empty() ? 0 : open_.back().length;
    const int from = open_.empty() ? root_.get() : open_.back().fd.get();
    if (done == path.size()) return from;
    const size_t start = done == 0 ? 0 : done + 1;
    size_t end = path.size();
    if (end - start > kChunk) end = path.rfind('/', start + kChunk);
    if (end == path.npos || end <= start) return fail("openat2", printable(path.substr(0, 64)), ENAMETOOLONG);
    auto opened =
        sys::openat2(from, std::string(path.substr(start, end - start)), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, kResolve);
    if (!opened) return fail("openat2", printable(path), opened.error().code);
    push(end, std::move(*opened));
  }
}

// Keeps every second one at least a chunk apart from the one before it: a way back up is then never far.
void Tree::push(size_t length, UniqueFd fd) {
  if (open_.size() >= 2 && length - open_[open_.size() - 2].length < kChunk) open_.pop_back();
  open_.push_back({length, std::move(fd)});
}

Result<std::vector<std::string>> Tree::list(std::string_view path) {
  std::vector<std::string> names;
  for (sys::Entry& entry : TRY(sys::list(TRY(dir(path))))) names.push_back(std::move(entry.name));
  std::sort(names.begin(), names.end());
  return names;
}

Result<Node> Tree::node(std::string_view path) {
  if (path.empty()) return Node::of(TRY(sys::fstat(root_.get())));
  const auto parent = dir(parent_of(path));
  if (!parent && is_missing(parent.error())) return Node{};
  const int at = TRY(parent);
  const auto st = sys::lstatat(at, std::string(base_of(path)));
  if (!st && st.error().code == ENOENT) return Node{};
  if (!st) return fail("fstatat", printable(path), st.error().code);
  return Node::of(*st);
}

Result<UniqueFd> Tree::file(std::string_view path) {
  const int at = TRY(dir(parent_of(path)));
  auto fd = sys::openat2(at, std::string(base_of(path)), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, kResolve);
  if (!fd) return fail("open", printable(path), fd.error().code);
  if (!S_ISREG(TRY(sys::fstat(fd->get())).st_mode)) return fail("open", printable(path), EINVAL, "not a regular file");
  return fd;
}

Result<std::string> Tree::link_target(std::string_view path) {
  const int at = TRY(dir(parent_of(path)));
  auto target = sys::readlinkat(at, std::string(base_of(path)));
  if (!target) target.error().object = printable(path);
  return target;
}

int64_t Tree::born_ns(std::string_view path) {
  const auto at = dir(parent_of(path));
  struct statx stx{};
  if (!at ||
      ::statx(*at, std::string(base_of(path)).c_str(), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BTIME, &stx) != 0)
    return 0;
  return stx.stx_mask & STATX_BTIME ? ns_of({stx.stx_btime.tv_sec, stx.stx_btime.tv_nsec}) : 0;
}

void Tree::forget(std::string_view path) {
  while (!open_.empty() && is_below(std::string_view(last_).substr(0, open_.back().length), path)) open_.pop_back();
}

}  // namespace alos::workspace
