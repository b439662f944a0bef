#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {

// Mode copy: what a copy must not hold, because the policy denies reading it. A mask hides a path for one run, a copy
// lasts: its content would be there under the name that an agent gives it, and a hard link's other name is an inode of
// its own in it.
class Secrets {
 public:
  // By the record's denies that take `r`: what they match, whole where it is a directory that no exception lies in, and
  // every other name of such a file in the workspace; and what a link leads to in the workspace that they match or go
  // through, as box/covers.h says it for what is hidden. The link itself is copied.
  static Result<Secrets> find(Tree& host, const Record& record);

  bool holds(std::string_view path) const { return paths_.contains(path); }
  const std::set<std::string, std::less<>>& paths() const { return paths_; }

 private:
  std::set<std::string, std::less<>> paths_;
};

}  // namespace alos::workspace
