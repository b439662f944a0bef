#include "policy/lint.h"

#include <algorithm>
#include <array>

#include "base/paths.h"
#include "policy/planned_box.h"

namespace alos::policy {
namespace {

void whole_homes(const Policy& policy, Problems& out) {
  // The second asks: does the pattern hold some user's ~/.ssh, whoever the user is?
  const std::array places{std::pair("/root", *Pattern::parse("/root/.ssh")),
                          std::pair("/home", *Pattern::parse("/home/*/.ssh"))};
  for (const FileRule& rule : policy.files) {
    if (rule.effect != Effect::allow) continue;
    for (const PathPattern& path : rule.paths)
      for (const auto& [place, keys] : places)
        if (path.pattern.overlaps(keys))
          out.push_back({path.source,
                         "rule '" + rule.name + "' allows " + rule.rights.text() +
                             " on a whole home directory: " + printable_text(path.pattern.text()) +
                             " holds ~/.ssh, ~/.aws, browser profiles and shell start-up files",
                         "the directories below " + std::string(place) + " that are needed", "name them"});
  }
}

void passed_secrets(const Policy& policy, Problems& out) {
  for (const std::string& name : policy.env_pass)
    for (const char* part :
         {"TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL"})
      if (name.find(part) != name.npos) {
        out.push_back({policy.sources.at("env.pass"),
                       "'env: pass' hands '" + name + "' to the agent, and its name says that it is a secret",
                       "variables that the agent may publish", "leave it out"});
        break;
      }
}

void missing_limits(const Policy& policy, Problems& out) {
  for (const auto& [value, name, what] :
       {std::tuple(policy.limits.memory, "memory", "one agent can take all memory of the machine"),
        std::tuple(policy.limits.processes, "processes", "one fork bomb can stop the machine"),
        std::tuple(policy.limits.wall_ms, "wall", "a run that hangs is never ended")})
    if (!value)
      out.push_back({policy.source, std::string("no limit on ") + name + ": " + what,
                     std::string("'limits: ") + name + ":'", "add one, or extend 'base'"});
}

// The agent runs what it likes in its own box: there a name is no limit.
void advice(const Policy& policy, Problems& out) {
  for (const CommandRule& rule : policy.commands) {
    const auto takes = [&](const CommandRule& other) {
      return other.effect == Effect::allow && other.program == rule.program;
    };
    if (rule.effect != Effect::deny || std::ranges::any_of(policy.commands, takes)) continue;
    out.push_back({rule.source,
                   "rule '" + rule.name + "' denies " + printable(rule.usage.program()) +
                       " by name, which is advice: the agent can run it, or a copy of it, in its own box, and only "
                       "shell.run refuses it",
                   "a deny that takes something from an allow of the same program",
                   "remove it; what the program must not reach, deny under 'files'"});
  }
}

// Where a box would not keep what was decided: how.
std::string differs(const PlannedBox& box, const Request& request, const Decision& decision) {
  if (request.kind() != Request::Kind::file || decision.layer == Layer::built_in) return {};
  const PlannedBox::Kept kept = box.kept(request.right(), request.reached());
  // What is brokered is allowed to primitives, and kept where the box itself does not give it.
  const bool brokered = decision.rule && decision.rule->brokered;
  const bool allowed = decision.effect == Effect::allow && !brokered;
  if (kept.allowed == allowed) return {};
  if (allowed && kept.mask)
    return "the box refuses it: rule '" + kept.mask->rule + "' (" + kept.mask->source.text() + ") covers " +
           printable_text(kept.covered) + (kept.covered == request.reached() ? "" : " with everything below it");
  if (allowed) return kept.mounted ? "the box mounts it without that right" : "the box does not mount it";
  if (request.right() == Right::list)
    return "the box gives it: names in a directory that it mounts are visible, content is not";
  return "the box gives it";
}

}  // namespace

Problems lint(const CompiledPolicy& compiled, const Plan& plan) {
  const Policy& policy = compiled.policy();
  Problems out;
  whole_homes(policy, out);
  passed_secrets(policy, out);
  missing_limits(policy, out);
  advice(policy, out);
  for (const FileRule* rule : plan.needless_degrade)
    out.push_back({rule->source, "rule '" + rule->name + "' says 'degrade: allow', and all of it can be enforced here",
                   "'degrade' only where it gives something up", "remove it, so that it cannot hide a later change"});
  if (policy.workspace_mode != WorkspaceMode::none) {
    const Pattern tree = *Pattern::parse(Pattern::escape(policy.workspace) + "/**");
    const bool used = std::ranges::any_of(policy.files, [&](const FileRule& rule) {
      return rule.effect == Effect::allow &&
             std::ranges::any_of(rule.paths, [&](const PathPattern& p) { return p.pattern.overlaps(tree); });
    });
    if (!used)
      out.push_back({policy.sources.at("workspace"), "no rule allows anything in $workspace",
                     "a rule that says what the agent may do there",
                     "add 'sources: {allow: rwx, path: $workspace/**}'"});
  }
  sort(out);
  return out;
}

Problems run_tests(const CompiledPolicy& compiled, const Plan& plan) {
  Problems out;
  const PlannedBox box(plan.box);
  for (const PolicyTest& test : compiled.policy().tests) {
    const auto request = Request::parse(test.request);  // parsed once at load, so there is a request
    std::vector<Match> matches;
    const Decision decision = decide(compiled, *request, &matches);
    const bool named =
        test.rule.empty() || test.rule == decision.rule_name() || std::ranges::any_of(matches, [&](const Match& match) {
          return match.effect() == decision.effect && match.rule_name() == test.rule;
        });
    const bool good = decision.effect == test.effect && named;
    const std::string other = good ? differs(box, *request, decision) : "";
    if (good && other.empty()) continue;
    out.push_back(
        {test.source,
         "test failed: " + printable(test.request) + " is " + std::string(name(decision.effect)) + " by " +
             (decision.by_rule() ? "rule '" + std::string(decision.rule_name()) + "' (" + decision.source().text() + ")"
                                 : "default") +
             (other.empty() ? "" : ", and " + other),
         std::string(name(test.effect)) + (test.rule.empty() ? "" : " by rule '" + test.rule + "'") +
             (good ? ", and kept so" : ""),
         ""});
  }
  return out;
}

}  // namespace alos::policy
