#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

// What starting a program by fork and exec needs besides.
namespace alos::sys {

// What exec takes: a pointer to each word, and NULL. Made before the fork; good for as long as `words` is unchanged.
std::vector<char*> pointers_to(std::vector<std::string>& words);

// Waits for the end of one child and gives its status (waitpid(2)). Errors: ECHILD, also for what is no single child.
Result<int> wait_for(pid_t child);

}  // namespace alos::sys
