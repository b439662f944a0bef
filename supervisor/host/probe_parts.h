#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "supervisor/host/facts.h"
#include "supervisor/host/trial.h"

// The parts of probe(), by subject; each fills its facts.
namespace alos::host::parts {

Result<void> namespaces(Facts& facts);
Result<void> mounts(Facts& facts);
Result<void> kernel(Facts& facts);
Result<void> settings(Facts& facts);
Result<void> cgroups(Facts& facts);

// "yes", or "no" with the call and its reason.
Fact fact_of(const Outcome& outcome, std::string remedy = {});
// What `what` answers in a child in new namespaces of `flags`.
Result<Fact> tried(int flags, const std::function<Outcome()>& what, std::string remedy = {});
// The same in a user namespace and those of `flags`; kUntried where there is none.
Result<Fact> tried_in_box(const Facts& facts, int flags, const std::function<Outcome()>& what, std::string remedy = {});

// The content of a small file of /proc or /sys without its newline; empty where there is none.
std::string setting(const std::string& path);

inline constexpr const char* kNewerKernel = "boot a newer kernel; Debian 12 has 6.1, which has it";

}  // namespace alos::host::parts
