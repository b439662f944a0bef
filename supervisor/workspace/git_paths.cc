#include "supervisor/workspace/git_paths.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/accounts.h"
#include "base/sys.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {
namespace {

std::string variable(const char* name) {
  const char* value = ::getenv(name);
  return value ? value : "";
}

template <class Key>
std::string home_of(Key Account::* key, const Key& wanted) {
  const auto all = accounts();
  if (!all) return "";
  const auto found = std::ranges::find(*all, wanted, key);
  return found == all->end() ? "" : found->home;
}

// Where a git may have been installed: the usual ones, and the one that the caller would start.
const std::vector<std::string>& prefixes() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out = {"/usr", "/usr/local"};
    const std::string path = variable("PATH");
    for (std::string_view left = path; !left.empty();) {
      const std::string_view dir = left.substr(0, left.find(':'));
      left.remove_prefix(std::min(dir.size() + 1, left.size()));
      const std::string prefix(parent_of(dir));
      if (dir.starts_with('/') && std::ranges::find(out, prefix) == out.end() &&
          ::access((std::string(dir) + "/git").c_str(), X_OK) == 0)
        out.push_back(prefix);
    }
    return out;
  }();
  return all;
}

}  // namespace

bool is_git_directory(const std::string& path) {
  const auto has = [&](const char* name) { return sys::lstatat(AT_FDCWD, path + "/" + name).has_value(); };
  return has("HEAD") && (has("commondir") || (has("objects") && has("refs")));
}

std::vector<std::string> homes_of(uid_t owner) {
  std::vector<std::string> out;
  for (const std::string& home : {variable("HOME"), home_of(&Account::uid, owner)})
    if (home.starts_with('/') && std::ranges::find(out, home) == out.end()) out.push_back(home);
  return out;
}

std::vector<GitConfigFile> git_config_files(uid_t owner) {
  std::vector<GitConfigFile> out;
  const std::vector<std::string> homes = homes_of(owner);
  for (const std::string& home : homes) {
    out.push_back({home + "/.gitconfig", {home}});
    out.push_back({home + "/.config/git/config", {home}});
  }
  if (const std::string xdg = variable("XDG_CONFIG_HOME"); xdg.starts_with('/'))
    out.push_back({xdg + "/git/config", homes});
  for (const char* name : {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"})
    if (const std::string file = variable(name); file.starts_with('/')) out.push_back({file, homes});
  out.push_back({"/etc/gitconfig", homes});
  for (const std::string& prefix : prefixes()) out.push_back({prefix + "/etc/gitconfig", homes});
  return out;
}

GitPath git_path(std::string_view value, const std::vector<std::string>& homes) {
  constexpr std::string_view kOptional = ":(optional)", kPrefix = "%(prefix)/";
  if (value.starts_with(kOptional)) value.remove_prefix(kOptional.size());
  const auto below = [](const std::vector<std::string>& all, std::string_view rest) {
    GitPath out;
    for (const std::string& one : all) out.paths.push_back(one + std::string(rest));
    return out;
  };
  if (value.starts_with(kPrefix)) return below(prefixes(), value.substr(kPrefix.size() - 1));
  if (!value.starts_with('~')) return {{std::string(value)}, ""};
  const size_t end = std::min(value.find('/'), value.size());
  const std::string user(value.substr(1, end - 1));
  if (user.empty()) return below(homes, value.substr(end));
  const std::string home = home_of(&Account::name, user);
  return home.empty() ? GitPath{{}, user} : below({home}, value.substr(end));
}

}  // namespace alos::workspace
