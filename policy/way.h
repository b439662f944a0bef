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

struct OnWay {
  // The first of the directories of a canonical path, or the path itself, that
  //   - a deny of the right matches, of which no exception matches there or further on; or
  //   - an allow of `audit: each` excepts, where no other allows that directory or the path.
  // Those above the first that an allow by which the path is reached matches are not looked at: that they are there the
  // policy says by itself. "/s/d" is taken of "/s/d/f" by a deny of "/s/d", and not by "/s/**" but for "/s/d/f".
  std::optional<TakenOnWay> taken;
  // One of the directories above the path is not allowed by its own name: whether it is there, and as what, is not
  // told. Those of the literal beginning of what reaches the path are not looked at.
  bool kept = false;
};

// Nothing of a path that no allow of `audit: each` and of `right` matches. Whether the path is allowed decide() says.
// Grows with the components of the path and with the patterns that match the first of them.
OnWay on_way(const CompiledPolicy& compiled, Right right, std::string_view path);

}  // namespace alos::policy
