#pragma once

#include <string_view>

namespace alos::cli {

// What every program's main is, around `body`, which gives the exit code: standard streams that the caller closed are
// opened on /dev/null; what is thrown, and output that could not be written whole, is said on stderr as `name`'s, and
// the code is 3.
int guarded_main(std::string_view name, int argc, char** argv, int (*body)(int, char**));

}  // namespace alos::cli
