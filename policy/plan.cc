#include "policy/plan.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/paths.h"

namespace alos::policy {
namespace {

enum class Ground : uint8_t {
  layered,   // the workspace as layer or copy: writes stay apart from the host
  direct,    // the host's own files, written in place
  readable,  // the host's own files, read only
  own,       // what every box has of its own
};

// What one path of an allow opens.
struct Region {
  const FileRule* rule;
  const PathPattern* path;
  Ground ground;
  Rights united;  // with what other rules give on the whole of it
  Rights rights;  // what denies leave of that
  std::string prefix;
};

// What one path of a deny, or one exception of an allow, takes away.
struct Taking {
  const FileRule* rule;
  const PathPattern* path;
  Rights rights;
  bool exception;  // of an allow: what no other rule allows there
};

bool comparable(const std::string& a, const std::string& b) {
  return lies_below(a, b) || lies_below(b, a);
}

std::string shown(const PathPattern& path) {
  const std::string pattern = printable_text(path.pattern.text());
  return path.written == path.pattern.text() ? pattern : printable_text(path.written) + " (" + pattern + ")";
}

std::string quoted(const FileRule& rule) {
  return "rule '" + rule.name + "'";
}

// Directories from the root to the node that is mounted.
size_t depth(const Region& region) {
  const auto& segments = region.path->pattern.segments();
  return segments.size() - (!segments.empty() && segments.back().any_depth() ? 1 : 0);
}

// What a mount can give: reading always, because its names are visible; writing and running as wholes.
bool mountable(Rights rights) {
  return rights.has(kRead) && (rights.has(kWrite) || !rights.overlaps(kWrite));
}

class Planner {
 public:
  explicit Planner(const CompiledPolicy& compiled) : compiled_(compiled), policy_(compiled.policy()) {
    if (policy_.workspace_mode != WorkspaceMode::none)
      workspace_ = *Pattern::parse(Pattern::escape(policy_.workspace) + "/**");
  }

  Checked<Plan> run() {
    regions();
    for (size_t i = 0; i < policy_count(); ++i) take(compiled_.rules()[i]);
    mounts();
    commands();
    for (const auto& [rule, refused] : refused_)  // one mistake, one problem, however many paths the rule has
      if (refused.second > 0)
        problems_[refused.first].text +=
            "; the same holds for " + std::to_string(refused.second) + " more of its paths";
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    settings();
    for (const FileRule& rule : compiled_.rules())
      if (rule.degrade && !std::ranges::count(given_up_, &rule)) out_.needless_degrade.push_back(&rule);
    return std::move(out_);
  }

 private:
  size_t policy_count() const { return policy_.files.size(); }

  void problem(const PathPattern& at, std::string what, std::string expected, std::string fix) {
    problems_.push_back({at.source, std::move(what), std::move(expected), std::move(fix)});
  }

  // Allows.

  void regions() {
    for (size_t i = 0; i < compiled_.rules().size(); ++i) {
      const FileRule& rule = compiled_.rules()[i];
      if (rule.effect != Effect::allow) continue;
      for (const PathPattern& path : rule.paths) {
        if (rule.brokered) {
          brokered_.push_back({&rule, &path, Ground::own, rule.rights, rule.rights, path.pattern.literal_prefix()});
          continue;
        }
        Region region{&rule, &path, Ground::own, rule.rights, rule.rights, path.pattern.literal_prefix()};
        if (i < policy_count()) region.ground = ground(rule, path);
        regions_.push_back(std::move(region));
      }
    }
    for (Region& region : regions_)
      if (region.ground != Ground::own) unite(region);
    for (Region& region : brokered_) {
      brokered(region);
      // The broker's view holds what any of them allows; which of it a request may use is decide()'s to say.
      for (const Region& other : brokered_)
        if (other.path->pattern.includes(region.path->pattern)) region.rights = region.rights | other.rule->rights;
    }
  }

  // Nothing of it may be in the box: a use there would go by unrecorded.
  void brokered(const Region& region) {
    const PathPattern& path = *region.path;
    const auto apart = [](const FileRule& rule, const PathPattern& from) {
      return std::ranges::any_of(rule.except, [&](const PathPattern& e) { return e.pattern.includes(from.pattern); });
    };
    const std::string says = quoted(*region.rule) + " has 'audit: each' on " + shown(path) + ", and ";
    if (workspace_ && workspace_->overlaps(path.pattern))
      return problem(path, says + "the workspace is the box's own: what is done there goes by no primitive",
                     "paths outside the workspace", "remove 'audit: each', or name another place");
    if (path.pattern.shape() == Pattern::Shape::glob && !path.pattern.expandable())
      return problem(path, says + "nothing can enforce it: '**' before the end would be a place for every match",
                     "a path, a tree as in /dir/**, or '*' within components", "name the directory above it");
    for (const Region& other : regions_) {
      if (other.ground == Ground::own || !other.path->pattern.overlaps(path.pattern) || apart(*other.rule, path) ||
          apart(*region.rule, *other.path))
        continue;
      const bool inside = lies_below(region.prefix, other.prefix);
      return problem(path,
                     says + quoted(*other.rule) + " (" + other.rule->source.text() + ") mounts " + shown(*other.path) +
                         (inside ? " around it: the box has it anyway, and no use is recorded"
                                 : " within it: no use of that is recorded"),
                     "paths that the box does not have",
                     "except it from " + quoted(inside ? *other.rule : *region.rule));
    }
  }

  Ground ground(const FileRule& rule, const PathPattern& path) {
    const bool touches = workspace_ && workspace_->overlaps(path.pattern);
    const bool inside = touches && workspace_->includes(path.pattern);
    if (path.pattern.shape() == Pattern::Shape::glob && (touches || !path.pattern.expandable()))
      problem(path,
              quoted(rule) + " allows " + shown(path) + ", and nothing can enforce it: " +
                  (touches ? "the workspace is mounted as a tree, so what is made later would not be covered"
                           : "'**' before the end would need a mount for every match at any depth"),
              touches ? "in the workspace, a path or a tree as in $workspace/dir/**"
                      : "a path, a tree as in /dir/**, or '*' within components",
              "allow the directory above it, and deny what is to stay out");
    if (inside && policy_.workspace_mode != WorkspaceMode::direct) return Ground::layered;
    return rule.rights.overlaps(kWrite) ? Ground::direct : Ground::readable;
  }

  // Allows are unions: a mount gives what all rules give that hold on the whole of it.
  void unite(Region& region) {
    for (const Region& other : regions_) {
      if (other.ground == Ground::own || !lies_below(region.prefix, other.prefix) ||
          !other.path->pattern.includes(region.path->pattern))
        continue;
      if (other.rule == region.rule || !excepts(other, region)) region.united = region.united | other.rule->rights;
    }
    region.rights = region.united;
    if (region.ground == Ground::readable && region.rights.overlaps(kWrite)) region.ground = Ground::direct;
    if (!mountable(region.rights))
      problem(*region.path,
              quoted(*region.rule) + " allows " + region.rights.text() + " on " + shown(*region.path) +
                  ", and nothing can enforce that: names in a mount are visible, and writing is given as a whole",
              "r, rw, rx or rwx",
              region.rights.overlaps(kWrite) ? "allow rw, or r without the rest" : "allow r with it");
  }

  // Whether the rule that opens `outer` leaves `inner` out. A part of it cannot be left out: one mount has one set of
  // rights.
  bool excepts(const Region& outer, const Region& inner) {
    if (inner.path->pattern.includes(outer.path->pattern)) return false;  // one mount, where the exception is covered
    for (const PathPattern& except : outer.rule->except) {
      if (except.pattern.includes(inner.path->pattern)) return true;
      if (!except.pattern.overlaps(inner.path->pattern) || inner.rule->rights.has(outer.rule->rights)) continue;
      contradiction(*outer.rule, except, inner);
      return true;
    }
    return false;
  }

  void contradiction(const FileRule& rule, const PathPattern& except, const Region& other) {
    if (std::ranges::count(contradicting_, &except)) return;
    contradicting_.push_back(&except);
    problem(except,
            "the exception " + shown(except) + " of " + quoted(rule) + " overlaps " + shown(*other.path) + ", which " +
                quoted(*other.rule) + " (" + other.rule->source.text() + ") allows, and nothing can enforce both",
            "an exception that other rules lie around, not within", "name the directories to allow, without 'except'");
  }

  // Denies and exceptions.

  void take(const FileRule& rule) {
    if (rule.effect == Effect::deny) {
      for (const PathPattern& path : rule.paths) take({&rule, &path, rule.rights, false});
      return;
    }
    for (const PathPattern& except : rule.except) {
      if (rule.brokered)
        brokered_exception(rule, except);
      else
        exception(rule, except);
    }
  }

  // Covered in the broker's view as well, unless another rule has primitives reach it.
  void brokered_exception(const FileRule& rule, const PathPattern& except) {
    out_.enforced.push_back({&rule, &except, {Enforcer::broker}, "broker: primitives refuse it"});
    const bool allowed = std::ranges::any_of(
        brokered_, [&](const Region& other) { return other.rule != &rule && leaves_in(other, except.pattern); });
    if (allowed) return;
    out_.box.brokered_masks.push_back(
        mask({&rule, &except, rule.rights.has(Right::read) ? kAll : rule.rights, true}, false));
  }
  static bool leaves_in(const Region& region, const Pattern& exception) {
    return region.path->pattern.overlaps(exception) &&
           std::ranges::none_of(region.rule->except,
                                [&](const PathPattern& own) { return own.pattern.includes(exception); });
  }

  enum class Gives : uint8_t { nothing, part, all };

  // What a rule with this region allows of another rule's exception: all also where it has a narrower exception of its
  // own, because that one is taken by itself, and is then one that both except.
  static Gives gives(const Region& other, const Pattern& exception) {
    if (other.ground == Ground::own || !other.path->pattern.overlaps(exception)) return Gives::nothing;
    bool all = other.path->pattern.includes(exception);
    for (const PathPattern& own : other.rule->except) {
      if (own.pattern.includes(exception)) return Gives::nothing;
      all = all && (!own.pattern.overlaps(exception) || exception.includes(own.pattern));
    }
    return all ? Gives::all : Gives::part;
  }

  // An exception grants nothing and denies nothing: other rules may allow what it takes out of its own.
  void exception(const FileRule& rule, const PathPattern& except) {
    Rights rights = rule.rights;
    for (const Region& other : regions_)
      if (other.rule != &rule && gives(other, except.pattern) == Gives::all) rights = rights - other.rule->rights;
    if (rights.empty()) return;
    for (const Region& other : regions_) {
      if (other.rule == &rule || !other.rule->rights.overlaps(rights) || gives(other, except.pattern) == Gives::nothing)
        continue;
      contradiction(rule, except, other);
      return;
    }
    take({&rule, &except, rights.has(Right::read) ? kAll : rights, true});
  }

  bool covers(const Taking& taking, const Region& region) const {
    return !taking.exception && taking.path->pattern.includes(region.path->pattern) &&
           std::ranges::none_of(taking.rule->except, [&](const PathPattern& except) {
             return except.pattern.overlaps(region.path->pattern);
           });
  }

  // What it takes of a region is all of it: then there is no mount, and the one around it shows what is there.
  bool unmade(const Region& region, const Taking& taking) const {
    return covers(taking, region) && taking.rights.has(region.united);
  }

  static bool written(Ground ground) { return ground == Ground::layered || ground == Ground::direct; }
  // The launcher mounts it or refuses: nobody can make what is missing.
  static bool certain(const Region& region) {
    return !region.rule->optional && region.path->pattern.shape() != Pattern::Shape::glob;
  }

  // Another mount lies between this region and everything that the taking is about: strictly deeper, because two that
  // may expand to one node are one mount with the rights of both.
  bool shadowed(const Region& region, const Taking& taking, const std::string& prefix) const {
    return std::ranges::any_of(regions_, [&](const Region& nearer) {
      return depth(nearer) > depth(region) && (certain(nearer) || !written(region.ground)) &&
             lies_below(prefix, nearer.prefix) && lies_below(nearer.prefix, region.prefix) &&
             nearer.path->pattern.includes(taking.path->pattern) &&
             region.path->pattern.includes(nearer.path->pattern) &&
             !nearer.path->pattern.includes(region.path->pattern) && !unmade(nearer, taking);
    });
  }

  void take(const Taking& taking) {
    const std::string prefix = taking.path->pattern.literal_prefix();
    std::vector<Enforcer> by;
    const auto add = [&by](Enforcer enforcer) {
      if (std::ranges::find(by, enforcer) == by.end()) by.push_back(enforcer);
    };
    bool pin = false, wrong = false;
    if (!taking.exception && std::ranges::any_of(brokered_, [&](const Region& region) {
          return region.rights.overlaps(taking.rights) && region.path->pattern.overlaps(taking.path->pattern);
        })) {
      add(Enforcer::broker);
      // A mount takes whole letters; what is less the broker alone refuses.
      const Taking whole{taking.rule, taking.path, whole_letters(taking.rights), false};
      if (!whole.rights.empty()) out_.box.brokered_masks.push_back(mask(whole, false));
    }
    for (Region& region : regions_) {
      if (wrong || !comparable(region.prefix, prefix) || !region.united.overlaps(taking.rights) ||
          (taking.exception && region.ground == Ground::own) || !region.path->pattern.overlaps(taking.path->pattern))
        continue;
      if (shadowed(region, taking, prefix)) {
        // Not seen there; yet its files may have other names in what is written, and a layer may hold changes of it.
        if (region.ground == Ground::direct && coverable(taking)) add(Enforcer::mask);
        if (region.ground == Ground::layered) add(Enforcer::layer);
        continue;
      }
      if (!expressible(taking, region)) {
        wrong = true;
      } else if (covers(taking, region) && region.ground != Ground::own) {
        region.rights = region.rights - taking.rights;
        add(Enforcer::mount);
      } else if (region.ground == Ground::layered) {
        add(Enforcer::mask);
        add(Enforcer::layer);
        // A copy lasts: what is covered in it must be found at the same place by the next run.
        if (policy_.workspace_mode == WorkspaceMode::copy && taking.rights.has(Right::read)) pin = true;
      } else if (region.ground == Ground::readable) {
        add(Enforcer::mask);
      } else if (region.ground == Ground::direct && coverable(taking)) {
        add(Enforcer::mask);
        pin = true;
      } else if (taking.rule->degrade) {
        give_up(taking, region);
        add(Enforcer::nothing);
        if (region.ground == Ground::direct) add(Enforcer::mask), pin = true;
      } else {
        unenforceable(taking, region);
        wrong = true;
      }
    }
    if (!wrong) enforce(taking, by, pin);
  }

  bool expressible(const Taking& taking, const Region& region) {
    const Rights rights = taking.rights;
    if (rights.has(kAll) || (!rights.overlaps(kRead) && (rights.has(kWrite) || !rights.overlaps(kWrite)))) return true;
    const Rights whole = (rights.overlaps(kRead) ? kRead : Rights()) | (rights.overlaps(kWrite) ? kWrite : Rights());
    problem(*taking.path,
            quoted(*taking.rule) + " takes " + rights.text() + " from " + shown(*taking.path) + ", below " +
                shown(*region.path) + " of " + quoted(*region.rule) + " (" + region.rule->source.text() +
                "), and a mount cannot express it",
            "whole letters: r covers the file, w makes it read-only, x keeps it from running",
            "deny " + whole.text() + ", or allow less there");
    return false;
  }

  // A mount on the one place covers what is there, and its parents can be held in place.
  static bool coverable(const Taking& taking) {
    if (taking.path->pattern.shape() == Pattern::Shape::glob) return false;
    return taking.exception || std::ranges::none_of(taking.rule->except, [&](const PathPattern& except) {
             return except.pattern.overlaps(taking.path->pattern);
           });
  }

  std::string why(const Region& region) const {
    if (region.ground == Ground::own)
      return printable(region.prefix) +
             " is the box's own: nothing of the host is in it, and what the agent makes there is its own";
    const bool workspace = workspace_ && workspace_->includes(region.path->pattern);
    return (workspace ? std::string("the workspace is direct and writable")
                      : shown(*region.path) + " is written directly") +
           ", so a match made later could be used";
  }

  void unenforceable(const Taking& taking, const Region& region) {
    const bool workspace = workspace_ && workspace_->includes(region.path->pattern);
    std::string fix = region.ground == Ground::own ? "name the directories of the host that are meant, "
                      : workspace                  ? "use 'workspace: layer' (it then cannot leave the layer), "
                                                   : "deny a path or a whole directory instead, allow r there, ";
    fix += taking.exception ? "or write it as a deny with 'degrade: allow'" : "or say 'degrade: allow' on the rule";
    if (const auto known = refused_.find(taking.rule); known != refused_.end()) {
      ++known->second.second;
      return;
    }
    problem(*taking.path,
            quoted(*taking.rule) + (taking.exception ? " excepts " : " denies ") + shown(*taking.path) +
                ", and nothing can enforce it here: " + why(region),
            "a rule that is kept", std::move(fix));
    refused_[taking.rule] = {problems_.size() - 1, 0};
  }

  void give_up(const Taking& taking, const Region& region) {
    given_up_.push_back(taking.rule);
    out_.box.printed.push_back(quoted(*taking.rule) + " (" + taking.rule->source.text() +
                               ") is not kept for files made after the start, 'degrade: allow': " +
                               printable_text(taking.path->pattern.text()) + ": " + why(region));
  }

  BoxMask mask(const Taking& taking, bool pin) const {
    BoxMask out;
    out.pattern = taking.path->pattern.text();
    if (!taking.exception)
      for (const PathPattern& except : taking.rule->except) out.except.push_back(except.pattern.text());
    out.denied = taking.rights;
    out.pin_parents = pin;
    out.rule = taking.rule->name;
    out.reason = taking.rule->reason;
    out.source = taking.rule->source;
    return out;
  }

  void enforce(const Taking& taking, std::vector<Enforcer> by, bool pin) {
    const auto has = [&by](Enforcer enforcer) { return std::ranges::find(by, enforcer) != by.end(); };
    if (has(Enforcer::mask)) out_.box.masks.push_back(mask(taking, pin));
    if (has(Enforcer::layer)) out_.box.layer_denies.push_back(mask(taking, false));
    std::string text;
    const auto say = [&text](std::string_view words) { text.append(text.empty() ? "" : "; ").append(words); };
    if (has(Enforcer::mount)) say("box: what is mounted there is mounted without " + taking.rights.text());
    if (has(Enforcer::broker)) say("broker: primitives refuse it");
    if (has(Enforcer::mask))
      say(taking.rights.has(Right::read) ? "box: what exists at launch is covered, opening it fails (EACCES)"
                                         : "box: what exists at launch is mounted without " + taking.rights.text());
    if (has(Enforcer::layer)) say("layer: what is made later is the agent's own and cannot leave the layer");
    if (has(Enforcer::nothing)) say("nothing for what is made later: the rule says 'degrade: allow'");
    if (by.empty()) {
      by.push_back(Enforcer::absent);
      say("box: no mount leads there with these rights");
    }
    out_.enforced.push_back({taking.rule, taking.path, std::move(by), std::move(text)});
  }

  // What is left of the allows.

  void mounts() {
    std::map<std::pair<std::string, bool>, BoxMount> by_path;
    for (const Region& region : regions_) {
      if (region.ground == Ground::own) {
        out_.enforced.push_back({region.rule, region.path, {Enforcer::mount}, "box: its own, private to this box"});
        continue;
      }
      if (region.rights.empty()) {
        out_.enforced.push_back({region.rule, region.path, {Enforcer::absent}, "box: denied as a whole, not mounted"});
        continue;
      }
      BoxMount mount = describe(region);
      std::string text = "box: mounted " + mount.rights.text() + (mount.optional ? " where it exists" : "");
      if (region.ground == Ground::layered)
        text += policy_.workspace_mode == WorkspaceMode::copy ? "; writes go to a copy"
                                                              : "; writes go to a layer above the host's files";
      if (region.ground == Ground::direct) text += "; writes reach the host at once";
      if (held(region)) text += "; directories on the way to it cannot be renamed";
      out_.enforced.push_back({region.rule, region.path, {Enforcer::mount}, std::move(text)});
      const auto [known, fresh] = by_path.emplace(std::pair(mount.path, mount.tree), mount);
      if (!fresh) {
        known->second.rights = known->second.rights | mount.rights;
        known->second.optional &= mount.optional;
      }
    }
    for (auto& [path, mount] : by_path) out_.box.mounts.push_back(std::move(mount));
    brokers_view();
  }

  // Directories lie between it and a tree that is written for good, whose own they are. The launcher pins them.
  bool held(const Region& region) const {
    return std::ranges::any_of(regions_, [&](const Region& around) {
      const bool copy = around.ground == Ground::layered && policy_.workspace_mode == WorkspaceMode::copy;
      return (copy || around.ground == Ground::direct) && around.rights.overlaps(kWrite) &&
             depth(region) > depth(around) + 1 && around.path->pattern.includes(region.path->pattern);
    });
  }

  void brokers_view() {
    for (const Region& region : brokered_) {
      BoxMount mount = describe(region);
      const auto known = std::ranges::find_if(out_.box.brokered, [&](const BoxMount& other) {
        return other.path == mount.path && other.tree == mount.tree && other.glob == mount.glob;
      });
      if (known == out_.box.brokered.end())
        out_.box.brokered.push_back(std::move(mount));
      else
        known->optional &= mount.optional;
      out_.enforced.push_back({region.rule,
                               region.path,
                               {Enforcer::broker},
                               "broker (absent from the box, reached by primitive): " + region.rule->rights.text() +
                                   ", each use recorded"});
    }
  }

  // Runs with more than the agent's box.

  void commands() {
    for (const CommandRule& rule : policy_.commands) {
      if (rule.effect != Effect::allow) continue;
      BoxCommand out{rule.name, rule.usage.text(), rule.program, {}, {}, rule.source};
      for (const PathPattern& path : rule.read) give(rule, path, kRead, out);
      for (const PathPattern& path : rule.write) give(rule, path, kRead | kWrite, out);
      out_.box.commands.push_back(std::move(out));
    }
  }

  void give(const CommandRule& rule, const PathPattern& path, Rights rights, BoxCommand& out) {
    out.mounts.push_back({path.pattern.literal_prefix(), false, path.pattern.shape() == Pattern::Shape::tree, rights,
                          false, rule.name, path.source});
    const bool written = rights.overlaps(kWrite);
    for (size_t i = 0; i < policy_count(); ++i) {
      const FileRule& deny = compiled_.rules()[i];
      if (deny.effect != Effect::deny || !deny.rights.overlaps(rights)) continue;
      for (const PathPattern& denied : deny.paths) {
        if (!denied.pattern.overlaps(path.pattern)) continue;
        const Taking taking{&deny, &denied, deny.rights, false};
        if (denied.pattern.includes(path.pattern) && deny.except.empty())
          problem(path,
                  "rule '" + rule.name + "' gives " + shown(path) + " to a run, and " + quoted(deny) + " (" +
                      deny.source.text() + ") denies all of it",
                  "rules that each have an effect; deny wins over allow", "remove one of them");
        else if (written && !coverable(taking))
          problem(path,
                  "rule '" + rule.name + "' lets a run write " + shown(path) + ", and nothing can enforce there what " +
                      quoted(deny) + " (" + deny.source.text() + ") denies, " + shown(denied) +
                      ": a match made later could be used",
                  "files and directories that no such pattern reaches into", "name them one by one, or give r");
        else
          out.masks.push_back(mask(taking, written));
      }
    }
  }

  static BoxMount describe(const Region& region) {
    const Pattern& pattern = region.path->pattern;
    BoxMount out;
    out.glob = pattern.shape() == Pattern::Shape::glob;
    out.tree = !pattern.segments().empty() && pattern.segments().back().any_depth();
    out.path = out.glob ? pattern.text() : region.prefix;
    if (out.glob && out.tree) out.path.resize(out.path.size() - std::string_view("/**").size());
    out.rights = region.rights;
    out.optional = region.rule->optional;
    out.rule = region.rule->name;
    out.source = region.path->source;
    return out;
  }

  void settings() {
    BoxPlan& box = out_.box;
    box.policy = policy_.name;
    box.about = policy_.about;
    box.hash = policy_.hash;
    box.workspace_mode = policy_.workspace_mode;
    box.workspace = policy_.workspace;
    box.keep_home = policy_.keep_home;
    box.no_commands = policy_.no_commands;
    box.clock = policy_.clock;
    box.limits = policy_.limits;
    box.degrade = policy_.degrade;
    box.env_pass = policy_.env_pass;
    box.env_set = policy_.env_set;
    box.memory_deny_write_execute = policy_.mdwe;
  }

  const CompiledPolicy& compiled_;
  const Policy& policy_;
  std::optional<Pattern> workspace_;
  std::vector<Region> regions_;
  std::vector<Region> brokered_;  // in no box
  std::vector<const FileRule*> given_up_;
  std::vector<const PathPattern*> contradicting_;
  std::map<const FileRule*, std::pair<size_t, size_t>> refused_;  // its problem, and how many like it
  Plan out_;
  Problems problems_;
};

}  // namespace

std::string_view name(Enforcer enforcer) {
  switch (enforcer) {
    case Enforcer::mount:
      return "mount";
    case Enforcer::broker:
      return "broker";
    case Enforcer::mask:
      return "mask";
    case Enforcer::layer:
      return "layer";
    case Enforcer::nothing:
      return "nothing";
    case Enforcer::absent:
      return "absent";
  }
  return "?";
}

Checked<Plan> plan(const CompiledPolicy& compiled) {
  return Planner(compiled).run();
}

Checked<BoxPlan> plan_box(const CompiledPolicy& compiled) {
  auto out = plan(compiled);
  if (!out) return std::unexpected(std::move(out.error()));
  return std::move(out->box);
}

}  // namespace alos::policy
