#include "supervisor/workspace/hazards.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/paths.h"
#include "supervisor/workspace/denies.h"
#include "supervisor/workspace/hazard_match.h"

namespace alos::workspace {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What git executes, or takes commands and addresses from, by the path below a repository's directory.
std::optional<std::string> executed(std::span<const std::string> below, Type type) {
  const std::string& first = below.front();
  const std::string& last = below.back();
  // A branch may be named hooks/x.
  if (is_one_of(first, {"logs", "objects", "refs", "packed-refs", "reftable"})) return std::nullopt;
  const bool hook = std::find(below.begin(), below.end(), "hooks") != below.end();
  if (hook && type != Type::link && last.ends_with(".sample")) return std::nullopt;  // which git never runs
  if (hook) return "git runs it as a hook";
  if (last == "config" || last == "config.worktree") return "git takes commands from it";
  if (last == "commondir" || last == "gitdir") return "points git at another directory";
  if (first == "remotes" || first == "branches") return "git fetches from what it names, which may be a command";
  if (is_one_of(first, {"rebase-merge", "rebase-apply", "sequencer"}))
    return "an interrupted rebase goes on from it, commands included";
  if (type == Type::link) return "a link in git's own directory, which git would follow";
  return std::nullopt;
}

// Git acts on names that it made itself, by content that it does not check again (an object is read by its name): what
// is held back as a file would come with the next checkout, commit, pop or push. So all of a repository is held.
std::optional<Flag> in_repository(std::span<const std::string> below, Type type, bool known) {
  if (below.empty()) return std::nullopt;
  if (type != Type::directory)
    if (auto why = executed(below, type)) return Flag{Hazard::git, std::move(*why)};
  const bool named = is_one_of(below.front(), {"objects", "refs", "logs", "packed-refs", "reftable", "info", "lfs"}) ||
                     (below.size() == 1 && is_one_of(below.front(), {"head", "index"}));
  if (!known && !named) return std::nullopt;
  return Flag{Hazard::repository,
              "git's own data, which brings commits, or files staged, that apply has not looked at"};
}

size_t own_parts(const Subject& subject) {
  return subject.surroundings ? subject.surroundings->parts.size() : 0;
}

std::optional<Flag> by_git(const Subject& subject, const Parts& parts, Type type) {
  if (type != Type::directory) {
    if (is_one_of(parts.back(), {".gitmodules", ".lfsconfig"})) return Flag{Hazard::git, "git fetches what it names"};
    if (parts.back() == ".gitattributes")
      return Flag{Hazard::git, "git chooses by it which programs files pass through"};
  }
  size_t nested = 0;
  std::optional<Flag> found;
  const auto take = [&](std::optional<Flag> flag) {
    if (flag && (!found || found->hazard != Hazard::git)) found = std::move(flag);
  };
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] != ".git") continue;
    if (++nested > 64) return Flag{Hazard::git, "hides below many directories named .git"};
    if (i + 1 == parts.size() && type != Type::directory) return Flag{Hazard::git, "points git at another directory"};
    take(in_repository(std::span(parts).subspan(i + 1), type, true));
  }
  for (const Repository& repository : subject.repositories) {
    const size_t depth = own_parts(subject) + split_lower(repository.path).size();
    take(in_repository(std::span(parts).subspan(std::min(depth, parts.size())), type, repository.on_host));
  }
  if (subject.surroundings)
    for (const size_t depth : subject.surroundings->repositories)
      take(in_repository(std::span(parts).subspan(depth), type, true));
  return found;
}

// The part that was missing until a directory is a repository to git.
bool completes(const Subject& subject) {
  if (subject.before.there() || subject.repositories.empty() || subject.repositories.back().on_host) return false;
  if (parent_of(subject.path) != subject.repositories.back().path) return false;
  const std::string base = split_lower(base_of(subject.path)).back();
  return base == "head" || base == "objects" || base == "refs" || base == "commondir";
}

void by_mode(const Subject& subject, std::vector<Flag>& flags) {
  const Node &before = subject.before, &after = subject.after;
  const bool has_mode = after.type == Type::file || after.type == Type::directory;
  const bool could_before = before.type == after.type && (before.mode & S_IWOTH) != 0;
  if (has_mode && (after.mode & S_IWOTH) != 0 && !could_before)
    flags.push_back({Hazard::writable, "anybody on the machine may write to it"});
  // What a directory holds is often private by the directory alone.
  const mode_t opens = after.type == Type::directory ? 0077 : 0066;
  if (has_mode && before.type == after.type && (after.mode & ~before.mode & opens) != 0)
    flags.push_back({Hazard::exposed, "others than its owner may get at it, and not before"});
  // The setgid bit of a directory is not applied, and comes with the directory around it anyway.
  const mode_t set_id = after.mode & (S_ISUID | S_ISGID);
  if (after.type != Type::file) return;
  const bool could = subject.before.type == Type::file && (subject.before.mode & 0111) != 0;
  if ((subject.after.mode & 0111) != 0 && !could) flags.push_back({Hazard::executable, "is newly executable"});
  if (set_id != 0)
    flags.push_back({Hazard::set_id,
                     set_id & S_ISUID ? "is setuid; applied without that bit" : "is setgid; applied without that bit"});
}

}  // namespace

std::string_view name(Hazard hazard) {
  constexpr std::string_view kNames[] = {"git",         "repository", "agent",     "prompt",     "editor", "shell",
                                         "build",       "dependency", "autostart", "executable", "set-id", "link-out",
                                         "link-around", "writable",   "exposed",   "interrupted"};
  static_assert(std::size(kNames) == static_cast<size_t>(Hazard::interrupted) + 1);
  return kNames[static_cast<size_t>(hazard)];
}

bool leads_out(std::string_view path, std::string_view target) {
  if (target.starts_with('/')) return true;
  const std::string_view parent = parent_of(path);
  long depth = parent.empty() ? 0 : std::count(parent.begin(), parent.end(), '/') + 1;
  for (const std::string& part : split_lower(target)) {
    if (part == "..") --depth;
    if (part != ".." && part != "." && !part.empty()) ++depth;
    if (depth < 0) return true;
  }
  return false;
}

Surroundings Surroundings::of(std::string_view workspace, const std::vector<std::string>& repositories) {
  const auto parts_of = [](std::string_view path) { return split_lower(path.substr(path.starts_with('/') ? 1 : 0)); };
  Surroundings out{parts_of(workspace), {}};
  for (const std::string& repository : repositories) out.repositories.push_back(parts_of(repository).size());
  return out;
}

std::optional<std::string_view> whole_of(const Subject& subject) {
  if (const Surroundings* around = subject.surroundings)
    if (!around->repositories.empty() || std::ranges::find(around->parts, ".git") != around->parts.end()) return "";
  for (const Repository& repository : subject.repositories)
    if (repository.on_host && repository.path.empty()) return "";
  std::string before;
  for (size_t at = 0; at < subject.path.size();) {
    const size_t end = std::min(subject.path.find('/', at), subject.path.size());
    const std::string part = split_lower(subject.path.substr(at, end - at)).front();
    const std::string_view here = subject.path.substr(0, end);
    const auto is_repository = [&](const Repository& r) { return r.on_host && r.path == here; };
    const bool repository = part == ".git" || std::ranges::any_of(subject.repositories, is_repository);
    const std::string two = before + "/" + part;
    const auto is_tree = [&](std::string_view tree) {
      tree.remove_suffix(1);
      return tree == part || tree == two;
    };
    if ((repository && end < subject.path.size()) || std::ranges::any_of(dependency_trees(), is_tree)) return here;
    before = part;
    at = end + 1;
  }
  return std::nullopt;
}

std::vector<Flag> hazards(const Subject& subject) {
  std::vector<Flag> flags;
  const bool gone = !subject.after.there();
  if (subject.by == By::own_name) by_mode(subject, flags);
  if (subject.path.empty()) return flags;
  const Type type = (gone ? subject.before : subject.after).type;
  Parts parts = subject.surroundings ? subject.surroundings->parts : Parts();
  std::ranges::move(split_lower(subject.path), std::back_inserter(parts));
  if (completes(subject)) {
    flags.push_back({Hazard::git, "makes its directory a git repository"});
  } else if (auto flag = by_git(subject, parts, type)) {
    flags.push_back({flag->hazard, gone ? "takes away what git obeys" : std::move(flag->reason)});
  }
  for (const Known* known : known_for(parts, own_parts(subject), subject.after.type)) {
    const bool dependency = known->hazard == Hazard::dependency;
    // A directory does nothing by itself: what lies in it is judged on its own. A link into a tree of dependencies is
    // how a package manager finds the project's own packages.
    if (dependency ? subject.by == By::another_name : type == Type::directory) continue;
    const auto same = [&](const Flag& flag) { return flag.hazard == known->hazard; };
    if ((!gone || known->gone) && std::ranges::none_of(flags, same))
      flags.push_back({known->hazard, gone ? known->gone : known->reason});
  }
  if (subject.by == By::own_name && subject.after.type == Type::link && leads_out(subject.path, subject.link_target))
    flags.push_back({Hazard::link_out, "leads out of the workspace, to " + printable(subject.link_target)});
  return flags;
}

}  // namespace alos::workspace
