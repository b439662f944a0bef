#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {

// How much disk a tree uses, read in slices so that a watcher with other work can go on with it: rounds follow each
// other and each begins anew. The tree may change meanwhile and may be hostile; what cannot be read counts as it was
// listed.
class Meter {
 public:
  explicit Meter(UniqueFd root) : tree_(std::move(root)) {}

  // Reads at most `entries` directory entries more. Errors: none; what vanishes meanwhile is not counted.
  void step(size_t entries);
  // Bytes on disk (st_blocks; a hard-linked file once, holes not at all) as of the last full round, or what this round
  // has found when that is more: a limit is noticed before the round ends.
  uint64_t bytes() const { return found_ > last_ ? found_ : last_; }
  uint64_t rounds() const { return rounds_; }

 private:
  void begin();
  void count(const std::string& path, const Node& node);

  Tree tree_;
  std::vector<std::string> directories_;  // still to be listed
  std::string path_;                      // whose entries are being read
  std::vector<std::string> names_;
  std::set<std::pair<uint64_t, uint64_t>> linked_;  // files with several names
  uint64_t found_ = 0, last_ = 0, rounds_ = 0;
  bool running_ = false;
};

}  // namespace alos::workspace
