#include "supervisor/workspace/interrupted.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/paths.h"
#include "shim/init/protocol.h"

namespace alos::workspace {
namespace {

// ".rename-7-0"
bool is_inits_name(std::string_view name) {
  if (!name.starts_with(init::kRenamePrefix)) return false;
  name.remove_prefix(init::kRenamePrefix.size());
  const size_t dash = name.find('-');
  const auto number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  };
  return dash != name.npos && number(name.substr(0, dash)) && number(name.substr(dash + 1));
}

// The directory with such a name that `path` is or lies in; empty: none.
std::string_view leftover_of(std::string_view path) {
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (is_inits_name(path.substr(at, end - at))) return path.substr(0, end);
    at = end + 1;
  }
  return {};
}

// What a leftover holds, by the path in it, which is the one that it had in its old place.
using Gathered = std::unordered_map<std::string_view, std::string_view>;

Gathered gather(std::vector<Change>& changes) {
  Gathered out;
  for (Change& change : changes) {
    const std::string_view leftover = leftover_of(change.path);
    if (leftover.empty() || !change.after.there()) continue;
    change.flags.push_back(
        {Hazard::interrupted, "a rename of a directory was ended while it gathered its content here"});
    if (!change.whole) change.whole = std::string(leftover);
    if (leftover.size() < change.path.size())
      out.emplace(std::string_view(change.path).substr(leftover.size() + 1), change.path);
  }
  return out;
}

}  // namespace

void flag_interrupted(std::vector<Change>& changes) {
  const Gathered gathered = gather(changes);
  if (gathered.empty()) return;
  size_t longest = 0;
  for (const auto& [path, ignored] : gathered) longest = std::max(longest, path.size());
  for (Change& change : changes) {
    if (change.kind != Kind::deleted) continue;
    const std::string_view path = change.path;
    for (size_t at = 0; at < path.size(); at = std::min(path.find('/', at), path.size() - 1) + 1) {
      if (path.size() - at > longest) continue;
      const auto there = gathered.find(path.substr(at));
      if (there == gathered.end()) continue;
      change.flags.push_back(
          {Hazard::interrupted, "a rename of its directory may have been ended in the middle: it is " +
                                    printable(there->second) + "; apply or undo both"});
      break;
    }
  }
}

}  // namespace alos::workspace
