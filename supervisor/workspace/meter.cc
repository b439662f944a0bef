#include "supervisor/workspace/meter.h"

namespace alos::workspace {

void Meter::begin() {
  running_ = true;
  found_ = 0;
  linked_.clear();
  directories_ = {""};
  if (const auto root = tree_.node("")) found_ += root->blocks;
}

void Meter::count(const std::string& path, const Node& node) {
  if (node.type == Type::directory) directories_.push_back(path);
  if (node.links > 1 && node.type != Type::directory && !linked_.emplace(node.device, node.inode).second) return;
  found_ += node.blocks;
}

void Meter::step(size_t entries) {
  if (!running_) begin();
  while (entries > 0) {
    if (names_.empty()) {
      if (directories_.empty()) {
        last_ = found_;
        ++rounds_;
        running_ = false;
        return;
      }
      path_ = std::move(directories_.back());
      directories_.pop_back();
      if (auto names = tree_.list(path_)) names_ = std::move(*names);
      --entries;
      continue;
    }
    const std::string path = join(path_, names_.back());
    names_.pop_back();
    if (const auto node = tree_.node(path); node && node->there()) count(path, *node);
    --entries;
  }
}

}  // namespace alos::workspace
