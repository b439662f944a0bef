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
// other and each begins anew. The tree may change meanwhile and may be hostile; what vanishes is passed over, and what
// cannot be read is a failure, never nothing. A slice costs what its entries cost, however large a directory is and
// however deep it lies; some 66 descriptors are open at most, and names are kept only of directories on the way.
class Meter {
 public:
  // What a name costs beside its blocks: an empty file has none, but an inode, a directory entry and the kernel's
  // memory.
  static constexpr uint64_t kPerName = 1024;

  // Directories in one another. Real trees have some dozens.
  static constexpr size_t kDeepest = 1000;

  explicit Meter(UniqueFd root) : root_(std::move(root)) {}

  // Reads at most `entries` directory entries more, give or take one read of a directory. Does nothing once it failed.
  void step(size_t entries);
  // Ends this round unfinished: the next step begins another.
  void restart() { levels_.clear(); }
  // Why the tree cannot be measured, in words; empty: it can. A directory that cannot be read (no descriptors left
  // among the reasons), more than kDeepest levels, deep directories that are moved in every round.
  const std::string& failure() const { return failure_; }
  // Bytes on disk (st_blocks; a hard-linked file once, holes not at all) as of the last full round, or what this round
  // has found when that is more: a limit is noticed before the round ends.
  uint64_t bytes() const { return found_ > last_ ? found_ : last_; }
  // The same with kPerName for each name: what a limit is compared with.
  uint64_t charged() const { return charged_found_ > charged_last_ ? charged_found_ : charged_last_; }
  uint64_t rounds() const { return rounds_; }
  // What measuring has cost until now, in directory entries read, give or take one for each directory.
  uint64_t entries() const { return entries_; }

 private:
  // A directory that is being read.
  struct Level {
    UniqueFd directory;  // none: to be opened again from the one below
    uint64_t device = 0, inode = 0;
    int64_t next = 0;                // where to go on reading it (lseek)
    bool read = false;               // to its end
    std::vector<std::string> below;  // directories in the part that was read last, still to be entered
  };
  void begin();
  size_t read_some(Level& level);
  void count(int dir, const char* name, Level& level);
  void add(const Node& node);
  void enter(const std::string& name);
  void push(UniqueFd directory);
  void leave();
  void end_round();
  // Unless it says that something is gone or was replaced.
  void failed(const char* operation, int error);

  UniqueFd root_;
  std::vector<Level> levels_;
  std::string failure_;
  bool disturbed_ = false;  // this round lost its way back
  size_t disturbed_rounds_ = 0;
  std::vector<char> buffer_;
  std::set<std::pair<uint64_t, uint64_t>> linked_;  // files with several names
  uint64_t found_ = 0, last_ = 0, charged_found_ = 0, charged_last_ = 0, rounds_ = 0, entries_ = 0;
};

}  // namespace alos::workspace
