#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/box_plan.h"
#include "policy/decide.h"
#include "policy/problem.h"

namespace alos::policy {

// Who keeps a rule, computed and never guessed (policy.md, "Who enforces a rule").
enum class Enforcer : uint8_t {
  mount,    // the box mounts it, with these rights and no others
  broker,   // absent from the box, and reached by primitives, which ask decide()
  mask,     // what exists at launch is covered
  layer,    // what matches and is made later stays in the layer or copy
  nothing,  // `degrade: allow`: given up, said at start
  absent,   // no mount leads there
};
std::string_view name(Enforcer enforcer);

struct Enforcement {
  const FileRule* rule = nullptr;     // of the compiled policy
  const PathPattern* path = nullptr;  // the pattern of the rule, or one of its exceptions
  std::vector<Enforcer> by;
  std::string text;  // a sentence for people
};

struct Plan {
  BoxPlan box;
  std::vector<Enforcement> enforced;              // every rule, every path
  std::vector<const FileRule*> needless_degrade;  // say `degrade: allow` and lose nothing by not saying it
};

// Problems: rules that nothing can enforce in this configuration. Looks at nothing but the policy: whether a path is
// there is the launcher's to find.
Checked<Plan> plan(const CompiledPolicy& compiled);
// What the launcher takes.
Checked<BoxPlan> plan_box(const CompiledPolicy& compiled);

}  // namespace alos::policy
