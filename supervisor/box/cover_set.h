#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "supervisor/box/deep_walk.h"
#include "supervisor/box/layout.h"

namespace alos::box {

// Paths of which none lies below another, to ask what lies below one of them: whatever was inserted, in the logarithm
// of their number, since nothing sorts between "/a/" and what lies below it but what lies below it as well.
class TopPaths {
 public:
  void insert(std::string_view path);
  // Below one, and not one itself.
  bool has_above(std::string_view path) const;

 private:
  std::set<std::string, std::less<>> paths_;  // each with a slash at its end
};

// What a search has found that is to be covered, one cover for a path: what hides, once found, stays, and so does what
// a restriction takes. An agent makes the paths: at most 10,000, of 16 MiB of names together (E2BIG).
class CoverSet {
 public:
  Result<void> add(Cover cover);

  // nullptr: not covered. Of what it points to `target` is empty.
  const Cover* find(std::string_view path) const;
  bool is_hidden(std::string_view path) const;
  bool lies_in_hidden(std::string_view path) const { return hidden_.has_above(path); }
  // A restriction goes for all below it. `attributes` are MOUNT_ATTR_*, to which MOUNT_ATTR_RDONLY is added.
  bool restricted_above(std::string_view path, uint64_t attributes) const;

  // Without what lies in what is hidden; parents before what lies below them. Nothing is left here.
  Result<std::vector<Cover>> take(const Between& between);

 private:
  std::map<std::string, Cover, std::less<>> covers_;
  size_t bytes_ = 0;  // of their names
  TopPaths hidden_;
  TopPaths read_only_;           // with MOUNT_ATTR_RDONLY, whatever else
  TopPaths not_written_or_run_;  // with MOUNT_ATTR_NOEXEC as well
};

}  // namespace alos::box
