#pragma once

#include <sys/types.h>

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/box_plan.h"
#include "policy/decide.h"
#include "syscall-broker/script.h"
#include "syscall-broker/view.h"

namespace alos::broker {

// One AgentProcess as the broker knows it: what it may do, and its identity in the kernel. One thread.
class Agent {
 public:
  struct Facts {
    std::string run;
    std::string workspace;         // where commands run by default
    std::vector<std::string> env;  // of commands, "K=V"
  };
  // `want_identity`: asks for the kernel identity, when the first call needs files.
  Agent(Facts facts, policy::CompiledPolicy policy, std::function<void()> want_identity, Script script = Script())
      : facts_(std::move(facts)),
        policy_(std::move(policy)),
        script_(std::move(script)),
        want_identity_(std::move(want_identity)) {}

  const Facts& facts() const { return facts_; }
  const policy::CompiledPolicy& policy() const { return policy_; }
  Script& script() { return script_; }

  // The answer to what was asked for. An error is told to those who wait, and the next call asks again.
  void identity(FileRing& ring, Result<std::pair<View::Roots, FileRing::Personality>> found);

  // The view, when it is there. Errors: why there is none.
  struct Awaited {
    bool await_ready() const { return agent.view_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiting);
    Result<const View*> await_resume();
    Agent& agent;
  };
  Awaited view() { return Awaited{*this}; }

 private:
  Facts facts_;
  policy::CompiledPolicy policy_;
  Script script_;
  std::function<void()> want_identity_;
  std::optional<View> view_;
  std::optional<Error> without_;
  std::vector<std::coroutine_handle<>> waiting_;
};

}  // namespace alos::broker
