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
// Those above the first that an allow by which the path is reached matches are not looked at: that they are there the
// policy says by itself. "/s/d" is taken of "/s/d/f" by a deny of "/s/d", and not by "/s/**" but for "/s/d/f". Nothing
// of a path that no allow of `audit: each` and of `right` matches. One pass: grows with the components of the path and
// with the patterns that match the first of them. decide() asks it of what is allowed.
std::optional<TakenOnWay> taken_on_way(const CompiledPolicy& compiled, Right right, std::string_view path);

// The same of a request that was denied by that, and not by its own name.
std::optional<TakenOnWay> denied_on_way(const CompiledPolicy& compiled, const Request& request,
                                        const Decision& decision);

// What covers a directory above a canonical `path` that is mounted, and with it everything below: a deny of `right`
// that matches the directory, where no exception matches it or may match below; or an exception of an allow of `right`,
// where no other allow gives the directory. The lowest such directory, as PlannedBox::kept() has it of a whole plan,
// and like that of names: what of them is there when the box starts is covered, and nothing that is made later. Nothing
// of a path that primitives alone reach. One pass.
std::optional<TakenOnWay> covered_on_way(const CompiledPolicy& compiled, Right right, std::string_view path);

// Whether an allow by which `path` is reached names `directory`, above it, or one further on, in so many words: then
// the policy says by itself that it is there.
bool is_said_on_way(const CompiledPolicy& compiled, Right right, std::string_view path, std::string_view directory);

}  // namespace alos::policy
