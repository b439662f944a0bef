#include "policy/consistency.h"

#include <algorithm>

#include "base/paths.h"
#include "policy/elevation.h"
#include "policy/places.h"

namespace alos::policy {
namespace {

Pattern constant(const std::string& text) {
  return std::move(*Pattern::parse(text));
}

// A path of a rule with what is compared about it.
struct Entry {
  const FileRule* rule;
  const PathPattern* path;
  std::string prefix;
};

std::vector<Entry> entries(const Policy& policy, Effect effect) {
  std::vector<Entry> out;
  for (const FileRule& rule : policy.files)
    if (rule.effect == effect)
      for (const PathPattern& path : rule.paths) out.push_back({&rule, &path, path.pattern.literal_prefix()});
  return out;
}

class Checker {
 public:
  Checker(const Policy& policy, const std::map<std::string, std::set<std::string>>& ancestors, Problems& problems)
      : policy_(policy), ancestors_(ancestors), problems_(problems) {}

  void run() {
    for (const FileRule& rule : policy_.files) {
      exceptions(rule);
      if (rule.effect == Effect::allow)
        for (const PathPattern& path : rule.paths) {
          place(rule.name, rule.rights, path);
          if (rule.brokered) brokered(rule, path);
        }
    }
    dead();
    for (const CommandRule& rule : policy_.commands) command(rule);
  }

 private:
  void problem(const PathPattern& at, std::string what, std::string expected, std::string fix) {
    problems_.push_back({at.source, std::move(what), std::move(expected), std::move(fix)});
  }

  static std::string shown(const PathPattern& path) {
    const std::string pattern = printable_text(path.pattern.text());
    return path.written == path.pattern.text() ? "'" + pattern + "'"
                                               : "'" + printable_text(path.written) + "' (" + pattern + ")";
  }

  void exceptions(const FileRule& rule) {
    for (const PathPattern& except : rule.except) {
      const bool takes = std::ranges::any_of(
          rule.paths, [&](const PathPattern& path) { return path.pattern.overlaps(except.pattern); });
      if (!takes)
        problem(except, "the exception " + shown(except) + " takes nothing away from rule '" + rule.name + "'",
                "a part of the rule's own paths", "correct the path, or remove it");
    }
  }

  // A primitive would reach the host's, and the agent by itself its own: one name, two files.
  void brokered(const FileRule& rule, const PathPattern& path) {
    for (const char* own : kBoxWritable)
      if (path.pattern.overlaps(constant(own)))
        problem(path, "rule '" + rule.name + "' has 'audit: each' on " + shown(path) + ", where every box has its own",
                "paths of the host", "name another place, or remove it");
  }

  void command(const CommandRule& rule) {
    const auto refuse = [&](std::string what, std::string expected, std::string fix) {
      problems_.push_back(
          {rule.source, "rule '" + rule.name + "' " + std::move(what), std::move(expected), std::move(fix)});
    };
    if (rule.effect == Effect::deny) return;
    if (policy_.no_commands)
      return refuse("has no effect: 'commands: none' (" + policy_.sources.at("commands").text() + ") refuses every run",
                    "either of them", "remove the rule");
    const std::string program = printable(rule.usage.program());
    if (rule.usage.open_ended())
      refuse("allows any further words to " + program, "a usage line that says all that may be given",
             "write each argument, with its type; '...' repeats what it stands directly after, as in <file:path:r>...");
    program_of_command(rule, rule.usage.program(), refuse);
    if (rule.program != rule.usage.program()) program_of_command(rule, rule.program, refuse);
    for (const std::string& link : rule.links)
      if (link != rule.usage.program()) must_stay(link, program + ", by the link " + printable(link) + ",", refuse);
    if (rule.write.empty() && rule.usage.takes(ArgumentType::path_write))
      refuse("lets the agent name a file for " + program + " to write, and gives it nothing to write",
             "'files: {w: [...]}' with what it may be",
             "give the rule that; whatever else the agent writes is read-only for such a run");
    for (const PathPattern& path : rule.read) command_path(rule, path, kRead);
    for (const PathPattern& path : rule.write) command_path(rule, path, kRead | kWrite);
  }

  // By the name that is written, and the file that it leads to.
  void program_of_command(const CommandRule& rule, const std::string& path, const auto& refuse) {
    const std::string program =
        printable(rule.usage.program()) + (path == rule.usage.program() ? "" : ", which is " + printable(path) + ",");
    if (const std::string why = not_elevated(path); !why.empty())
      refuse(
          "gives " + program + " more than the agent has: " + why, "a program that does one thing, and only that",
          "write one that needs no more than its arguments, or leave the run in the agent's own box, without a rule");
    must_stay(path, program, refuse);
  }

  void must_stay(const std::string& path, const std::string& program, const auto& refuse) {
    const auto changed_by = [&](const std::string& name, const Source& source, const std::string& expected) {
      refuse("gives " + program + " more than the agent has, and the agent can change it (rule '" + name + "', " +
                 source.text() + ")",
             expected, "install it elsewhere");
    };
    if (const FileRule* writer = writes(path))
      changed_by(writer->name, writer->source, "a program that the agent cannot write");
    else if (const CommandRule* other = has_written(path))
      changed_by(other->name, other->source, "a program that no run writes for it");
    for (const char* own : kBoxWritable)
      if (constant(own).matches(path))
        refuse("names " + program + (program.ends_with(',') ? " where" : ", where") + " every box has its own",
               "a program of the host", "install it elsewhere");
  }

  // The rule by which the agent can change what is found at `path`: the file, or a directory above it.
  const FileRule* writes(const std::string& path) const {
    return first_for(policy_.files, path, [](const FileRule& rule, const std::string& at) {
      return rule.effect == Effect::allow && rule.rights.overlaps(kWrite) && rule.matches(at);
    });
  }

  // The rule of commands whose runs may.
  const CommandRule* has_written(const std::string& path) const {
    return first_for(policy_.commands, path, [](const CommandRule& rule, const std::string& at) {
      return std::ranges::any_of(rule.write, [&](const PathPattern& own) { return own.pattern.matches(at); });
    });
  }

  // Of `path`, or of the nearest directory above it that any rule is for.
  template <class Rule>
  static const Rule* first_for(const std::vector<Rule>& rules, std::string path, auto is_for) {
    for (; path.size() > 1; path.resize(std::max<size_t>(1, path.rfind('/'))))
      for (const Rule& rule : rules)
        if (is_for(rule, path)) return &rule;
    return nullptr;
  }

  void command_path(const CommandRule& rule, const PathPattern& path, Rights rights) {
    place(rule.name, rights, path);
    if (path.pattern.shape() == Pattern::Shape::glob)
      return problem(path, "rule '" + rule.name + "' gives " + shown(path) + " to a run",
                     "a path, or a tree as in /dir/**", "name the files, or the directory");
    if (box_s_own(rule, path)) return;
    for (const FileRule& other : policy_.files) {
      if (other.effect != Effect::allow || other.brokered) continue;
      for (const PathPattern& own : other.paths)
        if (command_path(rule, path, rights, other, own)) return;
    }
    if (const Entry* around = hidden_around(path, rule.origin, false))
      problem(path, "rule '" + rule.name + "' gives a run " + shown(path) + ": " + hidden_by(*around),
              "places that lie in no directory which is denied", "except it there");
  }

  // An agent that may name a file there has its own, and the run would have the host's.
  bool box_s_own(const CommandRule& rule, const PathPattern& path) {
    const bool mounted = std::ranges::any_of(policy_.files, [&](const FileRule& other) {
      return other.effect == Effect::allow && !other.brokered &&
             std::ranges::any_of(other.paths,
                                 [&](const PathPattern& own) { return own.pattern.includes(path.pattern); });
    });
    for (const char* own : kBoxWritable) {
      if (mounted || !path.pattern.overlaps(constant(own))) continue;
      problem(path, "rule '" + rule.name + "' gives a run " + shown(path) + " of the host, where every box has its own",
              "paths outside " + constant(own).literal_prefix() + ": the agent's files there are others than the run's",
              "keep what the run needs elsewhere");
      return true;
    }
    return false;
  }

  bool command_path(const CommandRule& rule, const PathPattern& path, Rights rights, const FileRule& other,
                    const PathPattern& own) {
    const auto spares = [&](auto relation) {
      return std::ranges::any_of(other.except,
                                 [&](const PathPattern& e) { return (e.pattern.*relation)(path.pattern); });
    };
    const std::string of = "rule '" + other.name + "' (" + other.source.text() + ")";
    if (rights.overlaps(kWrite) && other.rights.overlaps(kWrite) && !spares(&Pattern::includes) &&
        (own.pattern.overlaps(path.pattern) || writes(path.pattern.literal_prefix()) == &other))
      return problem(path,
                     "rule '" + rule.name + "' lets a run with more rights write " + shown(path) + ", where " + of +
                         " lets the agent write",
                     "places that the agent cannot prepare: a link of its own there would lead the run anywhere",
                     "let the run write elsewhere, and the agent read it there"),
             true;
    if (!other.rights.has(rights) || !own.pattern.includes(path.pattern) || spares(&Pattern::overlaps) ||
        !whatever_the_values(path, own))
      return false;
    problem(path,
            "rule '" + rule.name + "' has no effect on " + shown(path) + ": " + of + " lets the agent itself have it",
            "host paths that the agent's own box lacks", "remove it");
    return true;
  }

  void place(const std::string& name, Rights rights, const PathPattern& path) {
    if (path.pattern.matches("/"))
      return problem(path, "rule '" + name + "' allows " + shown(path) + ", the whole machine",
                     "the directories that are needed", "name them");
    for (const char* own : kKernelPlaces)
      if (path.pattern.overlaps(constant(std::string(own) + "/**")))
        return problem(path, "rule '" + name + "' allows " + shown(path) + " of the host",
                       "paths outside " + std::string(own) + ": every box has its own, and the host's leads out of it",
                       "remove it; the box's own " + std::string(own) + " is there without a rule");
    for (const char* own : kBoxPrograms)
      if (path.pattern.overlaps(constant(own)))
        return problem(path, "rule '" + name + "' allows " + shown(path) + " of the host",
                       "paths outside " + constant(own).literal_prefix() + ": every box has its own",
                       "remove it; the box's own is there without a rule");
    for (const char* own : kBoxReadable)
      if (path.pattern.shape() == Pattern::Shape::literal && path.pattern.matches(own))
        return problem(path, "rule '" + name + "' allows " + shown(path) + " of the host",
                       "other paths: every box has its own", "remove it; the box's own is there without a rule");
    for (const char* own : kBoxWritable)
      if (constant(own).includes(path.pattern) && path.pattern.matches(constant(own).literal_prefix()))
        return problem(path, "rule '" + name + "' allows " + shown(path) + " of the host, where every box has its own",
                       "a directory below " + constant(own).literal_prefix() + ", or elsewhere",
                       "name what is needed there");
    std::string which;
    if (rights.overlaps(kWrite) && !in_copied_workspace(path.pattern) && is_system_place(path.pattern, which))
      problem(path, "rule '" + name + "' lets the box write " + shown(path) + " of the host",
              "no writing in " + which + ": the system itself runs what lies there, with more rights than the box",
              "allow r or rx there, and let the agent write in its workspace");
  }

  // What is written there stays in a layer or a copy.
  bool in_copied_workspace(const Pattern& pattern) const {
    if (policy_.workspace_mode != WorkspaceMode::layer && policy_.workspace_mode != WorkspaceMode::copy) return false;
    const Pattern workspace = constant(Pattern::escape(policy_.workspace) + "/**");
    const bool whole_place = std::ranges::count(policy_.workspace, '/') == 1;
    return workspace.includes(pattern) && !whole_place;
  }

  bool author_knows(const std::string& origin, const FileRule& other) const {
    if (origin == other.origin) return true;
    const auto above = ancestors_.find(origin);
    return above != ancestors_.end() && above->second.contains(other.origin);
  }

  // Whether the relation holds for other values of the variables too: a value must not make a rule wrong.
  static bool whatever_the_values(const PathPattern& narrow, const PathPattern& wide) {
    if (!uses_variables(narrow.written) && !uses_variables(wide.written)) return true;
    return leading_variable(narrow.written) == leading_variable(wide.written);
  }

  bool covers(const Entry& wide, const Entry& narrow) const {
    return wide.path != narrow.path && lies_below(narrow.prefix, wide.prefix) &&
           author_knows(narrow.rule->origin, *wide.rule) && whatever_the_values(*narrow.path, *wide.path) &&
           wide.path->pattern.includes(narrow.path->pattern) &&
           std::ranges::none_of(wide.rule->except, [&](const PathPattern& except) {
             return except.pattern.overlaps(narrow.path->pattern);
           });
  }

  // By which deny a directory above what is named is covered where an allow shows it.
  const Entry* hidden_around(const PathPattern& path, const std::string& origin, bool brokered) const {
    if (path.pattern.shape() == Pattern::Shape::glob) return nullptr;
    const std::string prefix = path.pattern.literal_prefix();
    for (size_t end = prefix.rfind('/'); end != 0 && end != prefix.npos; end = prefix.rfind('/', end - 1)) {
      const std::string directory = prefix.substr(0, end);
      const auto is_shown_with = [&](Rights rights) {
        return std::ranges::any_of(allows_, [&](const Entry& wide) {
          return wide.rule->brokered == brokered && wide.rule->rights.overlaps(rights) && wide.rule->matches(directory);
        });
      };
      for (const Entry& deny : denies_)
        if (deny.rule->rights.overlaps(kRead) && deny.rule->matches(directory) &&
            deny.path->pattern.matches(directory) && !spares_below(*deny.rule, directory) &&
            author_knows(origin, *deny.rule) && whatever_the_values(path, *deny.path) &&
            is_shown_with(deny.rule->rights))
          return &deny;
    }
    return nullptr;
  }
  std::string hidden_by(const Entry& deny) const {
    return "rule '" + deny.rule->name + "' (" + deny.rule->source.text() + ") denies a directory that it lies in, by " +
           shown(*deny.path) + ", and nothing of that directory is seen";
  }
  static bool spares_below(const FileRule& rule, const std::string& directory) {
    return std::ranges::any_of(rule.except,
                               [&](const PathPattern& except) { return except.pattern.may_match_below(directory); });
  }

  void dead() {
    for (size_t i = 0; i < allows_.size(); ++i) {
      const Entry& narrow = allows_[i];
      const FileRule& rule = *narrow.rule;
      const std::string says = "rule '" + rule.name + "' has no effect on " + shown(*narrow.path) + ": ";
      const auto denied = std::ranges::find_if(
          denies_, [&](const Entry& deny) { return deny.rule->rights.has(rule.rights) && covers(deny, narrow); });
      if (denied != denies_.end()) {
        problem(*narrow.path,
                says + "rule '" + denied->rule->name + "' (" + denied->rule->source.text() + ") denies all of it",
                "rules that each have an effect; deny wins over allow", "remove one of them");
        continue;
      }
      if (const Entry* around = hidden_around(*narrow.path, rule.origin, rule.brokered)) {
        problem(*narrow.path, says + hidden_by(*around), "places that lie in no directory which is denied",
                "except it there");
        continue;
      }
      for (size_t j = 0; j < allows_.size(); ++j) {
        const Entry& wide = allows_[j];
        // What is brokered and what is mounted exclude each other: plan() says so.
        if (wide.rule->brokered != rule.brokered || !wide.rule->rights.has(rule.rights) || !covers(wide, narrow))
          continue;
        const bool same = wide.rule->rights == rule.rights && narrow.path->pattern.includes(wide.path->pattern);
        if (same && j > i) continue;  // of two equals the later one is named
        problem(*narrow.path,
                says + "rule '" + wide.rule->name + "' (" + wide.rule->source.text() + ") allows " +
                    wide.rule->rights.text() + " on " + shown(*wide.path) + " already",
                "rules that each have an effect; allows are united, so the narrower one narrows nothing",
                "remove it; to take something away write a deny, as in 'deny: w'");
        break;
      }
    }
  }

  const Policy& policy_;
  const std::vector<Entry> allows_ = entries(policy_, Effect::allow), denies_ = entries(policy_, Effect::deny);
  const std::map<std::string, std::set<std::string>>& ancestors_;
  Problems& problems_;
};

}  // namespace

void check_consistency(const Policy& policy, const std::map<std::string, std::set<std::string>>& ancestors,
                       Problems& problems) {
  Checker(policy, ancestors, problems).run();
}

}  // namespace alos::policy
