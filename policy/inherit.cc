#include "policy/inherit.h"

#include <algorithm>
#include <memory>

#include "base/digest.h"
#include "base/paths.h"

namespace alos::policy {
namespace {

constexpr size_t kMaxDepth = 8;

std::string described(const Source& source) {
  return "(" + source.text() + ")";
}

class Inheritance {
 public:
  Inheritance(const std::vector<std::string>& directories, const Names& installed, const Reader& reader)
      : directories_(directories), installed_(installed), reader_(reader) {}

  Checked<InheritedFile> run(const std::string& name_or_file) {
    const auto top = resolve({name_or_file, {printable(name_or_file), 0, 0}});
    if (!top || !problems_.empty()) return std::unexpected(std::move(problems_));
    return InheritedFile{top->own, top->effective, std::move(sources_)};
  }

 private:
  struct Resolved {
    PolicyFile own;
    Inherited effective;
  };
  using Shared = std::shared_ptr<const Resolved>;

  void problem(const Source& at, std::string what, std::string expected, std::string fix = "") {
    problems_.push_back({at, std::move(what), std::move(expected), std::move(fix)});
  }

  // Reads one candidate and notes that it was looked at. No value: absent, or a problem was added.
  std::optional<size_t> open(const std::string& path, const std::string& shown, const Text& asked) {
    auto content = reader_(path);
    SourceFile file{path, shown, content.has_value(), "", "", false};
    if (content) {
      file.digest = hex(digest(*content));
      file.text = std::move(*content);
    } else if (content.error().code != ENOENT) {
      problem(asked.source, "cannot read '" + printable(path) + "': " + content.error().text(), "a readable file");
      failed_ = true;
    }
    const bool present = file.present;
    sources_.push_back(std::move(file));
    return present ? std::optional(sources_.size() - 1) : std::nullopt;
  }

  // The index in sources_ of what `asked` means.
  std::optional<size_t> find(const Text& asked) {
    failed_ = false;
    if (asked.text.find('/') != std::string::npos) {
      const auto found = open(asked.text, printable(asked.text), asked);
      if (!found && !failed_)
        problem(asked.source, "no policy file '" + printable(asked.text) + "'", "a file that exists");
      return found;
    }
    if (!is_name(asked.text)) {
      problem(asked.source, "the policy name '" + printable(asked.text) + "'", "letters, digits, '.', '_' and '-'",
              "a file is named with a '/', as in ./policy.yaml");
      return std::nullopt;
    }
    std::vector<size_t> found;
    for (const std::string& directory : directories_)
      if (const auto index = open(directory + "/" + asked.text + ".yaml", asked.text + ".yaml", asked))
        found.push_back(*index);
    if (found.size() > 1)
      problem(asked.source, "two policies are named '" + asked.text + "'", "one policy of a name",
              "rename " + sources_[found[0]].path + " or " + sources_[found[1]].path);
    else if (found.empty() && !failed_)
      problem(asked.source, "no policy is named '" + asked.text + "'",
              "a name from 'alos policy list'; looked for " + asked.text + ".yaml in " + alternatives(directories_),
              asked.text.ends_with(".yaml") || asked.text.ends_with(".yml")
                  ? "a file is named with a '/': ./" + asked.text
                  : did_you_mean(asked.text, installed_ ? installed_() : std::vector<std::string>()));
    return found.size() == 1 ? std::optional(found[0]) : std::nullopt;
  }

  Shared resolve(const Text& asked) {
    if (const auto done = done_.find(asked.text); done != done_.end()) return done->second;
    if (std::ranges::find(path_, asked.text) != path_.end()) {
      std::string circle;
      for (const std::string& name : path_) circle += name + " -> ";
      problem(asked.source, "'extends' goes in a circle: " + circle + asked.text,
              "policies that do not extend themselves");
      return nullptr;
    }
    if (path_.size() > kMaxDepth) {
      problem(asked.source, "'extends' is deeper than " + std::to_string(kMaxDepth), "fewer levels");
      return nullptr;
    }
    const auto index = find(asked);
    if (!index) return done_[asked.text] = nullptr;
    auto document = parse_document(sources_[*index].text, sources_[*index].shown);
    if (!document) {
      problems_.insert(problems_.end(), document.error().begin(), document.error().end());
      return done_[asked.text] = nullptr;
    }
    auto out = std::make_shared<Resolved>();
    out->own = read_policy_file(*document, asked.text, problems_);
    path_.push_back(asked.text);
    const bool complete = parents(out->own, out->effective);
    path_.pop_back();
    if (complete) own(out->own, out->effective);
    return done_[asked.text] = complete ? std::move(out) : nullptr;
  }

  bool parents(const PolicyFile& file, Inherited& into) {
    bool complete = true;
    std::set<std::string> seen;
    std::set<std::string>& above = into.ancestors[file.name];
    for (const Text& name : file.extends) {
      if (name.text.find('/') != std::string::npos) {
        problem(name.source, "'extends' names the file '" + printable(name.text) + "'", "names of installed policies",
                "install it in /etc/alos/policies and name it there");
        complete = false;
      } else if (!seen.insert(name.text).second) {
        problem(name.source, "'extends' names '" + printable(name.text) + "' twice", "each name once");
      } else if (const Shared parent = resolve(name); !parent) {
        complete = false;
      } else {
        join(parent->effective, name.source, into);
        above.insert(name.text);
        const std::set<std::string>& higher = parent->effective.ancestors.at(name.text);
        above.insert(higher.begin(), higher.end());
      }
    }
    return complete;
  }

  template <class T>
  void join_variables(const T& from, Inherited& into) {
    for (const auto& [name, type] : from) {
      const auto [known, fresh] = into.variables.emplace(name, type);
      if (!fresh && known->second.value != type.value)
        problem(type.source, "the variable '" + name + "' is a " + std::string(policy::name(type.value)),
                std::string(policy::name(known->second.value)) + ", as " + described(known->second.source) + " says",
                "use one type, or another name");
    }
  }

  using Values = std::map<std::string, Sourced<uint64_t>>;
  static void join_limits(const Values& from, Values& into) {
    for (const auto& [name, value] : from) {
      const auto [known, fresh] = into.emplace(name, value);
      if (!fresh && value.value < known->second.value) known->second = value;
    }
  }

  template <class T>
  void join_choice(const char* what, const std::optional<Sourced<T>>& from, const Source& at,
                   std::optional<Sourced<T>>& into) {
    if (!from) return;
    if (into && into->value != from->value)
      problem(at,
              std::string("'") + what + "' differs between what is extended: " + described(into->source) + " and " +
                  described(from->source),
              "one value", std::string("say '") + what + "' in this file, or extend one of them");
    else
      into = from;
  }

  void join(const Inherited& from, const Source& at, Inherited& into) {
    for (const auto& [id, rule] : from.rules) into.rules.emplace(id, rule);
    for (const auto& [name, above] : from.ancestors) into.ancestors.emplace(name, above);
    join_variables(from.variables, into);
    join_limits(from.limits, into.limits);
    join_limits(from.clock, into.clock);
    for (const auto& [id, rule] : from.commands) into.commands.emplace(id, rule);
    if (from.no_commands && !into.no_commands) into.no_commands = from.no_commands;
    join_choice("workspace", from.workspace, at, into.workspace);
    join_choice("home", from.home, at, into.home);
    join_choice("project", from.project, at, into.project);
    if (from.mdwe && (!into.mdwe || from.mdwe->value)) into.mdwe = from.mdwe;
    if (from.env_pass && into.env_pass)
      std::erase_if(into.env_pass->value, [&](const std::string& name) {
        return std::ranges::find(from.env_pass->value, name) == from.env_pass->value.end();
      });
    else if (from.env_pass)
      into.env_pass = from.env_pass;
    for (const auto& [name, value] : from.env_set) {
      const auto [known, fresh] = into.env_set.emplace(name, value);
      if (!fresh && known->second.text != value.text)
        problem(at,
                "'env: set: " + name + "' differs between what is extended: " + described(known->second.source) +
                    " and " + described(value.source),
                "one value", "extend one of them");
    }
  }

  void own(const PolicyFile& file, Inherited& into) {
    without(file, into);
    for (const UnexpandedRule& rule : file.rules) into.rules.emplace(file.name + "/" + rule.rule.name, rule);
    for (const UnexpandedCommand& rule : file.commands) into.commands.emplace(file.name + "/" + rule.rule.name, rule);
    if (file.no_commands) into.no_commands = file.no_commands;
    same_names(file, into);
    join_variables(file.variables, into);
    if (const auto found = file.variables.find("workspace");
        found != file.variables.end() && found->second.value != VariableType::dir)
      problem(found->second.source, "the variable 'workspace' is a " + std::string(name(found->second.value)),
              "dir: it is the directory that the agent works in", "write 'workspace: dir', or use another name");
    join_limits(file.limits, into.limits);
    join_limits(file.clock, into.clock);
    if (file.workspace) into.workspace = file.workspace;
    if (file.home) into.home = file.home;
    if (file.project && into.project && file.project->value != into.project->value)
      problem(file.project->source,
              "'project: " + printable(file.project->value) + "' differs from what is extended " +
                  described(into.project->source),
              "the same file: what it denies cannot be dropped", "remove it, or do not extend that policy");
    else if (file.project)
      into.project = file.project;
    if (file.env_pass) into.env_pass = file.env_pass;
    for (const auto& [name, value] : file.env_set) into.env_set[name] = value;
    if (file.mdwe && !file.mdwe->value && into.mdwe && into.mdwe->value)
      problem(file.mdwe->source, "'mdwe: off' where " + described(into.mdwe->source) + " says on",
              "on: an extension adds and narrows", "remove it, or do not extend that policy");
    else if (file.mdwe)
      into.mdwe = file.mdwe;
  }

  void without(const PolicyFile& file, Inherited& into) {
    std::vector<std::string> known;
    const auto allows = [&](const auto& rules) {
      for (const auto& [id, rule] : rules)
        if (rule.rule.effect == Effect::allow) known.push_back(id);
    };
    allows(into.rules), allows(into.commands);
    for (const Text& id : file.without)
      if (!drop(id, into.rules) && !drop(id, into.commands))
        problem(id.source, "'without' names '" + printable(id.text) + "', which is not inherited",
                known.empty() ? "an inherited allow as POLICY/RULE; there is none" : alternatives(known),
                did_you_mean(id.text, known));
  }

  // Whether it is one of them.
  template <class Rules>
  bool drop(const Text& id, Rules& rules) {
    const auto found = rules.find(id.text);
    if (found == rules.end()) return false;
    if (found->second.rule.effect != Effect::allow)
      problem(id.source, "'without' names '" + id.text + "', a deny " + described(found->second.rule.source),
              "an allow: an inherited deny cannot be dropped", "extend a policy that does not have it");
    else
      rules.erase(found);
    return true;
  }

  // Rules are known by their names in denials and audit records, so a name says one thing.
  void same_names(const PolicyFile& file, const Inherited& into) {
    struct Named {
      std::string origin;
      Source source;
    };
    std::map<std::string, Named> all;
    const auto add = [&](const auto& rule) {
      const Named b{rule.origin, rule.source};
      const auto [known, fresh] = all.emplace(rule.name, b);
      if (fresh) return;
      const Named& a = known->second;
      const bool own_first = a.origin == file.name;
      const Named &here = own_first ? a : b, &there = own_first ? b : a;
      if (!reported_.insert(here.source.text() + " " + there.source.text()).second) return;
      problem(here.source, "the rule name '" + rule.name + "' is also at " + there.source.text(),
              "each name in one file of those that are joined", "rename one of them");
    };
    for (const auto& [id, rule] : into.rules) add(rule.rule);
    for (const auto& [id, rule] : into.commands) add(rule.rule);
  }

  const std::vector<std::string>& directories_;
  const Names& installed_;
  const Reader& reader_;
  std::map<std::string, Shared> done_;
  std::vector<std::string> path_;
  std::vector<SourceFile> sources_;
  std::set<std::string> reported_;
  Problems problems_;
  bool failed_ = false;
};

}  // namespace

Checked<InheritedFile> inherit(const std::string& name_or_file, const std::vector<std::string>& directories,
                               const Names& installed, const Reader& reader) {
  return Inheritance(directories, installed, reader).run(name_or_file);
}

}  // namespace alos::policy
