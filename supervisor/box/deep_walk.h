#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/sys.h"
#include "base/unique_fd.h"

namespace alos::box {

// What is to be looked at while something takes long, before each name and each directory, for an agent decides what
// one costs: its error ends that.
using Between = std::function<Result<void>()>;
// Where there is none, nothing is looked at.
inline Result<void> look(const Between& between) {
  return between ? between() : Result<void>{};
}

// A path as a line of an error has it: an agent makes them as long as it likes.
std::string shortened(const std::string& path);

enum class Next : uint8_t { enter, pass };

struct WalkVisitor {
  // One entry of the open directory `parent`: its type is known (never DT_UNKNOWN), `path` is its name below that of
  // the root. What is answered counts for directories.
  std::function<Result<Next>(int parent, const sys::Entry& entry, const std::string& path)> entry;
  // A directory that was to be entered and cannot be read (EACCES).
  std::function<Result<void>(const std::string& path)> closed;
  Between between = {};
};

// Goes through what lies below `root`, whose name is `path`: depth first, all names of a directory before what is in
// the first of them, no link ever followed, into whatever is mounted there. An agent decides how deep, how wide and how
// long: descriptors, stack and memory are bounded, and names may be longer than PATH_MAX. Errors: the visitor's; a
// directory that cannot be read, by name; more than 10,000 levels (ELOOP) or 64 KiB of path (ENAMETOOLONG); more than
// 200,000 directories beside one another on the way (E2BIG); a directory that was moved while it was walked through
// (ESTALE).
Result<void> walk_below(const UniqueFd& root, const std::string& path, const WalkVisitor& visit);

}  // namespace alos::box
