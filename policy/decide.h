#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "policy/pattern_index.h"
#include "policy/policy.h"
#include "policy/request.h"

namespace alos::policy {

// Which wall answered. This version has one that decides: the policy; its built-in rules are told apart, because nobody
// can edit them.
enum class Layer : uint8_t { policy, built_in };
std::string_view name(Layer layer);

// The answer to a request. Names the rule in words that outlive the policy only by being copied: it points into it.
struct Decision {
  Effect effect = Effect::deny;
  const FileRule* rule = nullptr;  // none: nothing matched, and the default is deny
  Layer layer = Layer::policy;

  std::string_view rule_name() const { return rule ? std::string_view(rule->name) : "default"; }
  std::string_view reason() const { return rule ? std::string_view(rule->reason) : std::string_view(); }
  Source source() const { return rule ? rule->source : Source{"built in", 0, 0}; }
};

// One rule that says something about a request.
struct Match {
  const FileRule* rule = nullptr;
  Layer layer = Layer::policy;
  bool asked = false;    // matches the name asked for
  bool reached = false;  // matches the file reached
};

// A policy made ready to be asked. Movable, immutable, shared by any number of threads.
class CompiledPolicy {
 public:
  const Policy& policy() const { return policy_; }
  // Those of the policy by name, then rule "box": what every box has of its own (box_plan.h), except where the policy
  // mounts something of the host in its place.
  const std::vector<FileRule>& rules() const { return rules_; }
  size_t built_in() const { return rules_.size() - policy_.files.size(); }

 private:
  friend CompiledPolicy compile(Policy policy);
  friend Decision decide(const CompiledPolicy&, const Request&, std::vector<Match>*);
  struct Key {
    Rights rights;
    Effect effect;
    bool excepts;
  };
  Policy policy_;
  std::vector<FileRule> rules_;
  std::vector<Key> keys_;
  PatternIndex index_;
};
CompiledPolicy compile(Policy policy);

// The one evaluator: enforcement, explain, tests and the audit all ask it. deny > ask > allow > the default, deny; the
// order of rules has no part in it. Where several rules of the deciding effect match, the first by name is named, those
// of the policy before those built in. With `all`, every rule that matches is added to it, strongest first.
Decision decide(const CompiledPolicy& compiled, const Request& request, std::vector<Match>* all = nullptr);

}  // namespace alos::policy
