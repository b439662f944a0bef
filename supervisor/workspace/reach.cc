#include "supervisor/workspace/reach.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "base/accounts.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/git_config.h"

namespace alos::workspace {
namespace {

constexpr size_t kMaxLinks = 40;        // the kernel follows no more in one path (MAXSYMLINKS)
constexpr size_t kFreeSteps = 128;      // of one link; beyond them all links share a budget
constexpr size_t kMaxSteps = 4096;      // of one link, with both ways where the layer changes another
constexpr size_t kMaxNames = 256;       // of one path
constexpr size_t kMaxVisits = 1024;     // to names that lead to one path
constexpr size_t kMaxChain = 8;         // links into each other that a name is made of
constexpr size_t kMaxConfig = 1 << 20;  // bytes of one configuration file
constexpr size_t kMaxIncludes = 64;

// Lexically, from an absolute directory.
std::string against(const std::string& base, std::string_view path) {
  auto whole = canonical_path(path.starts_with('/') ? std::string(path) : base + "/" + std::string(path));
  return whole ? std::move(*whole) : std::string();
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

std::string home_of(uid_t uid) {
  const auto all = accounts();
  if (!all) return "";
  const auto found = std::ranges::find(*all, uid, &Account::uid);
  return found == all->end() ? "" : found->home;
}

}  // namespace

std::vector<GitConfigFile> git_config_files(uid_t owner) {
  std::vector<GitConfigFile> out;
  const auto variable = [](const char* name) {
    const char* value = ::getenv(name);
    return std::string(value ? value : "");
  };
  const std::string mine = variable("HOME");
  for (const std::string& home : {mine, home_of(owner)}) {
    if (!home.starts_with('/')) continue;
    out.push_back({home + "/.gitconfig", home});
    out.push_back({home + "/.config/git/config", home});
  }
  if (const std::string xdg = variable("XDG_CONFIG_HOME"); xdg.starts_with('/'))
    out.push_back({xdg + "/git/config", mine});
  if (const std::string global = variable("GIT_CONFIG_GLOBAL"); global.starts_with('/')) out.push_back({global, mine});
  out.push_back({"/etc/gitconfig", ""});
  return out;
}

Surroundings surroundings_of(const std::string& workspace) {
  std::vector<std::string> repositories;
  for (std::string at = workspace; (at = std::string(parent_of(at))), !at.empty();) {
    const auto has = [&](const char* name) { return sys::lstatat(AT_FDCWD, at + "/" + name).has_value(); };
    if (has("HEAD") && (has("commondir") || (has("objects") && has("refs")))) repositories.push_back(at);
  }
  return Surroundings::of(workspace, repositories);
}

// Collects names; what they lead to is found afterwards, when all links are known.
class Reach::Survey {
 public:
  Survey(Reach& reach, Tree& host) : reach_(reach), host_(host) {}

  void run(const std::vector<GitConfigFile>& users) {
    if (!users.empty()) home_ = users.front().home;
    walk();
    around();
    for (const std::string& root : roots_) git_file(root);
    for (const std::string& repository : repositories_) of_repository(repository);
    for (const GitConfigFile& user : users)
      of_config(user.path, std::string(parent_of(user.path)), everywhere(), user.home);
  }

 private:
  void walk() {
    std::vector<std::string> work = {""};
    while (!work.empty()) {
      const std::string path = std::move(work.back());
      work.pop_back();
      const auto dir = host_.dir(path);
      if (!dir) continue;
      const auto entries = sys::list(*dir);
      if (!entries) continue;
      const auto has = [&](std::string_view name) {
        return std::any_of(entries->begin(), entries->end(), [&](const sys::Entry& e) { return e.name == name; });
      };
      const bool repository = has("HEAD") && (has("commondir") || (has("objects") && has("refs")));
      const std::string here = reach_.absolute(path);
      if (repository) reach_.repositories_.insert(here), repositories_.insert(here);
      if (has(".git")) roots_.insert(here);
      for (const sys::Entry& entry : *entries) take(path, entry, work);
    }
  }

  void take(const std::string& dir, const sys::Entry& entry, std::vector<std::string>& work) {
    const std::string path = join(dir, entry.name);
    unsigned char type = entry.type;
    if (type == DT_UNKNOWN) {
      const auto node = host_.node(path);
      type = !node ? DT_UNKNOWN : node->type == Type::link ? DT_LNK : node->type == Type::directory ? DT_DIR : DT_REG;
    }
    if (type == DT_LNK) {
      if (auto target = host_.link_target(path))
        reach_.names_.push_back({Kind::link, reach_.absolute(path), reach_.absolute(dir), std::move(*target), "", {}});
    } else if (type == DT_DIR && !is_fan_out(dir, entry.name)) {
      work.push_back(path);
    }
  }

  // Where a repository has its objects in files: many, and its own doing.
  bool is_fan_out(const std::string& dir, const std::string& name) const {
    const bool in_objects = base_of(dir) == "objects" && repositories_.contains(reach_.absolute(parent_of(dir)));
    return in_objects && name.size() == 2;
  }

  // The workspace may be part of a repository that begins above it.
  void around() {
    for (std::string at = reach_.workspace_; (at = std::string(parent_of(at))), !at.empty();)
      if (sys::lstatat(AT_FDCWD, at + "/.git")) {
        roots_.insert(at);
        if (sys::open(at + "/.git", O_RDONLY | O_DIRECTORY)) elsewhere(at + "/.git");
        return;
      }
  }

  // A .git file: of a worktree or submodule, whose repository may lie outside.
  void git_file(const std::string& root) {
    const auto text = sys::read_regular(root + "/.git", kMaxConfig);
    if (!text || !text->starts_with("gitdir: ")) return;
    const std::string directory = against(root, first_line(text->substr(8)));
    if (!directory.empty()) elsewhere(directory);
  }

  void elsewhere(const std::string& directory) {
    if (!repositories_.insert(directory).second && lies_below(directory, reach_.workspace_)) return;
    if (const auto common = sys::read_regular(directory + "/commondir", kMaxConfig))
      if (const std::string shared = against(directory, first_line(*common)); !shared.empty()) {
        repositories_.insert(shared);
        hooks_of(shared);
      }
    hooks_of(directory);
  }

  void hooks_of(const std::string& repository) {
    if (lies_below(repository, reach_.workspace_)) return;  // walked
    const std::string hooks = repository + "/hooks";
    if (const auto st = sys::lstatat(AT_FDCWD, hooks); st && S_ISLNK(st->st_mode)) {
      if (const auto target = sys::readlinkat(AT_FDCWD, hooks))
        obeyed(Kind::tree, "hooks", repository, *target, "git runs it as a hook of " + printable(repository));
      return;
    }
    const auto dir = sys::open(hooks, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) return;
    const auto entries = sys::list(dir->get());
    if (!entries) return;
    for (const sys::Entry& entry : *entries)
      if (auto target = sys::readlinkat(dir->get(), entry.name))
        obeyed(Kind::tree, "hooks/" + entry.name, hooks, *target,
               "git runs it, by " + printable(hooks + "/" + entry.name));
  }

  // `name` is one below .git that git obeys in the same way.
  void obeyed(Kind kind, const std::string& name, const std::string& base, const std::string& target, std::string why) {
    reach_.names_.push_back({kind, reach_.absolute(".git/" + name), base, target, std::move(why), {}});
  }

  std::vector<std::string> everywhere() const {
    std::vector<std::string> out(roots_.begin(), roots_.end());
    out.insert(out.end(), repositories_.begin(), repositories_.end());
    return out;
  }

  void of_repository(const std::string& repository) {
    alternates_of(repository);
    std::vector<std::string> bases = {repository, std::string(parent_of(repository))};
    // A shared configuration holds in every worktree, with paths from its top.
    for (const std::string& root : roots_)
      if (const auto st = sys::lstatat(AT_FDCWD, root + "/.git"); st && S_ISREG(st->st_mode)) bases.push_back(root);
    for (const char* file : {"config", "config.worktree"}) of_config(repository + "/" + file, repository, bases, home_);
  }

  // gitrepository-layout(5): directories that objects are read from as well, relative to that of the objects.
  void alternates_of(const std::string& repository) {
    const std::string objects = repository + "/objects";
    const auto text = sys::read_regular(objects + "/info/alternates", kMaxConfig);
    if (!text && text.error().code == EFBIG) reach_.tangled_ = true;
    for (std::string_view left = text ? *text : std::string_view(); !left.empty();) {
      const size_t end = std::min(left.find('\n'), left.size());
      if (end > 0)
        obeyed(Kind::tree, "objects", objects, std::string(left.substr(0, end)),
               "git reads objects of " + printable(repository) + " from there");
      left.remove_prefix(std::min(end + 1, left.size()));
    }
  }

  // One file and what it includes. `bases`: directories that its commands and hooks may be relative to.
  void of_config(const std::string& file, const std::string& repository, std::vector<std::string> bases,
                 const std::string& home) {
    std::deque<std::string> files = {file};
    std::set<std::string> seen;
    while (!files.empty()) {
      const std::string path = std::move(files.front());
      files.pop_front();
      if (!seen.insert(path).second) continue;
      const auto text = sys::read_regular(path, kMaxConfig);
      if (!text && text.error().code == EFBIG) reach_.tangled_ = true;
      if (!text) continue;
      if (seen.size() > kMaxIncludes) {
        reach_.tangled_ = true;
        return;
      }
      const std::vector<GitSetting> settings = git_settings(*text);
      for (const GitSetting& setting : settings)
        if (setting.key == "core.worktree") bases.push_back(against(repository, setting.value));
      for (const GitSetting& setting : settings) {
        std::string value = setting.value;
        if (value.starts_with("~/") && !home.empty()) value.replace(0, 1, home);
        if (setting.key.starts_with("include") && setting.key.ends_with(".path")) {
          const std::string directory(parent_of(path));
          obeyed(Kind::file, "config", directory, value, "git's configuration includes it");
          files.push_back(against(directory, value));
        } else {
          of_setting(setting.key, value, bases);
        }
      }
    }
  }

  void of_setting(const std::string& key, const std::string& value, const std::vector<std::string>& bases) {
    for (const std::string& base : bases) {
      if (base.empty()) continue;
      if (key == "core.hookspath" || key == "init.templatedir") {
        if (!value.empty()) obeyed(Kind::tree, "hooks", base, value, "git runs hooks from there (" + key + ")");
      } else {
        for (const std::string& word : words_of(value))
          obeyed(Kind::file, "hooks/config", base, word, "git's configuration names it (" + printable(key) + ")");
      }
    }
  }

  Reach& reach_;
  Tree& host_;
  std::string home_;                    // the caller's
  std::set<std::string> roots_;         // directories that hold a .git
  std::set<std::string> repositories_;  // whose configuration holds here
};

Result<Reach> Reach::find(Tree& host, const std::string& workspace, const std::vector<Link>& coming,
                          const std::vector<GitConfigFile>& users, const std::vector<LayerDeny>& denies) {
  Reach reach;
  reach.apart_ = apart_by(denies);
  reach.workspace_ = workspace;
  reach.surroundings_ = surroundings_of(workspace);
  for (const Link& link : coming) {
    const std::string path = reach.absolute(link.path);
    if (link.target) reach.names_.push_back({Kind::link, path, std::string(parent_of(path)), *link.target, "", {}});
    if (!link.target || !link.host_has_one) reach.not_only_.insert(path);
  }
  Survey(reach, host).run(users);
  for (size_t i = 0; i < reach.names_.size(); ++i)
    if (reach.names_[i].kind == Kind::link) reach.links_[reach.names_[i].path].push_back(i);
  size_t steps = kMaxSteps * 1024;
  for (size_t i = 0; i < reach.names_.size() && !reach.tangled_; ++i) reach.resolve(i, steps);
  for (const auto& [path, ignored] : reach.reached_) reach.longest_ = std::max(reach.longest_, path.size());
  reach.weigh();
  return reach;
}

// As the kernel walks, but down both ways where the layer changes a link.
void Reach::resolve(size_t index, size_t& all_steps) {
  struct Walk {
    std::string at;    // resolved so far, absolute
    std::string left;  // still to go
    size_t links = 0;
  };
  const Name& name = names_[index];
  std::vector<Walk> work = {{name.target.starts_with('/') ? "" : name.base, name.target, 0}};
  size_t steps = 0;
  while (!work.empty()) {
    Walk walk = std::move(work.back());
    work.pop_back();
    bool whole = true;
    while (!walk.left.empty()) {
      ++steps;
      if (steps > kFreeSteps && all_steps > 0) --all_steps;
      if (steps > kMaxSteps || all_steps == 0) {
        tangled_ = true;
        return;
      }
      const size_t slash = std::min(walk.left.find('/'), walk.left.size());
      const std::string part = walk.left.substr(0, slash);
      walk.left.erase(0, slash + 1);
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        walk.at = parent_of(walk.at);
        continue;
      }
      const std::string above = walk.at;
      walk.at += "/" + part;
      const auto links = links_.find(walk.at);
      if (links == links_.end()) continue;
      on_way_[walk.at].push_back(index);
      if (walk.links < kMaxLinks)
        for (const size_t link : links->second) {
          const std::string& target = names_[link].target;
          work.push_back({target.starts_with('/') ? "" : above, target + "/" + walk.left, walk.links + 1});
        }
      whole = not_only_.contains(walk.at);
      if (!whole) break;
    }
    if (whole && name.kind == Kind::link) names_[index].ends.push_back(walk.at.empty() ? "/" : walk.at);
    if (whole && lies_below(walk.at, workspace_) && walk.at != name.path) reached_[walk.at].push_back(index);
  }
}

// Calls `act` with each name that leads to `path` or to a directory above it, and with the part of `path` it leads to,
// for as long as it answers true.
template <class Act>
void Reach::each_leading(const std::string& path, const Act& act) const {
  const auto visit = [&](size_t index, size_t length) {
    ++visits_;
    return act(index, length);
  };
  if (const auto through = on_way_.find(path); through != on_way_.end())
    for (const size_t index : through->second)
      if (!visit(index, path.size())) return;
  const size_t last = std::min(longest_, path.size());
  for (size_t end = workspace_.size(); end <= last;) {
    const size_t at = end;
    end = end == path.size() ? end + 1 : std::min(path.find('/', end + 1), path.size());
    const auto names = reached_.find(path.substr(0, at));
    if (names == reached_.end()) continue;
    for (const size_t index : names->second)
      if ((names_[index].kind != Kind::file || at == path.size()) && !visit(index, at)) return;
  }
}

// What is known of a subject under another, absolute, name.
Subject Reach::under(const std::string& path, const Subject& subject) const {
  Subject out = subject;
  out.path = std::string_view(path).substr(workspace_.size() + 1);
  out.repositories.clear();
  out.by = By::another_name;
  out.surroundings = &surroundings_;
  for (std::string_view at = parent_of(out.path);; at = parent_of(at)) {
    if (repositories_.contains(absolute(at))) out.repositories.push_back({at});
    if (at.empty()) return out;
  }
}

bool Reach::matters(const Name& name) const {
  if (name.kind != Kind::link) return true;
  Node link;
  link.type = Type::link;
  const auto apart = [&](const std::string& end) { return apart_(name.path, end).has_value(); };
  return std::ranges::any_of(name.ends, apart) || !hazards(under(name.path, {"", {}, link, "", {}})).empty();
}

Reach::Index Reach::that_matter(const Index& index) const {
  Index out;
  for (const auto& [path, names] : index)
    for (const size_t name : names)
      if (matters_[name]) out[path].push_back(name);
  return out;
}

void Reach::weigh() {
  for (const Name& name : names_) matters_.push_back(matters(name));
  const Index reached = std::move(reached_), on_way = std::move(on_way_);
  bool more = true;
  for (size_t round = 0; more && round <= kMaxLinks; ++round) {
    more = false;
    reached_ = that_matter(reached);
    on_way_ = that_matter(on_way);
    for (size_t i = 0; i < names_.size(); ++i) {
      if (matters_[i]) continue;
      each_leading(names_[i].path, [&](size_t, size_t) {
        matters_[i] = more = true;
        return false;
      });
    }
  }
  if (more) tangled_ = true;
  for (const auto& [path, names] : reached_) {
    const auto is_file = [&](size_t name) { return names_[name].kind == Kind::file; };
    if (names.size() - static_cast<size_t>(std::count_if(names.begin(), names.end(), is_file)) > kMaxNames)
      crowded_.insert(path);
  }
}

// False: there are more.
bool Reach::collect(const std::string& path, Others& others) const {
  bool all = true;
  each_leading(path, [&](size_t index, size_t length) {
    const bool used = std::find(others.used.begin(), others.used.end(), index) != others.used.end();
    all = ++others.visits <= kMaxVisits && !crowded_.contains(path.substr(0, length));
    if (!all || used) return all;
    all = others.used.size() < kMaxChain && others.names.size() < kMaxNames;
    const std::string name = names_[index].path + path.substr(length);
    if (!all || !others.names.emplace(name, index).second) return all;
    others.used.push_back(index);
    all = collect(name, others);
    others.used.pop_back();
    return all;
  });
  return all;
}

std::vector<Flag> Reach::link_flags(const std::string& path) const {
  const auto found = links_.find(absolute(path));
  if (found == links_.end()) return {};
  for (const size_t link : found->second)
    for (const std::string& end : names_[link].ends) {
      if (!lies_below(end, workspace_)) return {{Hazard::link_out, "leads out of the workspace, to " + printable(end)}};
      if (const auto rule = apart_(names_[link].path, end))
        return {{Hazard::link_around, "rule '" + printable(rule->rule) +
                                          "' does not mean the same here as where it leads, at " + printable(end)}};
    }
  return {};
}

std::optional<Denied> Reach::denied(const std::string& path, const Matcher& matcher) const {
  Others others;
  collect(absolute(path), others);  // if there are more, flags() holds it
  for (const auto& [name, index] : others.names) {
    if (names_[index].kind != Kind::link) continue;
    auto found = matcher(name);
    if (!found) continue;
    const std::string by = "by the name " + printable(std::string_view(name).substr(workspace_.size() + 1));
    return Denied{found->rule, by + (found->reason.empty() ? "" : ": " + found->reason)};
  }
  return std::nullopt;
}

std::vector<Flag> Reach::flags(const Subject& subject) const {
  std::vector<Flag> out;
  Others others;
  if (tangled_ || !collect(absolute(subject.path), others))
    return {{Hazard::git, "more links and configuration lead to it than can be followed"}};
  others.names.erase(absolute(subject.path));
  for (const auto& [path, index] : others.names) {
    const std::string& why = names_[index].why;
    const Subject other = under(path, subject);
    for (const Flag& flag : hazards(other)) {
      const auto same = [&](const Flag& known) { return known.hazard == flag.hazard; };
      if (std::none_of(out.begin(), out.end(), same))
        out.push_back({flag.hazard, why.empty() ? flag.reason + ", by the name " + printable(other.path) : why});
    }
  }
  return out;
}

}  // namespace alos::workspace
