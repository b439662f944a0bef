#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace alos::box {

// Whether below these paths of the host some file may be seen by two names that are one in its file system: where a
// part of it is mounted at another place as well (mount --bind, a file by itself among them). Such a file's count of
// names says nothing of it. What lies at the same place of a larger mount is no second name.
// Errors: /proc/self/mountinfo cannot be read or understood.
Result<bool> shown_twice(const std::vector<std::string>& paths);

// The same by the text of a mountinfo. Errors: EBADMSG where it does not look as Linux writes it.
Result<bool> shown_twice(const std::vector<std::string>& paths, std::string_view mountinfo);

}  // namespace alos::box
