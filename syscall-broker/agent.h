#pragma once

#include <sys/types.h>

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
    int64_t begun_ns = 0;          // the run, by its own clock
    uint64_t slept_ms = 0;         // of the policy's total of sleeps, taken before this broker began
  };
  Agent(Facts facts, policy::CompiledPolicy policy, Script script = Script())
      : facts_(std::move(facts)), policy_(std::move(policy)), script_(std::move(script)) {}

  const Facts& facts() const { return facts_; }
  const policy::CompiledPolicy& policy() const { return policy_; }
  Script& script() { return script_; }

  // What the launcher made of it, or why there is none; once, before anything is served.
  void identity(FileRing& ring, Result<std::pair<View::Roots, Personalities>> found);
  // Errors: why there is none.
  Result<const View*> view() const;

 private:
  Facts facts_;
  policy::CompiledPolicy policy_;
  Script script_;
  std::optional<View> view_;
  std::optional<Error> without_;
};

}  // namespace alos::broker
