#include "supervisor/workspace/home_links.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <deque>
#include <set>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {
namespace {

// Below the home, without a link in it; "" is the home.
struct Item {
  size_t home;
  std::string path;
};

struct Home {
  std::string named, real;  // with links in it, and without
  Tree tree;
};

// Filled by programs with tens of thousands of directories, and with no link that a person put there. What a package
// manager links is a package of a project, as in the workspace.
bool is_bulk(const std::string& path, const std::string& name) {
  constexpr std::string_view kNames[] = {"node_modules", "site-packages", "dist-packages", "_cacache"};
  constexpr std::string_view kPaths =
      " .cache .npm/_npx .cargo/registry .cargo/git .rustup/toolchains .gradle/caches .m2/repository .ivy2 "
      ".nuget/packages "
      ".pub-cache .julia .opam .ghcup .stack/snapshots .cabal/packages .pyenv/versions .rbenv/versions .asdf/installs "
      ".sdkman/candidates .conda/pkgs .local/share/mise/installs .local/share/pnpm .local/share/uv "
      ".platformio/packages "
      ".arduino15/packages .android .vscode-server .cursor-server .local/share/Trash .local/share/Steam .steam .wine "
      ".mozilla .config/chromium .config/google-chrome ";
  if (name == "objects") return path.find(".git/") != path.npos;
  return std::ranges::find(kNames, name) != std::end(kNames) || kPaths.find(" " + path + " ") != kPaths.npos;
}

std::vector<Home> open_all(const std::vector<std::string>& names) {
  std::vector<Home> out;
  for (const std::string& name : names) {
    char* real = ::realpath(name.c_str(), nullptr);
    if (!real) continue;
    std::string path(real);
    ::free(real);
    const bool known = std::ranges::any_of(out, [&](const Home& home) { return home.real == path; });
    if (auto tree = Tree::open(path); tree && !known && path != "/") out.push_back({name, path, std::move(*tree)});
  }
  return out;
}

}  // namespace

HomeLinks home_links(const std::vector<std::string>& homes, const std::string& workspace, size_t most) {
  HomeLinks out;
  std::vector<Home> all = open_all(homes);
  std::deque<Item> work;
  for (size_t i = 0; i < all.size(); ++i) work.push_back({i, ""});
  size_t read = 0;
  for (; !work.empty(); work.pop_front()) {
    const Item& item = work.front();
    Home& home = all[item.home];
    if (lies_below(home.real + "/" + item.path, workspace)) continue;
    if (++read > most) {
      if (out.unread++ == 0) out.first_unread = home.named + "/" + item.path;
      continue;
    }
    const auto dir = home.tree.dir(item.path);
    const auto entries = dir ? sys::list(*dir) : Result<std::vector<sys::Entry>>(std::vector<sys::Entry>());
    if (!entries) continue;
    for (const sys::Entry& entry : *entries) {
      if (item.path.empty() && !entry.name.starts_with('.') && entry.name != "bin") continue;
      const std::string path = join(item.path, entry.name);
      unsigned char type = entry.type;
      if (type == DT_UNKNOWN) {
        const auto st = sys::lstatat(*dir, entry.name);
        type = st && S_ISLNK(st->st_mode) ? DT_LNK : st && S_ISDIR(st->st_mode) ? DT_DIR : DT_REG;
      }
      if (type == DT_DIR && !is_bulk(path, entry.name)) work.push_back({item.home, path});
      if (type != DT_LNK) continue;
      if (auto target = sys::readlinkat(*dir, entry.name))
        out.links.push_back({home.named + "/" + path, join(home.real, item.path), std::move(*target)});
    }
  }
  return out;
}

}  // namespace alos::workspace
