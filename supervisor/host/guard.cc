#include "supervisor/host/guard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <set>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::host {
namespace {

using Node = std::pair<dev_t, ino_t>;

// The file and every directory above it, by identity; empty if it does not exist.
std::set<Node> with_parents(const std::string& path) {
  std::set<Node> out;
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return out;
  out.insert({st.st_dev, st.st_ino});
  char real[PATH_MAX];
  if (!::realpath(path.c_str(), real)) return out;
  for (std::string at = real; at.size() > 1;) {
    at.resize(std::max<size_t>(1, at.rfind('/')));
    if (::stat(at.c_str(), &st) == 0) out.insert({st.st_dev, st.st_ino});
  }
  return out;
}

Node node_of(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? Node{st.st_dev, st.st_ino} : Node{};
}

}  // namespace

Result<void> refuse_own_files(const std::vector<std::string>& writable, const std::vector<Protected>& own) {
  for (const Protected& mine : own) {
    const std::set<Node> above_mine = with_parents(mine.path);
    if (above_mine.empty()) continue;
    const Node me = node_of(mine.path);
    for (const std::string& path : writable) {
      const std::set<Node> above = with_parents(path);
      if (above.empty()) continue;
      const bool contains = above_mine.contains(node_of(path));
      const bool below = above.contains(me);
      if (!contains && !below) continue;
      return fail("workspace", printable(path), EPERM,
                  fmt::format("the box could write it, and it {} alos's own {} ({}); choose another directory",
                              contains ? "contains" : "lies below", mine.what, mine.path));
    }
  }
  return {};
}

}  // namespace alos::host
