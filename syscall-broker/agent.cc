#include "syscall-broker/agent.h"

#include <algorithm>

namespace alos::broker {

void Agent::Awaited::await_suspend(std::coroutine_handle<> waiting) {
  agent.waiting_.push_back(waiting);
  if (agent.waiting_.size() == 1) agent.want_identity_();
}

Result<const View*> Agent::Awaited::await_resume() {
  if (agent.view_) return &*agent.view_;
  return std::unexpected(agent.without_.value_or(Error{"identity", agent.facts_.run, ECANCELED, ""}));
}

void Agent::identity(FileRing& ring, Result<std::pair<View::Roots, FileRing::Personality>> found) {
  if (found) {
    std::vector<const policy::FileRule*> brokered;
    for (const policy::FileRule& rule : policy_.rules())
      if (rule.brokered) brokered.push_back(&rule);
    view_.emplace(ring, std::move(found->first), found->second, [brokered](std::string_view path) {
      return std::ranges::any_of(brokered, [&](const policy::FileRule* rule) { return rule->matches(path); });
    });
  } else {
    without_ = std::move(found).error();
  }
  const auto waiting = std::exchange(waiting_, {});
  for (const auto& one : waiting) one.resume();
}

}  // namespace alos::broker
