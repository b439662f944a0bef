#include "supervisor/host/guard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <optional>
#include <set>

#include "base/accounts.h"
#include "base/paths.h"
#include "base/sys.h"

namespace alos::host {
namespace {

using Node = std::pair<dev_t, ino_t>;

std::optional<Node> node_of(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  return Node{st.st_dev, st.st_ino};
}

// What is there of the path and every directory above it, by identity.
std::set<Node> with_parents(std::string path) {
  std::set<Node> out;
  char real[PATH_MAX];
  while (!::realpath(path.c_str(), real)) {
    if (path.size() <= 1) return out;
    path.resize(std::max<size_t>(1, path.rfind('/')));
  }
  for (std::string at = real;;) {
    if (const auto node = node_of(at)) out.insert(*node);
    if (at.size() <= 1) return out;
    at.resize(std::max<size_t>(1, at.rfind('/')));
  }
}

}  // namespace

Result<void> refuse_own_files(const std::vector<std::string>& writable, const std::vector<Protected>& own) {
  for (const Protected& mine : own) {
    const std::set<Node> above_mine = with_parents(mine.path);
    const auto me = node_of(mine.path);
    for (const std::string& path : writable) {
      const auto node = node_of(path);
      if (!node) continue;
      const bool contains = above_mine.contains(*node);
      const bool below = me && with_parents(path).contains(*me);
      if (!contains && !below) continue;
      return fail("workspace", printable(path), EPERM,
                  fmt::format("a box would have it, and it {} alos's own {} ({}); choose another directory",
                              contains ? "contains" : "lies below", mine.what, mine.path));
    }
  }
  return {};
}

Result<std::vector<Home>> homes_of_people(const std::string& mine, const std::string& sudo_uid,
                                          const std::string& accounts_file) {
  constexpr uid_t kFirstPerson = 1000;  // below are the system's own (login.defs(5), UID_MIN)
  std::vector<Home> out;
  if (mine.starts_with('/')) out.push_back({"your home", mine});
  auto all = accounts(accounts_file);
  if (!all && all.error().code == ENOENT) return out;
  if (!all) return fail("open", accounts_file, all.error().code, "it says which directories are homes");
  for (const Account& account : *all) {
    const bool person = account.uid == 0 || account.uid >= kFirstPerson || std::to_string(account.uid) == sudo_uid;
    if (person && account.home.starts_with('/'))
      out.push_back({fmt::format("the home of '{}'", printable(account.name)), account.home});
  }
  return out;
}

Result<void> refuse_whole_home(const std::string& workspace, const std::vector<Home>& homes) {
  const auto node = node_of(workspace);
  if (!node) return {};
  if (node == node_of("/"))
    return fail("workspace", printable(workspace), EPERM,
                "the whole machine is no workspace; name a project's directory");
  for (const Home& home : homes)
    if (node_of(home.path) && with_parents(home.path).contains(*node))
      return fail("workspace", printable(workspace), EPERM,
                  fmt::format("it is or contains {} ({}), with every key and token in it; name a project's directory",
                              home.whose, printable(home.path)));
  return {};
}

}  // namespace alos::host
