#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "supervisor/box/spec.h"

namespace alos::host {

// What a caller says of a policy.
struct PolicyChoice {
  std::string policy;     // a name, or a file (has a '/')
  std::string workspace;  // canonical directory
  std::map<std::string, std::string> variables;
};

// The compiled form of a choice: out of the cache when every file that it was made from is byte for byte as it was (and
// every file whose absence counted is still absent), else from alos-policy, which prints what is wrong itself; ENOEXEC
// then. The cache directory must be 0700 and this user's, the file a regular one of this user's; anything else is made
// anew or refused, never read.
Result<box::Compiled> compiled_policy(const PolicyChoice& choice, const Directories& directories);

// Where a choice is kept, and what `alos-policy compile` is told.
std::string cache_file(const PolicyChoice& choice, const Directories& directories, const std::string& programs);

}  // namespace alos::host
