#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/decide.h"

namespace alos::policy {

// What a rule takes of a path by a directory on its way, though it says nothing against the path itself.
struct TakenOnWay {
  std::string directory;
  Decision decision;  // of it
};

// The first of the directories of a canonical `path`, or the path itself, that
//   - a deny of `right` matches, of which no exception matches there or further on; or
//   - an allow of `audit: each` excepts, where no other allows that directory or the path.
// Those above what the allows that match the path name are not looked at: that they are there the policy says by
// itself. "/s/d" is taken of "/s/d/f" by a deny of "/s/d", and not by "/s/**" but for "/s/d/f". Whether the path is
// allowed decide() says. One pass: grows with the components of the path and with the patterns that match the first of
// them.
std::optional<TakenOnWay> taken_on_way(const CompiledPolicy& compiled, Right right, std::string_view path);

}  // namespace alos::policy
