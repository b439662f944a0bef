#include "supervisor/box/command.h"

#include <algorithm>

#include "policy/pattern.h"

namespace alos::box {
namespace {

using policy::Pattern;

Pattern pattern_of(const policy::BoxMount& mount) {
  return *Pattern::parse(Pattern::escape(mount.path) + (mount.tree ? "/**" : ""));
}

}  // namespace

policy::BoxPlan plan_of_command(const policy::BoxPlan& plan, const policy::BoxCommand& command) {
  policy::BoxPlan out = plan;
  const auto denied = [&](const policy::BoxMask& mask) {
    return std::ranges::any_of(command.masks, [&](const policy::BoxMask& own) {
      return own.rule == mask.rule && own.pattern == mask.pattern && own.source.text() == mask.source.text();
    });
  };
  for (const policy::BoxMount& mount : command.mounts) {
    const Pattern pattern = pattern_of(mount);
    std::erase_if(out.masks, [&](const policy::BoxMask& mask) {
      return !denied(mask) && pattern.includes(*Pattern::parse(mask.pattern));
    });
    for (policy::BoxMask& mask : out.masks)
      if (!denied(mask) && pattern.overlaps(*Pattern::parse(mask.pattern))) mask.except.push_back(pattern.text());
  }
  out.masks.insert(out.masks.end(), command.masks.begin(), command.masks.end());
  return out;
}

}  // namespace alos::box
