#include "policy/explain.h"

#include <algorithm>

#include "base/paths.h"
#include "policy/consistency.h"
#include "policy/planned_box.h"

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

// The letter of the language that a right belongs to.
std::string_view letter(Right right) {
  return kRead.has(right) ? "r" : kWrite.has(right) ? "w" : "x";
}

// What a box makes of a request, where it differs from what the rules say of the path by itself.
struct InBox {
  const FileRule* covers = nullptr;  // of what covers a directory above it
  std::string pattern;               // that it covers by
  std::string directory;
  bool names = false;  // they are visible, whatever is denied
  bool way = false;    // a directory of the box's own, above what is mounted
};

InBox in_box(const CompiledPolicy& compiled, const Plan& plan, const Decision& decision, const Request& request) {
  InBox out;
  if (request.kind() != Request::Kind::file || decision.layer == Layer::built_in) return out;
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

std::vector<std::string> enforced(const CompiledPolicy& compiled, const Plan& plan, const Decision& decision,
                                  const Request& request, const InBox& box) {
  std::vector<std::string> out;
  if (request.kind() == Request::Kind::network) return {"box: its network holds nothing but its own loopback"};
  if (box.names) return {"nothing, for names: those in a directory that the box mounts are visible, content is not"};
  if (box.covers)
    out.push_back("box: the directory " + printable_text(box.directory) +
                  " is covered, and everything below it with it");
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
      return {"box: mounted there with " + rule.rights.text() + " only"};
  if (box.way) return {"box: a directory of its own, which shows nothing but the way to what is mounted below"};
  return {"box: outside of everything that it mounts, the path is not there (ENOENT)"};
}

// For people to put into a file: YAML's single quotes, within which only a quote is special.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : printable_text(text)) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

// Why no rule could be written that allows it; empty where one could.
std::string beyond_policy(const Request& request) {
  const std::string& path = request.reached();
  for (const char* own : {"/proc", "/sys", "/dev"})
    if (lies_below(path, own)) return std::string("every box has its own ") + own + ", and the host's leads out of it";
  std::string which;
  const auto pattern = Pattern::parse(path == "/" ? path : Pattern::escape(path));
  if (kWrite.has(request.right()) && pattern && is_system_place(*pattern, which))
    return "the system itself runs what lies in " + which + ", with more rights than a box";
  return {};
}

std::string change(const CompiledPolicy& compiled, const Request& request, const Decision& decision, const InBox& box) {
  if (decision.effect == Effect::allow) {
    if (decision.layer == Layer::built_in) return "every box has this of its own";
    return "a deny of " + std::string(letter(request.right())) + " on the path would refuse it";
  }
  if (request.kind() == Request::Kind::network)
    return "this version enforces no network rules, so nothing can allow it";
  if (box.covers)
    return "nothing in this run can allow it; an operator could write " + quoted(box.pattern + "/**") +
           " in the rule, and add the path to its 'except'";
  if (decision.rule) return "nothing in this run can allow it; an operator could add the path to the rule's 'except'";
  if (const std::string why = beyond_policy(request); !why.empty()) return "no policy can allow it: " + why;
  for (const FileRule& rule : compiled.rules())
    if (rule.effect == Effect::allow && rule.source.line != 0 && rule.matches(request.reached()))
      return "rule '" + rule.name + "' (" + rule.source.text() + ") allows " + rule.rights.text() +
             " there; an operator could add " + std::string(letter(request.right())) + " to it";
  const std::string rights = letter(request.right()) == "r" ? "r" : "r" + std::string(letter(request.right()));
  return "an operator could add a rule under 'files:', as in  NAME: {allow: " + rights +
         ", path: " + quoted(Pattern::escape(request.reached())) + "}";
}

}  // namespace

Explanation explain(const CompiledPolicy& compiled, const Plan& plan, const std::vector<SourceFile>& sources,
                    const Request& request) {
  Explanation out;
  out.request = request.text();
  out.decision = decide(compiled, request, &out.matches);
  const InBox box = in_box(compiled, plan, out.decision, request);
  if (box.covers) out.decision = {Effect::deny, box.covers, Layer::policy};
  out.source_line = line_of(sources, out.decision.source());
  out.enforced = enforced(compiled, plan, out.decision, request, box);
  out.change = change(compiled, request, out.decision, box);
  return out;
}

std::string Explanation::text() const {
  constexpr std::string_view kIndent = "        ";
  const auto line = [&](std::string& out, const std::string& words) { out.append(kIndent).append(words).append("\n"); };
  std::string out = (decision.effect == Effect::allow ? "allowed " : "denied  ") + printable(request) + "\n";
  if (!decision.rule)
    line(out, "by the default: no rule allows it");
  else
    line(out, "by rule '" + decision.rule->name + "' (" + decision.source().text() + "), layer " +
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
    if (match.rule == decision.rule) continue;
    const Source& at = match.rule->source;
    line(out, "also    " + std::string(name(match.rule->effect)) + " " + match.rule->rights.text() + " by rule '" +
                  match.rule->name + "' (" + at.text() + ")" + (match.reached ? "" : ", on the name asked") +
                  (match.asked ? "" : ", on the file reached"));
  }
  for (const std::string& words : enforced) line(out, "kept by " + words);
  line(out, "change  " + change);
  return out;
}

}  // namespace alos::policy
