#pragma once

#include <string>
#include <vector>

#include "policy/variables.h"
#include "syscall-broker/script.h"

namespace alos::host {

inline constexpr size_t kLongestScript = 1 << 20;

// The file of `alos run --script`: JSON, a list of lines (man alos-run, SCRIPT). `variables`: of the policy, in paths.
// Errors: {"--script", "push.json[1].code", 0, what may stand there}, for the first thing that is wrong: what is
// unknown, missing, given twice or together with what it excludes, of another type, out of range, or can fit nothing;
// those of opening and reading; EFBIG beyond kLongestScript.
Result<std::vector<broker::ScriptLine>> read_script(const std::string& path, const policy::Variables& variables);

}  // namespace alos::host
