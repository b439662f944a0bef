#pragma once

#include <limits.h>

#include <string_view>

namespace alos {

// The program that execvp(3) starts as `program`, NUL-terminated in `found`: itself where it has a '/', else the first
// executable regular file of that name in the directories of `path` ($PATH; an empty one is the current directory).
// False: none, and `found` says nothing. Allocates nothing and throws nothing: alos-init uses it as process 1.
bool find_program(std::string_view program, std::string_view path, char (&found)[PATH_MAX]);

}  // namespace alos
