#include "supervisor/workspace/meter.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr size_t kBuffer = 32 << 10;

}  // namespace

void Meter::begin() {
  found_ = charged_found_ = 0;
  linked_.clear();
  buffer_.resize(kBuffer);
  path_.clear();
  levels_.assign(1, {});
  if (const auto root = tree_.node("")) found_ = charged_found_ = root->blocks;
}

void Meter::add(const Node& node) {
  charged_found_ += kPerName;
  if (node.links > 1 && node.type != Type::directory && !linked_.emplace(node.device, node.inode).second) return;
  found_ += node.blocks;
  charged_found_ += node.blocks;
}

void Meter::count(int dir, const char* name, Level& level) {
  const auto st = sys::lstatat(dir, name);
  if (!st) return;
  const Node node = Node::of(*st);
  add(node);
  if (node.type == Type::directory) level.below.emplace_back(name);
}

// One read of the directory, from where the last one ended. Nothing keeps it open in between: it may lie deep, and
// there are only so many descriptors.
size_t Meter::read_some(Level& level) {
  const auto dir = tree_.dir(std::string_view(path_).substr(0, level.length));
  ssize_t got = -1;
  if (dir && ::lseek(*dir, level.next, SEEK_SET) >= 0) got = ::getdents64(*dir, buffer_.data(), buffer_.size());
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
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      count(*dir, entry->d_name, level);
  }
  return seen;
}

void Meter::step(size_t entries) {
  if (levels_.empty()) begin();
  while (entries > 0) {
    Level& level = levels_.back();
    path_.resize(level.length);
    if (!level.below.empty()) {
      path_ = join(path_, level.below.back());
      level.below.pop_back();
      levels_.push_back({path_.size(), 0, false, {}});
      --entries;
    } else if (!level.read) {
      entries -= std::min(entries, read_some(level));
    } else {
      levels_.pop_back();
      if (!levels_.empty()) continue;
      last_ = found_, charged_last_ = charged_found_;
      ++rounds_;
      return;
    }
  }
}

}  // namespace alos::workspace
