#pragma once

#include <string>
#include <utility>
#include <vector>

#include "syscall-broker/call.h"

namespace alos::broker {

// What a call asks for, before anything is done or looked at.
struct Plan {
  std::vector<policy::Request> demands;  // each must be allowed; the first names the call in the journal
  std::string target;                    // for the journal where nothing is demanded
  // What the target does not say of an effect: "to" of a copy.
  std::vector<std::pair<std::string, std::string>> details{};
};

// One primitive. The pipeline is the only one that calls it, and does everything that is the same for all.
class Primitive {
 public:
  virtual ~Primitive() = default;
  // What cannot be named without looking, before the plan: in the agent's own view, under its own rights.
  virtual bool prepares() const { return false; }
  virtual Task<Attempt<bool>> prepare(Call&) { co_return true; }
  // Pure: canonical arguments and demands. Failed for what cannot be asked.
  virtual Attempt<Plan> plan(Call& call) = 0;
  // After it was allowed and recorded; `planned` is what plan() made of it.
  virtual Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) = 0;
};

}  // namespace alos::broker
