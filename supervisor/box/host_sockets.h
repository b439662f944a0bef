#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace alos::box {

// The paths that Unix sockets of this network namespace are bound to now, real (no link on the way) as this mount
// namespace shows them. Whoever reaches such a node can connect, from any network namespace and through a read-only
// mount; Landlock does not judge it (ABI 7).
// Not among them: names that were bound relative to a directory, that were renamed since, or that were bound in another
// network or mount namespace and are no path here.
// Errors: /proc/net/unix cannot be read or understood. What it names is not there any more, or cannot be reached: left
// out.
Result<std::vector<std::string>> named_sockets();

// The absolute names in the text of /proc/net/unix, each once. Errors: EBADMSG where it does not look as Linux writes
// it.
Result<std::vector<std::string>> absolute_names(std::string_view text);

}  // namespace alos::box
