#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/result.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/secrets.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {

// Mode copy: which inode each path of copy/ was when the copy was complete. Says what the agent did where a ctime
// cannot: a file in a directory that was renamed keeps its ctime, and what is missing may have been removed, or never
// copied.
class Manifest {
 public:
  static Result<void> write(const Layer& layer, const Secrets& secrets);
  static Result<Manifest> load(const Layer& layer);

  // Their nodes in copy/ stand for what the agent was not shown.
  void hide(const Secrets& secrets);
  // After an apply: both sides have it now, or neither.
  void note(std::string_view path, const Node& node);
  Result<void> save(const Layer& layer) const;

  bool had(std::string_view path) const { return inodes_.contains(std::string(path)); }
  bool hides(std::string_view path) const { return hidden_.contains(path); }
  // A node that stands for something hidden, wherever the agent moved it.
  bool is_placeholder(const Node& node) const;
  // The very one that was copied, at its place. Its content may differ.
  bool is(std::string_view path, const Node& node) const;

 private:
  std::unordered_map<std::string, uint64_t> inodes_;
  std::set<std::string, std::less<>> hidden_;
  std::unordered_set<uint64_t> placeholders_;  // inodes of hidden_
};

}  // namespace alos::workspace
