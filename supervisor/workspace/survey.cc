#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/git_config.h"
#include "supervisor/workspace/git_paths.h"
#include "supervisor/workspace/home_links.h"
#include "supervisor/workspace/reach.h"

namespace alos::workspace {
namespace {

constexpr size_t kMaxConfig = 1 << 20;  // bytes of one configuration file
constexpr size_t kMaxIncludes = 64;
constexpr const char* kTooMuch = "git's configuration is more than can be followed";

// As the kernel resolves it, from an absolute directory; lexically where it is not there.
std::string real(const std::string& base, const std::string& path) {
  const std::string whole = path.starts_with('/') ? path : base + "/" + path;
  if (char* resolved = ::realpath(whole.c_str(), nullptr)) {
    std::string out(resolved);
    ::free(resolved);
    return out;
  }
  return canonical_path(whole).value_or("");
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

}  // namespace

// Collects names; what they lead to is found afterwards, when all links are known.
class Reach::Survey {
 public:
  Survey(Reach& reach, Tree& host) : reach_(reach), host_(host) {}

  void run(const Users& users) {
    homes_ = users.homes;
    walk();
    around();
    for (const std::string& root : roots_) git_of(root);
    for (const std::string& repository : repositories_) of_repository(repository);
    for (const GitConfigFile& user : users.git)
      of_config(user.path, std::string(parent_of(user.path)), everywhere(), user.homes);
    dotfiles();
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

  // The workspace may be part of repositories that begin above it: git passes over an inner one that it finds invalid.
  void around() {
    for (std::string at = reach_.workspace_; (at = std::string(parent_of(at))), !at.empty();) {
      if (sys::lstatat(AT_FDCWD, at + "/.git")) roots_.insert(at);
      if (is_git_directory(at)) elsewhere(at);
    }
  }

  // A .git of the workspace or above it. A directory of the workspace was walked. A link is followed by git, and a file
  // names a directory: of a worktree or submodule, whose repository may lie outside.
  void git_of(const std::string& root) {
    const std::string path = root + "/.git";
    const auto st = sys::lstatat(AT_FDCWD, path);
    if (!st) return;
    if (S_ISDIR(st->st_mode) && !lies_below(path, reach_.workspace_)) elsewhere(path);
    if (S_ISLNK(st->st_mode)) {
      names_git(root, ".git", path);
      repositories_.insert(path);
      elsewhere(real(root, ".git"));
    }
    const auto text = S_ISDIR(st->st_mode) ? fail("read", path, EISDIR) : sys::read_regular(path, kMaxConfig);
    if (!text || !text->starts_with("gitdir: ")) return;
    const std::string directory = first_line(text->substr(8));
    names_git(root, directory, path);
    elsewhere(real(root, directory));
  }

  // Whatever is or will be there is a repository to git.
  void names_git(const std::string& base, const std::string& target, const std::string& by) {
    reach_.names_.push_back(
        {Kind::tree, reach_.absolute(".git"), base, target, "git takes it for its own, by " + printable(by), {}});
  }

  void elsewhere(const std::string& directory) {
    if (directory.empty() || (!repositories_.insert(directory).second && lies_below(directory, reach_.workspace_)))
      return;
    if (const auto common = sys::read_regular(directory + "/commondir", kMaxConfig))
      if (const std::string shared = real(directory, first_line(*common)); !shared.empty()) {
        repositories_.insert(shared);
        links_of(shared);
      }
    links_of(directory);
  }

  // Of a repository outside, whose files may lie in the workspace.
  void links_of(const std::string& repository) {
    if (lies_below(repository, reach_.workspace_)) return;  // walked
    for (const char* place : {"", "hooks", "info", "objects", "objects/info", "objects/pack", "refs", "refs/heads"}) {
      const std::string directory = join(repository, place);
      const auto dir = sys::open(directory, O_RDONLY | O_DIRECTORY);
      const auto entries = dir ? sys::list(dir->get()) : fail("list", directory, ENOENT);
      if (!entries) continue;
      for (const sys::Entry& entry : *entries) {
        if (entry.type != DT_LNK && entry.type != DT_UNKNOWN) continue;
        const auto target = sys::readlinkat(dir->get(), entry.name);
        const std::string name = join(place, entry.name);
        const char* how = name.starts_with("hooks") ? "git runs it, by " : "git keeps it, by ";
        if (target) obeyed(Kind::tree, name, directory, *target, how + printable(join(repository, name)));
      }
    }
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
    for (const char* file : {"config", "config.worktree"})
      of_config(repository + "/" + file, repository, bases, homes_);
  }

  // gitrepository-layout(5): directories that objects are read from as well, relative to that of the objects.
  void alternates_of(const std::string& repository) {
    const std::string objects = repository + "/objects";
    const auto text = sys::read_regular(objects + "/info/alternates", kMaxConfig);
    if (!text && text.error().code == EFBIG) reach_.held_ = kTooMuch;
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
                 const std::vector<std::string>& homes) {
    if (!lies_below(file, reach_.workspace_))
      obeyed(Kind::file, "config", "", file, "git takes commands from it, by " + printable(file));
    std::deque<std::string> files = {file};
    std::set<std::string> seen;
    while (!files.empty()) {
      const std::string path = std::move(files.front());
      files.pop_front();
      if (!seen.insert(path).second) continue;
      const auto text = sys::read_regular(path, kMaxConfig);
      if (!text && text.error().code == EFBIG) reach_.held_ = kTooMuch;
      if (!text) continue;
      if (seen.size() > kMaxIncludes) {
        reach_.held_ = kTooMuch;
        return;
      }
      const std::vector<GitSetting> settings = git_settings(*text);
      for (const GitSetting& setting : settings)
        if (setting.key == "core.worktree") bases.push_back(real(repository, setting.value));
      const std::string directory(parent_of(path));
      for (const GitSetting& setting : settings)
        if (!setting.key.starts_with("include") || !setting.key.ends_with(".path")) {
          of_setting(setting, bases, homes);
        } else {
          for (const std::string& included : paths_of(setting.value, homes, path)) {
            obeyed(Kind::file, "config", directory, included, "git's configuration includes it");
            files.push_back(included.starts_with('/') ? included : directory + "/" + included);
          }
        }
    }
  }

  std::vector<std::string> paths_of(const std::string& value, const std::vector<std::string>& homes,
                                    const std::string& file) {
    GitPath path = git_path(value, homes);
    if (!path.unknown.empty())
      reach_.held_ = "git's configuration, " + printable(file) + ", names the home of '" + printable(path.unknown) +
                     "', which is not known here";
    return path.paths;
  }

  void of_setting(const GitSetting& setting, const std::vector<std::string>& bases,
                  const std::vector<std::string>& homes) {
    const std::string key = printable(setting.key);
    const bool hooks = setting.key == "core.hookspath" || setting.key == "init.templatedir";
    std::vector<std::pair<Kind, std::string>> named;
    if (hooks && !setting.value.empty())
      for (std::string& path : paths_of(setting.value, homes, key)) named.emplace_back(Kind::tree, std::move(path));
    if (!hooks)
      for (const std::string& word : words_of(setting.value))
        for (std::string& path : git_path(word, homes).paths) named.emplace_back(Kind::file, std::move(path));
    const std::string why = (hooks ? "git runs hooks from there (" : "git's configuration names it (") + key + ")";
    for (const auto& [kind, path] : named) {
      const auto obeyed_from = [&](const std::string& base) {
        obeyed(kind, hooks ? "hooks" : "hooks/config", base, path, why);
      };
      if (path.starts_with('/'))
        obeyed_from("");  // in every repository of the machine
      else
        std::ranges::for_each(bases, obeyed_from);
    }
  }

  void dotfiles() {
    for (const std::string& home : homes_) reach_.homes_.push_back({home, Surroundings::of(home, {})});
    HomeLinks found = home_links(homes_, reach_.workspace_);
    for (HomeLink& link : found.links)
      reach_.names_.push_back(
          {Kind::dotfile, std::move(link.path), std::move(link.base), std::move(link.target), "", {}});
    if (found.unread > 0)
      reach_.unseen_ = "links into the workspace were looked for in the " + std::to_string(kMostHomeDirectories) +
                       " directories that are nearest to the homes; not in " + std::to_string(found.unread) +
                       " others, " + printable(found.first_unread) + " among them";
  }

  Reach& reach_;
  Tree& host_;
  std::vector<std::string> homes_;
  std::set<std::string> roots_;         // directories that hold a .git
  std::set<std::string> repositories_;  // whose configuration holds here
};

void Reach::survey(Tree& host, const Users& users) {
  Survey(*this, host).run(users);
}

}  // namespace alos::workspace
