#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

// What decides without a rule of `files` or `commands`: "commands" (`commands: none`), "clock.sleep" (its limit), and
// "box" for what every box may do: tell the time, and run programs by shell.run with at most its own rights.
struct Setting {
  std::string name, reason;
  Source source;
};

// The answer to a request. Names the rule in words that outlive the policy only by being copied: it points into it.
struct Decision {
  Effect effect = Effect::deny;
  const FileRule* rule = nullptr;  // that decides a request about a file
  Layer layer = Layer::policy;
  const CommandRule* command = nullptr;  // that decides a run
  const Setting* setting = nullptr;      // that decides, where none of those does
  // An allowed run that gets more than its caller has: its place in BoxPlan::commands. What the arguments are bound to
  // says command->usage.match(); the files among them are for the caller's own rights to allow.
  std::optional<size_t> elevated = std::nullopt;

  // None: nothing matched, and the default is deny.
  bool by_rule() const { return rule || command || setting; }
  std::string_view rule_name() const {
    return rule      ? std::string_view(rule->name)
           : command ? std::string_view(command->name)
           : setting ? std::string_view(setting->name)
                     : "default";
  }
  std::string_view reason() const {
    return rule      ? std::string_view(rule->reason)
           : command ? std::string_view(command->reason)
           : setting ? std::string_view(setting->reason)
                     : std::string_view();
  }
  Source source() const {
    return rule ? rule->source : command ? command->source : setting ? setting->source : Source{"built in", 0, 0};
  }
};

// One rule that says something about a request.
struct Match {
  const FileRule* rule = nullptr;
  Layer layer = Layer::policy;
  bool asked = false;                    // matches the name asked for
  bool reached = false;                  // matches the file reached
  const CommandRule* command = nullptr;  // of a run; then asked and reached are the same

  Effect effect() const { return rule ? rule->effect : command->effect; }
  const std::string& rule_name() const { return rule ? rule->name : command->name; }
  const Source& source() const { return rule ? rule->source : command->source; }
  // The rights, or the usage line.
  std::string what() const { return rule ? rule->rights.text() : command->usage.text(); }
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
  Decision decide_command(const Request& request, std::vector<Match>* all) const;
  Decision decide_sleep(const Request& request) const;
  // False where no rule that could take a directory above `path` matches one: what most paths are, without allocating.
  bool may_be_taken(Right right, std::string_view path) const;
  struct Key {
    Rights rights;
    Effect effect;
    bool excepts;
  };
  Policy policy_;
  std::vector<FileRule> rules_;
  std::vector<Key> keys_;
  PatternIndex index_;
  std::vector<Setting> settings_;  // "box", "commands", "clock.sleep"
};
CompiledPolicy compile(Policy policy);

// The one evaluator: enforcement, explain, tests and the audit all ask it. deny > ask > allow > the default, deny; the
// order of rules has no part in it. Where several rules of the deciding effect match, the first by name is named, those
// of the policy before those built in. With `all`, every rule that matches is added to it, strongest first. What
// primitives alone reach is denied as well by what takes a directory on its way (taken_on_way(), way.h), as a mount
// that is covered has nothing below it either.
//
// A run is allowed with at most its caller's rights where nothing matches, because the box is its limit. A sleep is
// allowed up to `each`; how much of `total` is left only the broker knows.
Decision decide(const CompiledPolicy& compiled, const Request& request, std::vector<Match>* all = nullptr);

}  // namespace alos::policy
