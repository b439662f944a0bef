#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace alos::host {

// Something of alos's own that no agent may write: what it is, for the message, and where.
struct Protected {
  std::string what;
  std::string path;
};

// Refuses (EPERM, naming both) when a path that a box may write contains, lies below or is one of those, by name or by
// identity: directories are compared with every parent of the other, so that a bind mount or a link is seen through.
// What does not exist yet is guarded by the nearest directory above it that does. No policy can lift this.
Result<void> refuse_own_files(const std::vector<std::string>& writable, const std::vector<Protected>& own);

// A directory that holds what a person keeps: whose, for the message.
struct Home {
  std::string whose;
  std::string path;
};

// The caller's ($HOME), root's, those of people's accounts (uid 1000 and above) and of who called sudo ($SUDO_UID),
// there or not. Errors: of reading the accounts; a machine without them has no more homes.
Result<std::vector<Home>> homes_of_people(const std::string& mine, const std::string& sudo_uid,
                                          const std::string& accounts_file = "/etc/passwd");

// Refuses (EPERM) a workspace that is, or contains, the whole of a home: everything that its owner keeps there would be
// the agent's to read, keys and tokens included. "/" contains every home. Compared by identity. A home that is not
// there holds nothing.
Result<void> refuse_whole_home(const std::string& workspace, const std::vector<Home>& homes);

}  // namespace alos::host
