#include "policy/load.h"

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/paths.h"
#include "policy/consistency.h"
#include "policy/inherit.h"
#include "policy/project.h"
#include "policy/request.h"

namespace alos::policy {
namespace {

class Assembly {
 public:
  Assembly(InheritedFile file, const LoadOptions& options) : file_(std::move(file)), options_(options) {}

  Checked<Loaded> run(const std::string& name) {
    out_.name = name;
    out_.source = whole();
    out_.about = file_.own.about;
    values();
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    workspace();
    project();
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    rules();
    commands();
    settings();
    tests();
    if (problems_.empty()) check_consistency(out_, file_.effective.ancestors, problems_);
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    out_.hash = hash();
    return Loaded{std::move(out_), std::move(file_.sources)};
  }

 private:
  void problem(const Source& at, std::string what, std::string expected, std::string fix = "") {
    problems_.push_back({at, std::move(what), std::move(expected), std::move(fix)});
  }

  Source whole() const { return file_.own.source; }

  void values() {
    const auto& declared = file_.effective.variables;
    std::vector<std::string> known;
    for (const auto& [name, type] : declared) known.push_back(name);
    for (const auto& [name, value] : options_.variables)
      if (!declared.contains(name))
        problem(whole(), "the variable '" + printable(name) + "' was given and is not declared",
                known.empty() ? "no variable: the policy declares none" : alternatives(known),
                name == "workspace"
                    ? "name a policy that takes a directory, as 'coding', or declare it: vars: {workspace: dir}"
                    : did_you_mean(name, known));
    for (const auto& [name, text] : file_.own.test_variables) test_value(name, text, known);
    for (const auto& [name, type] : declared) value(name, type);
  }

  void test_value(const std::string& name, const Text& text, const std::vector<std::string>& known) {
    const auto found = file_.effective.variables.find(name);
    if (found == file_.effective.variables.end())
      problem(text.source, "'tests: vars' names '" + printable(name) + "', which is not declared", alternatives(known),
              did_you_mean(name, known));
    else if (const auto fits = check_value(found->second.value, text.text); !fits)
      problem(text.source, "'" + printable(text.text) + "' is no value for variable '" + name + "'",
              std::string(policy::name(found->second.value)), fits.error().hint);
  }

  void value(const std::string& name, const Sourced<VariableType>& type) {
    const auto given = options_.variables.find(name);
    const auto tested = file_.own.test_variables.find(name);
    if (given != options_.variables.end()) {
      if (const auto fits = check_value(type.value, given->second); !fits)
        problem(type.source, "'" + printable(given->second) + "' was given for variable '" + name + "'",
                std::string(policy::name(type.value)), fits.error().hint);
      out_.variables[name] = {type.value, given->second};
    } else if (options_.missing == Missing::from_tests && tested != file_.own.test_variables.end()) {
      out_.variables[name] = {type.value, tested->second.text};
    } else {
      problem(type.source, "the variable '" + name + "' has no value", std::string(policy::name(type.value)),
              (name == "workspace" ? "give --workspace DIR" : "give --var " + name + "=VALUE") +
                  std::string(options_.missing == Missing::from_tests ? ", or name one under 'tests: vars:'" : ""));
    }
  }

  void workspace() {
    const auto variable = out_.variables.find("workspace");
    const auto& mode = file_.effective.workspace;
    if (variable == out_.variables.end()) {
      if (mode)
        problem(mode->source, "'workspace: " + std::string(name(mode->value)) + "' without a workspace",
                "the variable that holds the directory", "add 'vars: {workspace: dir}'");
      return;
    }
    out_.workspace = variable->second.value;
    out_.workspace_mode = mode ? mode->value : WorkspaceMode::layer;
    out_.sources["workspace"] = mode ? mode->source : file_.effective.variables.at("workspace").source;
  }

  void project() {
    const auto& asked = file_.effective.project;
    if (!asked) return;
    out_.sources["project"] = asked->source;
    const auto expanded = expand_text(asked->value, out_.variables);
    const bool inside = expanded && !out_.workspace.empty() && *expanded != out_.workspace &&
                        is_canonical_path(*expanded) && lies_below(*expanded, out_.workspace);
    if (!inside)
      return problem(asked->source, "'project: " + printable(asked->value) + "'", "a file below the workspace",
                     expanded ? "write 'project: $workspace/.alos.yaml'" : expanded.error().hint);
    out_.project = *expanded;
    if (options_.missing == Missing::from_tests) return;
    auto content = options_.project_reader(*expanded);
    const std::string shown = expanded->substr(out_.workspace.size() + 1);
    SourceFile source{*expanded, shown, content.has_value(), "", "", true};
    if (!content && content.error().code != ENOENT)
      return problem(asked->source,
                     "the project's own file " + printable(*expanded) + " cannot be used: " + content.error().text(),
                     "a regular file of at most 64 KiB with no link on the way, or none at all");
    if (content) {
      source.digest = hex(digest(*content));
      source.text = std::move(*content);
      const auto document = parse_document(source.text, shown);
      if (!document) return void(problems_.insert(problems_.end(), document.error().begin(), document.error().end()));
      join(read_project_file(*document, shown, problems_));
    }
    file_.sources.push_back(std::move(source));
  }

  void join(ProjectFile project) {
    std::set<std::string> taken;
    for (const auto& [id, rule] : file_.effective.rules) taken.insert(rule.rule.name);
    for (const auto& [id, rule] : file_.effective.commands) taken.insert(rule.rule.name);
    for (UnexpandedRule& rule : project.rules) {
      if (taken.contains(rule.rule.name))
        problem(rule.rule.source, "the rule name '" + rule.rule.name + "' is one of the policy's",
                "a name of the project's own", "rename it");
      std::string id = "project/" + rule.rule.name;
      file_.effective.rules.emplace(std::move(id), std::move(rule));
    }
    for (const auto& [name, limit] : project.limits) {
      const auto [known, fresh] = file_.effective.limits.emplace(name, limit);
      if (!fresh && limit.value < known->second.value) known->second = limit;
    }
  }

  std::vector<PathPattern> patterns(const std::vector<Text>& texts) {
    std::vector<PathPattern> out;
    for (const Text& text : texts) {
      const auto expanded = expand_pattern(text.text, out_.variables);
      auto pattern = expanded ? Pattern::parse(*expanded) : std::unexpected(expanded.error());
      if (!pattern)
        problem(text.source, "the path '" + printable_text(text.text) + "'", "an absolute path or pattern",
                pattern.error().hint);
      else
        out.push_back({std::move(*pattern), text.text, text.source});
    }
    return out;
  }

  void rules() {
    for (auto& [id, unexpanded] : file_.effective.rules) {
      FileRule rule = unexpanded.rule;
      rule.paths = patterns(unexpanded.paths);
      rule.except = patterns(unexpanded.except);
      out_.files.push_back(std::move(rule));
    }
    std::ranges::sort(out_.files, {}, &FileRule::name);
  }

  void commands() {
    for (auto& [id, unexpanded] : file_.effective.commands) {
      const Text& written = unexpanded.usage;
      const auto expanded = expand_usage(written.text, out_.variables);
      auto usage = expanded ? Usage::parse(*expanded) : std::unexpected(expanded.error());
      if (!usage) {
        problem(written.source, "the usage line '" + printable_text(written.text) + "'",
                "the program's absolute path and its arguments, as in a man page", usage.error().hint);
        continue;
      }
      CommandRule rule = unexpanded.rule;
      rule.usage = std::move(*usage);
      rule.program = rule.usage.program();
      if (options_.way_of) {
        rule.links = options_.way_of(rule.usage.program());
        rule.program = std::move(rule.links.back());
        rule.links.pop_back();
      }
      rule.read = patterns(unexpanded.read);
      rule.write = patterns(unexpanded.write);
      out_.commands.push_back(std::move(rule));
    }
    std::ranges::sort(out_.commands, {}, &CommandRule::name);
    out_.no_commands = file_.effective.no_commands.has_value();
    if (out_.no_commands) out_.sources["commands"] = *file_.effective.no_commands;
  }

  void settings() {
    const Inherited& from = file_.effective;
    for (const LimitField& field : limit_fields())
      if (const auto found = from.limits.find(field.name); found != from.limits.end()) {
        out_.limits.*field.value = found->second.value;
        out_.sources["limits." + std::string(field.name)] = found->second.source;
      }
    for (const auto& [name, value] :
         {std::pair("sleep.each", &ClockLimits::each_ms), {"sleep.total", &ClockLimits::total_ms}})
      if (const auto found = from.clock.find(name); found != from.clock.end()) {
        out_.clock.*value = found->second.value;
        out_.sources[std::string("clock.") + name] = found->second.source;
      }
    if (from.home) {
      out_.keep_home = from.home->value;
      out_.sources["home"] = from.home->source;
    }
    if (from.env_pass) {
      out_.env_pass = from.env_pass->value;
      out_.sources["env.pass"] = from.env_pass->source;
    }
    for (const auto& [name, value] : from.env_set) {
      const auto expanded = expand_text(value.text, out_.variables);
      if (!expanded)
        problem(value.source, "the value of '" + name + "'", "text, with variables that are declared",
                expanded.error().hint);
      else
        out_.env_set[name] = *expanded;
      out_.sources["env.set." + name] = value.source;
    }
    if (from.mdwe) {
      out_.mdwe = from.mdwe->value;
      out_.sources["mdwe"] = from.mdwe->source;
    }
    if (file_.own.degrade) {
      out_.degrade = file_.own.degrade->value;
      out_.sources["degrade"] = file_.own.degrade->source;
    }
  }

  void tests() {
    std::vector<std::string> names{"default", "box", "commands", "clock.sleep"};
    for (const FileRule& rule : out_.files) names.push_back(rule.name);
    for (const CommandRule& rule : out_.commands) names.push_back(rule.name);
    for (const UnexpandedTest& test : file_.own.tests) {
      constexpr std::string_view kArrow = " -> ";
      const std::string& line = test.line.text;
      const size_t arrow = line.rfind(kArrow);
      PolicyTest out{"", test.effect, arrow == line.npos ? "" : line.substr(arrow + kArrow.size()), test.line.source};
      const auto request = expand_request(line.substr(0, arrow), out_.variables);
      const auto parsed = request ? Request::parse(*request) : std::unexpected(request.error());
      if (!parsed) {
        problem(test.line.source, "the request '" + printable(line) + "'", "one request, as in fs.read $workspace/a",
                parsed.error().hint);
      } else if (!out.rule.empty() && std::ranges::find(names, out.rule) == names.end()) {
        problem(test.line.source, "no rule is named '" + printable(out.rule) + "'", alternatives(names),
                did_you_mean(out.rule, names));
      } else {
        out.request = *request;
        out_.tests.push_back(std::move(out));
      }
    }
  }

  std::string hash() const {
    Hasher hasher;
    hasher.add_field("alos policy 1");
    for (const SourceFile& source : file_.sources) {
      if (!source.present) continue;
      hasher.add_field(source.path);
      hasher.add_field(source.digest);
    }
    hasher.add_field("variables");
    for (const auto& [name, variable] : out_.variables) {
      hasher.add_field(name);
      hasher.add_field(variable.value);
    }
    return hex(hasher.finish());
  }

  InheritedFile file_;
  const LoadOptions& options_;
  Policy out_;
  Problems problems_;
};

}  // namespace

Checked<Loaded> load(const std::string& name_or_file, const LoadOptions& options, const Reader& reader) {
  auto file = inherit(name_or_file, options.directories, options.installed, reader);
  if (!file) return std::unexpected(std::move(file.error()));
  return Assembly(std::move(*file), options).run(name_or_file);
}

Checked<std::map<std::string, VariableType>> declared_variables(const std::string& name_or_file,
                                                                const LoadOptions& options, const Reader& reader) {
  auto file = inherit(name_or_file, options.directories, options.installed, reader);
  if (!file) return std::unexpected(std::move(file.error()));
  std::map<std::string, VariableType> out;
  for (const auto& [name, type] : file->effective.variables) out.emplace(name, type.value);
  return out;
}

}  // namespace alos::policy
