#pragma once

#include "policy/policy_file.h"

// A project's own policy file, which lies in the workspace and which an agent may have written. It can only take away:
// it holds denies and limits, and a limit counts where it is the smaller one.
namespace alos::policy {

inline constexpr size_t kMaxProjectBytes = 64 * 1024;

struct ProjectFile {
  std::vector<UnexpandedRule> rules;  // denies
  std::map<std::string, Sourced<uint64_t>> limits;
};

// `shown` is how problems name the file. A problem for every key beyond alos, about, files and limits, and for every
// allow.
ProjectFile read_project_file(const Node& document, const std::string& shown, Problems& problems);

}  // namespace alos::policy
