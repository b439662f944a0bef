#pragma once

#include <array>
#include <string>
#include <vector>

#include "supervisor/box/limit_holders.h"
#include "supervisor/host/facts.h"

// What `alos doctor` says to people about who holds a limit. Who does is decided in box/limit_holders.h, where a launch
// asks as well.
namespace alos::host {

using box::By;
using box::kLimits;
using box::Limit;
using box::name;

struct Enforcer {
  Limit limit = Limit::memory;
  By by = By::nothing;
  std::string how;     // where, or why not
  std::string remedy;  // with By::nothing: how to get one
};
using Enforcers = std::array<Enforcer, kLimits.size()>;  // in the order of kLimits

// Pure.
Enforcers enforcers(const Facts& facts);

}  // namespace alos::host
