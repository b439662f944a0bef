#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace alos::box {

// Into a file of the kernel's (procfs, sysctl, cgroups), in one write: it takes a value whole or not at all.
// Errors: of open(2) and write(2).
Result<void> write_value(const std::string& path, std::string_view value);

}  // namespace alos::box
