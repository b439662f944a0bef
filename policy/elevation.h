#pragma once

#include <string>
#include <string_view>

namespace alos::policy {

// Why a program may not run with more than its caller has: it runs what the caller feeds it, so the caller would have
// all of it. Empty: nothing is known against it. Goes by the last component of
// `program`, versions and variants left out (python3.11, node-22, vim.tiny), so whoever knows the file that a link
// leads to asks again for that one.
std::string not_elevated(std::string_view program);

}  // namespace alos::policy
