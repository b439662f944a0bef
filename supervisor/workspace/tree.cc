#include "supervisor/workspace/tree.h"

#include <linux/openat2.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "base/digest.h"
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

int64_t ns(const timespec& t) {
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

bool is_missing(const Error& error) {
  return error.code == ENOENT || error.code == ENOTDIR || error.code == ELOOP;
}

std::string unused_name() {
  return ".alos-removed-" + random_hex(8);
}

// Empties `name` in `dir` one level deep: what is a directory goes to `dir` under a new name, which is returned.
Result<std::vector<std::string>> flatten(int dir, const std::string& name) {
  auto opened = sys::openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat st{};
  // A directory without its owner's bits can be neither listed nor moved by an ordinary owner.
  if (::fstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
      (st.st_mode & 0700) != 0700 && ::fchmodat(dir, name.c_str(), 0700, 0) == 0 && !opened)
    opened = sys::openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const UniqueFd here = TRY(std::move(opened));
  std::vector<std::string> moved;
  for (const sys::Entry& entry : TRY(sys::list(here.get()))) {
    if (::unlinkat(here.get(), entry.name.c_str(), 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) return fail_errno("unlinkat", printable(entry.name));
    if (::unlinkat(here.get(), entry.name.c_str(), AT_REMOVEDIR) == 0) continue;
    if (::fchmodat(here.get(), entry.name.c_str(), 0700, 0) != 0) return fail_errno("fchmodat", printable(entry.name));
    moved.push_back(unused_name());
    TRY(sys::renameat2(here.get(), entry.name, dir, moved.back(), RENAME_NOREPLACE));
  }
  return moved;
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
  node.ctime_ns = ns(st.st_ctim);
  node.mtime_ns = ns(st.st_mtim);
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
  return Tree(TRY(sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
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
  if (!at || ::statx(*at, std::string(base_of(path)).c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME, &stx) != 0) return 0;
  return stx.stx_mask & STATX_BTIME ? stx.stx_btime.tv_sec * 1'000'000'000 + stx.stx_btime.tv_nsec : 0;
}

void Tree::forget(std::string_view path) {
  while (!open_.empty() && is_below(std::string_view(last_).substr(0, open_.back().length), path)) open_.pop_back();
}

Result<void> remove_tree(int dir, const std::string& name) {
  if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return fail_errno("unlinkat", printable(name));
  std::vector<std::string> left = {name};
  while (!left.empty()) {
    const std::string next = left.back();
    left.pop_back();
    for (std::string& moved : TRY(flatten(dir, next))) left.push_back(std::move(moved));
    TRY(sys::unlinkat(dir, next, AT_REMOVEDIR));
  }
  return {};
}

}  // namespace alos::workspace
