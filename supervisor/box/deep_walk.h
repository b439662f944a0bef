#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/sys.h"
#include "base/unique_fd.h"

namespace alos::box {

enum class Next : uint8_t { enter, pass };

struct WalkVisitor {
  // One entry of the open directory `parent`: its type is known (never DT_UNKNOWN), `path` is its name below that of
  // the root. What is answered counts for directories.
  std::function<Result<Next>(int parent, const sys::Entry& entry, const std::string& path)> entry;
  // A directory that was to be entered and cannot be read (EACCES).
  std::function<Result<void>(const std::string& path)> closed;
};

// Goes through what lies below `root`, whose name is `path`: depth first, parents before what is in them, no link ever
// followed, into whatever is mounted there. An agent decides how deep and how long: the number of descriptors and the
// stack are bounded, and names may be longer than PATH_MAX.
// Errors: the visitor's; a directory that cannot be read, by name; more than 10,000 levels (ELOOP); a directory that
// was moved while it was walked through (ESTALE).
Result<void> walk_below(const UniqueFd& root, const std::string& path, const WalkVisitor& visit);

}  // namespace alos::box
