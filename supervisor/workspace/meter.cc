#include "supervisor/workspace/meter.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr size_t kBuffer = 32 << 10;
constexpr size_t kKeptOpen = 64;  // levels; below, the way back is ".."
constexpr size_t kMaxDisturbed = 10;
constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

bool is_gone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV || error == ESTALE;
}

// Nothing is in it then, and nothing can be made in it. ext4 refuses a position (EINVAL) that it gave out itself: in
// a directory of one block it seeks by hashes of names, and no longer when the block is gone.
bool was_removed(int directory) {
  const auto st = sys::fstat(directory);
  return st && st->st_nlink == 0;
}

}  // namespace

void Meter::failed(const char* operation, int error) {
  if (!is_gone(error)) failure_ = fail(operation, "a directory", error).error().text();
}

void Meter::begin() {
  found_ = charged_found_ = 0;
  disturbed_ = false;
  linked_.clear();
  buffer_.resize(kBuffer);
  auto root = sys::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY);
  if (!root) {
    failure_ = root.error().text();
    return;
  }
  if (const auto st = sys::fstat(root->get())) found_ = charged_found_ = Node::of(*st).blocks;
  push(std::move(*root));
}

void Meter::push(UniqueFd directory) {
  const auto st = sys::fstat(directory.get());
  if (!st) return failed("fstat", st.error().code);
  if (levels_.size() > kKeptOpen) levels_.back().directory.reset();
  levels_.push_back({std::move(directory), st->st_dev, st->st_ino, 0, false, {}});
}

void Meter::enter(const std::string& name) {
  if (levels_.size() >= kDeepest) {
    failure_ = "more than 1000 directories in one another, which cannot be measured";
    return;
  }
  auto directory = sys::openat2(levels_.back().directory.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, kResolve);
  if (!directory) return failed("openat2", directory.error().code);
  push(std::move(*directory));
}

// Where the way back was taken away, reading goes on at the nearest directory that is open.
void Meter::leave() {
  const Level left = std::move(levels_.back());
  levels_.pop_back();
  if (levels_.empty() || levels_.back().directory) return;
  auto above = sys::openat(left.directory.get(), "..", O_RDONLY | O_DIRECTORY);
  if (!above) failed("openat", above.error().code);
  const auto st = above ? sys::fstat(above->get()) : Result<struct stat>(std::unexpected(above.error()));
  Level& level = levels_.back();
  if (st && st->st_dev == level.device && st->st_ino == level.inode) {
    level.directory = std::move(*above);
    return;
  }
  disturbed_ = true;
  while (!levels_.back().directory) levels_.pop_back();
}

void Meter::end_round() {
  disturbed_rounds_ = disturbed_ ? disturbed_rounds_ + 1 : 0;
  if (disturbed_rounds_ == kMaxDisturbed) failure_ = "deep directories are moved whenever they are measured";
  if (disturbed_) return;
  last_ = found_, charged_last_ = charged_found_;
  ++rounds_;
}

void Meter::add(const Node& node) {
  charged_found_ += kPerName;
  if (node.links > 1 && node.type != Type::directory && !linked_.emplace(node.device, node.inode).second) return;
  found_ += node.blocks;
  charged_found_ += node.blocks;
}

void Meter::count(int dir, const char* name, Level& level) {
  const auto st = sys::lstatat(dir, name);
  if (!st) return failed("fstatat", st.error().code);
  const Node node = Node::of(*st);
  add(node);
  if (node.type == Type::directory) level.below.emplace_back(name);
}

// One read of the directory, from where the last one ended.
size_t Meter::read_some(Level& level) {
  const int dir = level.directory.get();
  const ssize_t got = ::lseek(dir, level.next, SEEK_SET) < 0 ? -1 : ::getdents64(dir, buffer_.data(), buffer_.size());
  if (const int error = errno; got < 0 && !was_removed(dir)) failed("getdents64", error);
  if (got <= 0) {
    level.read = true;
    return 1;
  }
  size_t seen = 1;
  for (ssize_t at = 0; at < got;) {
    const auto* entry = reinterpret_cast<const dirent64*>(buffer_.data() + at);
    at += entry->d_reclen;
    level.next = entry->d_off;
    ++seen;
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) count(dir, entry->d_name, level);
  }
  return seen;
}

void Meter::step(size_t entries) {
  if (levels_.empty() && failure_.empty()) begin();
  while (entries > 0 && failure_.empty() && !levels_.empty()) {
    Level& level = levels_.back();
    if (!level.below.empty()) {
      const std::string name = std::move(level.below.back());
      level.below.pop_back();
      --entries, ++entries_;
      enter(name);
    } else if (!level.read) {
      const size_t read = read_some(level);
      entries -= std::min(entries, read), entries_ += read;
    } else {
      leave();
      if (levels_.empty()) return end_round();
    }
  }
}

}  // namespace alos::workspace
