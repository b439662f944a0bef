#include "syscall-broker/agent.h"

#include <algorithm>

namespace alos::broker {

void Agent::identity(FileRing& ring, Result<std::pair<View::Roots, Personalities>> found) {
  if (!found) return void(without_ = std::move(found).error());
  std::vector<const policy::FileRule*> brokered;
  for (const policy::FileRule& rule : policy_.rules())
    if (rule.brokered) brokered.push_back(&rule);
  view_.emplace(ring, std::move(found->first), found->second, [brokered](std::string_view path) {
    return std::ranges::any_of(brokered, [&](const policy::FileRule* rule) { return rule->matches(path); });
  });
}

Result<const View*> Agent::view() const {
  if (view_) return &*view_;
  return std::unexpected(without_.value_or(Error{"identity", facts_.run, ECANCELED, ""}));
}

}  // namespace alos::broker
