#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace alos {

// One name on the way of a path, not followed.
struct OnTheWay {
  enum class Kind : uint8_t {
    other,   // a directory, or what a path may end at
    link,    // `text` says where to
    absent,  // nothing, or nothing that is to be followed
    closed,  // the directory that holds it may not be searched
  };
  Kind kind = Kind::other;
  std::string text{};
};

struct Followed {
  enum class End : uint8_t {
    there,    // `path` is there, no link in it
    nowhere,  // something on the way is absent, or there are more than 40 links on it
    closed,   // `path` is a directory that may not be searched
  };
  End end = End::nowhere;
  std::string path{};                // canonical but for its length
  std::vector<std::string> links{};  // that were followed, in this order
};

// Where `path`, taken from the directory `from`, leads in a tree that is told name by name: as the kernel walks
// (path_resolution(7)), and as far as it does: with more than 40 links it gives up (MAXSYMLINKS), so that nobody comes
// further by that path. `from` is absolute, with no link in it. Errors: those of `look`.
Result<Followed> follow_links(std::string from, std::string_view path,
                              const std::function<Result<OnTheWay>(const std::string& path)>& look);

// The links that an absolute path leads over on the host, as the caller sees it, and last the file that it leads to, or
// the path itself where nothing is, or nothing that can be seen.
std::vector<std::string> way_of(const std::string& path);

}  // namespace alos
