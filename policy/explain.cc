#include "policy/explain.h"

#include <algorithm>

#include "base/paths.h"
#include "policy/planned_box.h"
#include "policy/remedy.h"
#include "policy/way.h"

namespace alos::policy {
namespace {

std::string line_of(const std::vector<SourceFile>& sources, const Source& source) {
  const auto file =
      std::ranges::find_if(sources, [&](const SourceFile& f) { return f.present && f.shown == source.file; });
  if (file == sources.end() || source.line == 0) return {};
  std::string_view rest = file->text;
  for (int line = 1; line < source.line; ++line) {
    const size_t end = rest.find('\n');
    if (end == rest.npos) return {};
    rest.remove_prefix(end + 1);
  }
  return std::string(rest.substr(0, rest.find('\n')));
}

// What a box makes of a request, where it differs from what the rules say of the path by itself.
struct InBox {
  const FileRule* covers = nullptr;  // of what covers a directory above it
  std::string pattern;               // that it covers by
  std::string directory;
  std::string taken;   // a directory above it, of what primitives alone reach
  bool names = false;  // they are visible, whatever is denied
  bool way = false;    // a directory of the box's own, above what is mounted
};

InBox in_box(const CompiledPolicy& compiled, const Plan& plan, const Decision& decision, const Request& request) {
  InBox out;
  if (request.kind() != Request::Kind::file || decision.layer == Layer::built_in) return out;
  if (decision.rule && decision.rule->brokered) return out;  // no part of the box
  if (const auto taken = denied_on_way(compiled, request, decision)) out.taken = taken->directory;
  const PlannedBox box(plan.box);
  const PlannedBox::Kept kept = box.kept(request.right(), request.reached());
  const bool allowed = decision.effect == Effect::allow;
  out.names = !allowed && kept.allowed && request.right() == Right::list;
  out.way = !decision.rule && box.leads_on(request.reached());
  if (!allowed || !kept.mask || kept.covered == request.reached()) return out;
  const auto rule = std::ranges::find_if(compiled.rules(), [&](const FileRule& each) {
    return each.name == kept.mask->rule && each.source.text() == kept.mask->source.text();
  });
  if (rule != compiled.rules().end()) out.covers = &*rule;
  out.pattern = kept.mask->pattern;
  out.directory = kept.covered;
  return out;
}

std::vector<std::string> run(const CompiledPolicy& compiled, const Plan& plan, const Decision& decision,
                             const Request& request) {
  if (decision.effect != Effect::allow)
    return {"broker: shell.run is refused; what the agent starts in its own box, the box alone limits"};
  if (!decision.elevated) {
    std::vector<std::string> out{"box: a box of its own, with at most the caller's rights"};
    for (std::string& why : why_not_elevated(compiled, request, decision)) out.push_back("box: " + std::move(why));
    return out;
  }
  std::string has;
  for (const BoxMount& mount : plan.box.commands[*decision.elevated].mounts)
    has +=
        (has.empty() ? "" : ", ") + mount.rights.text() + " " + printable_text(mount.path) + (mount.tree ? "/**" : "");
  std::vector<std::string> out{"box: a box of its own, with " + has + " besides"};
  const auto bound = decision.command->usage.match(request.arguments());
  for (const Binding& binding : bound ? *bound : std::vector<Binding>())
    if (binding.type == ArgumentType::path_read || binding.type == ArgumentType::path_write)
      out.push_back("broker: " + printable(binding.value) + " as <" + binding.name +
                    "> needs the caller's own right to " +
                    (binding.type == ArgumentType::path_read ? "read" : "write") + " it");
  return out;
}

std::vector<std::string> enforced(const CompiledPolicy& compiled, const Plan& plan, const Decision& decision,
                                  const Request& request, const InBox& box) {
  std::vector<std::string> out;
  switch (request.kind()) {
    case Request::Kind::network:
      return {"box: its network holds nothing but its own loopback"};
    case Request::Kind::command:
      return run(compiled, plan, decision, request);
    case Request::Kind::now:
    case Request::Kind::sleep:
      return {"broker: the primitive answers"};
    case Request::Kind::file:
      break;
  }
  if (box.names) return {"nothing, for names: those in a directory that the box mounts are visible, content is not"};
  if (box.covers)
    out.push_back("box: the directory " + printable_text(box.directory) +
                  " is covered, and everything below it with it");
  if (!box.taken.empty())
    return {"broker: the directory " + printable_text(box.taken) + (decision.rule ? " is denied" : " is excepted") +
            ", and everything below it with it"};
  const std::string& asked = box.covers ? box.directory : request.asked();
  const std::string& reached = box.covers ? box.directory : request.reached();
  for (const Enforcement& enforcement : plan.enforced) {
    const Pattern& pattern = enforcement.path->pattern;
    if (decision.rule && enforcement.rule == decision.rule && (pattern.matches(asked) || pattern.matches(reached)))
      out.push_back(enforcement.text);
  }
  if (!out.empty() || decision.rule) return out;
  for (const FileRule& rule : compiled.rules())
    if (rule.effect == Effect::allow && rule.matches(request.reached()))
      return {(rule.brokered ? "broker: reached by primitive with " : "box: mounted there with ") + rule.rights.text() +
              " only"};
  if (box.way) return {"box: a directory of its own, which shows nothing but the way to what is mounted below"};
  return {"box: outside of everything that it mounts, the path is not there (ENOENT)"};
}

std::string change(const CompiledPolicy& compiled, const Request& request, const Decision& decision, const InBox& box) {
  if (box.covers) return remedy_below(box.pattern);
  if (decision.effect != Effect::allow) return remedy(compiled, request, decision);
  switch (request.kind()) {
    case Request::Kind::command:
      return decision.elevated ? "a deny of the same usage line would refuse it" : "'commands: none' would refuse it";
    case Request::Kind::sleep:
      return "a smaller 'each' would refuse it";
    case Request::Kind::now:
    case Request::Kind::network:
    case Request::Kind::file:
      break;
  }
  if (decision.layer == Layer::built_in) return "every box has this of its own";
  return "a deny of " + std::string(letter(request.right())) + " on the path would refuse it";
}

}  // namespace

Explanation explain(const CompiledPolicy& compiled, const Plan& plan, const std::vector<SourceFile>& sources,
                    const Request& request) {
  Explanation out;
  out.request = request.text();
  out.decision = decide(compiled, request, &out.matches);
  const InBox box = in_box(compiled, plan, out.decision, request);
  if (box.covers) out.decision = {.effect = Effect::deny, .rule = box.covers, .layer = Layer::policy};
  out.source_line = line_of(sources, out.decision.source());
  out.enforced = enforced(compiled, plan, out.decision, request, box);
  out.change = change(compiled, request, out.decision, box);
  return out;
}

std::string Explanation::text() const {
  constexpr std::string_view kIndent = "        ";
  const auto line = [&](std::string& out, const std::string& words) { out.append(kIndent).append(words).append("\n"); };
  std::string out = (decision.effect == Effect::allow ? "allowed " : "denied  ") + printable(request) + "\n";
  if (!decision.by_rule())
    line(out, "by the default: no rule allows it");
  else
    line(out, "by rule '" + std::string(decision.rule_name()) + "' (" + decision.source().text() + "), layer " +
                  std::string(name(decision.layer)) +
                  (decision.reason().empty() ? "" : ": \"" + printable_text(decision.reason()) + "\""));
  if (!source_line.empty()) {
    const std::string number = std::to_string(decision.source().line);
    const std::string before = source_line.substr(0, static_cast<size_t>(decision.source().column - 1));
    std::string caret;  // tabs stay tabs, so that the caret stands below its column
    for (const char c : before)
      if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) caret += c == '\t' ? '\t' : ' ';
    line(out, "  " + number + " | " + source_line);
    line(out, "  " + std::string(number.size(), ' ') + " | " + caret + "^");
  }
  for (const Match& match : matches) {
    if (match.rule == decision.rule && match.command == decision.command) continue;
    const Source& at = match.source();
    line(out, "also    " + std::string(name(match.effect())) + " " + printable_text(match.what()) + " by rule '" +
                  match.rule_name() + "' (" + at.text() + ")" + (match.reached ? "" : ", on the name asked") +
                  (match.asked ? "" : ", on the file reached"));
  }
  for (const std::string& words : enforced) line(out, "kept by " + words);
  line(out, "change  " + change);
  return out;
}

}  // namespace alos::policy
