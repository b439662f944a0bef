#include "policy/remedy.h"

#include <algorithm>

#include "base/paths.h"
#include "policy/places.h"
#include "policy/units.h"
#include "policy/way.h"

namespace alos::policy {
namespace {

constexpr const char* kNothingHere = "nothing in this run can allow it; ";

// Why no rule could be written that allows it; empty where one could.
std::string beyond_policy(const Request& request) {
  const std::string& path = request.reached();
  for (const char* own : kKernelPlaces)
    if (lies_below(path, own)) return std::string("every box has its own ") + own + ", and the host's leads out of it";
  std::string which;
  const auto pattern = Pattern::parse(path == "/" ? path : Pattern::escape(path));
  if (kWrite.has(request.right()) && pattern && is_system_place(*pattern, which))
    return "the system itself runs what lies in " + which + ", with more rights than a box";
  return {};
}

std::string for_file(const CompiledPolicy& compiled, const Request& request, const Decision& decision) {
  if (decision.rule) {
    if (decision.rule->effect == Effect::allow)
      return std::string(kNothingHere) + "an operator could write less into the rule's 'except'";
    auto taken = denied_on_way(compiled, request, decision);
    if (!taken && !decision.rule->matches(request.asked()) && !decision.rule->matches(request.reached()))
      taken = covered_on_way(compiled, request.right(), request.reached());
    if (taken)
      for (const PathPattern& path : decision.rule->paths)
        if (path.pattern.matches(taken->directory)) return remedy_below(path.pattern.text());
    return std::string(kNothingHere) + "an operator could add the path to the rule's 'except'";
  }
  if (const std::string why = beyond_policy(request); !why.empty()) return "no policy can allow it: " + why;
  const std::string right(letter(request.right()));
  const auto new_rule = [&](std::string_view further) {
    return "NAME: {allow: " + (right == "r" ? right : "r" + right) +
           ", path: " + yaml_quoted(Pattern::escape(request.reached())) + std::string(further) + "}";
  };
  for (const FileRule& rule : compiled.rules())
    if (rule.effect == Effect::allow && rule.source.line != 0 && rule.matches(request.reached())) {
      if (rule.rights.has(request.right()))
        return "rule '" + rule.name + "' (" + rule.source.text() +
               ") excepts a directory on its way; an operator could add another, as in  " + new_rule(", audit: each");
      return "rule '" + rule.name + "' (" + rule.source.text() + ") allows " + rule.rights.text() +
             " there; an operator could " +
             (rule.brokered && right == "x" ? "remove 'audit: each', which x cannot have, and " : "") + "add " + right +
             " to it";
    }
  return "an operator could add a rule under 'files:', as in  " + new_rule("");
}

std::string for_command(const Decision& decision) {
  if (decision.command)
    return std::string(kNothingHere) + "an operator could narrow the usage line of rule '" + decision.command->name +
           "' (" + decision.source().text() + ")";
  return std::string(kNothingHere) + "an operator could remove 'commands: none' (" + decision.source().text() + ")";
}

std::string for_sleep(const Request& request, const Decision& decision) {
  const std::string wanted = duration_text(request.milliseconds());
  if (!decision.setting) return "an operator could add  clock: {sleep: {each: " + wanted + "}}";
  return "sleep for less, several times; an operator could raise 'clock: sleep' (" + decision.source().text() +
         ") to " + wanted;
}

}  // namespace

std::string remedy_below(const std::string& pattern) {
  return std::string(kNothingHere) + "an operator could write " + yaml_quoted(pattern + "/**") +
         " in the rule, and add the path to its 'except'";
}

std::string remedy(const CompiledPolicy& compiled, const Request& request, const Decision& decision) {
  switch (request.kind()) {
    case Request::Kind::file:
      return for_file(compiled, request, decision);
    case Request::Kind::network:
      return "this version enforces no network rules, so nothing can allow it";
    case Request::Kind::command:
      return for_command(decision);
    case Request::Kind::sleep:
      return for_sleep(request, decision);
    case Request::Kind::now:
      break;
  }
  return "every box has this of its own";
}

std::vector<std::string> why_not_elevated(const CompiledPolicy& compiled, const Request& request,
                                          const Decision& decision) {
  std::vector<std::string> out;
  if (request.kind() != Request::Kind::command || decision.effect != Effect::allow || decision.elevated) return out;
  for (const CommandRule& rule : compiled.policy().commands) {
    if (rule.effect != Effect::allow || !rule.is_of(request.program())) continue;
    const auto fits = rule.usage.match(request.arguments());
    if (fits) continue;
    const size_t at = fits.error().position;
    const bool end = at >= request.arguments().size();
    out.push_back(
        "rule '" + rule.name + "' (" + rule.source.text() + ") gives it nothing more: " +
        (end ? "at the end" : "argument " + std::to_string(at + 1) + ", " + printable(request.arguments()[at])) + ": " +
        fits.error().reason);
  }
  return out;
}

std::string_view letter(Right right) {
  return kRead.has(right) ? "r" : kWrite.has(right) ? "w" : "x";
}

std::string yaml_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : printable_text(text)) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

}  // namespace alos::policy
