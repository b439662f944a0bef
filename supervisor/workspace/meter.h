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
// listed. A slice costs what its entries cost, however large a directory is and however deep it lies; no more than some
// forty descriptors are open, and names are kept only of directories on the way.
class Meter {
 public:
  // What a name costs beside its blocks: an empty file has none, but an inode, a directory entry and the kernel's
  // memory.
  static constexpr uint64_t kPerName = 1024;

  explicit Meter(UniqueFd root) : tree_(std::move(root)) {}

  // Reads at most `entries` directory entries more, give or take one read of a directory. Errors: none; what vanishes
  // meanwhile is not counted.
  void step(size_t entries);
  // Bytes on disk (st_blocks; a hard-linked file once, holes not at all) as of the last full round, or what this round
  // has found when that is more: a limit is noticed before the round ends.
  uint64_t bytes() const { return found_ > last_ ? found_ : last_; }
  // The same with kPerName for each name: what a limit is compared with.
  uint64_t charged() const { return charged_found_ > charged_last_ ? charged_found_ : charged_last_; }
  uint64_t rounds() const { return rounds_; }

 private:
  // A directory that is being read.
  struct Level {
    size_t length = 0;               // of the prefix of path_ that it is
    int64_t next = 0;                // where to go on reading it (lseek)
    bool read = false;               // to its end
    std::vector<std::string> below;  // directories in the part that was read last, still to be entered
  };
  void begin();
  size_t read_some(Level& level);
  void count(int dir, const char* name, Level& level);
  void add(const Node& node);

  Tree tree_;
  std::string path_;
  std::vector<Level> levels_;
  std::vector<char> buffer_;
  std::set<std::pair<uint64_t, uint64_t>> linked_;  // files with several names
  uint64_t found_ = 0, last_ = 0, charged_found_ = 0, charged_last_ = 0, rounds_ = 0;
};

}  // namespace alos::workspace
