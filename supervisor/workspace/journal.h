#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/tree.h"

// What an apply leaves behind so that the next command can finish or clean up after it.
//
//   apply.journal   exists while an apply runs. Records end in NUL: "s<session>", "d<directory>" before the first
//                   temporary name in that host directory, "i<inode> <path>" before it takes its place,
//                   "u<mtime_ns> <inode>" before a file with several names loses one of them
//   applied         "<ctime_ns> <path>" for what an apply left on the host while other changes stayed pending: a file
//                   with exactly this ctime was last changed by us and makes no conflict, however late its ctime
namespace alos::workspace {

class Applied {
 public:
  static Result<Applied> load(const Layer& layer);
  Result<void> save(const Layer& layer) const;
  void note(std::string_view path, int64_t ctime_ns) { known_.insert_or_assign(std::string(path), ctime_ns); }
  // A file with other names got a new ctime when one of them went.
  void note_inode(const Node& node);
  // The same after a crash, when the new ctime is not known: as long as its content is what it was.
  void note_content(uint64_t inode, int64_t mtime_ns);
  bool is_ours(std::string_view path, const Node& node) const;

 private:
  std::map<std::string, int64_t, std::less<>> known_;
};

class Journal {
 public:
  static Result<Journal> begin(const Layer& layer);
  // Host directories that temporary names will be in, with one sync for all of them.
  Result<void> announce(const std::set<std::string>& directories);
  // A name for something temporary in the host directory `dir`, which nobody can know before it is there; on disk
  // before the name is used.
  Result<std::string> temporary(const std::string& dir);
  Result<void> placing(uint64_t inode, std::string_view path);
  // `node` is about to lose a name, which gives its other names a new ctime.
  Result<void> unnaming(const Node& node);
  Result<void> sync() const;
  Result<void> end(const Layer& layer);

 private:
  UniqueFd file_;
  std::string session_;
  std::set<std::string> directories_;
};

// After a crash: removes temporary names from the host's tree, notes what had taken its place as applied, ends the
// journal. Nothing to do is success. The layer is locked.
Result<void> recover(const Layer& layer, Tree& host);
bool needs_recovery(const Layer& layer);
// How the temporary names of an apply that goes on, or was killed, begin; empty when there is none.
std::string temporary_names(const Layer& layer);

}  // namespace alos::workspace
