#pragma once

#include <string>
#include <vector>

#include "policy/load.h"
#include "policy/plan.h"

namespace alos::policy {

// Why a request is decided as it is, who keeps it that way, and what would have to change: all from decide() and
// plan(), so that it cannot differ from what is enforced. What a box covers with a directory above it is denied, by the
// rule that has it covered: a path below it makes it a directory.
struct Explanation {
  std::string request;
  Decision decision;
  std::vector<Match> matches;  // strongest first
  std::string source_line;     // of the deciding rule, as in the file; empty where built in
  std::vector<std::string> enforced;
  std::string change;

  // For people, several lines, each ended; what the request names is made printable.
  std::string text() const;
};

Explanation explain(const CompiledPolicy& compiled, const Plan& plan, const std::vector<SourceFile>& sources,
                    const Request& request);

}  // namespace alos::policy
