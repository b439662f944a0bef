#include "supervisor/box/cgroup_view.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/sys.h"

namespace alos::box {
namespace {

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(by, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool names(std::string_view list, std::string_view word) {
  for (const std::string_view item : split(list, ','))
    if (item == word) return true;
  return false;
}

// Where the mount that shows `root` of a hierarchy shows `path` of it: a container's mount may begin below the root.
// "/..", as a cgroup namespace shows what lies outside of it, is shown nowhere.
std::optional<std::string> join(std::string_view mount_point, std::string_view root, std::string_view path) {
  if (path.starts_with("/..")) return std::nullopt;
  if (root == "/") root = "";
  if (!path.starts_with(root)) return std::nullopt;
  std::string out(mount_point);
  out += path.substr(root.size());
  while (out.ends_with('/')) out.pop_back();
  return out;
}

bool may(const std::string& path, int how) {
  return ::access(path.c_str(), how) == 0;
}

std::set<std::string> words_in(const std::string& path) {
  std::set<std::string> out;
  const std::string text = sys::read_file(path, 4096).value_or("");
  for (const std::string_view line : split(text, '\n'))
    for (const std::string_view word : split(line, ' '))
      if (!word.empty()) out.emplace(word);
  return out;
}

std::vector<pid_t> processes_in(const std::string& directory) {
  std::vector<pid_t> out;
  const std::string text = sys::read_file(directory + "/cgroup.procs", 1 << 20).value_or("");
  for (const std::string_view line : split(text, '\n')) {
    pid_t pid = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), pid).ec == std::errc()) out.push_back(pid);
  }
  return out;
}

// trusted.* is for root's eyes, user.* for those of the user who was given the group.
bool is_delegated(const std::string& directory) {
  char value = 0;
  for (const char* mark : {"trusted.delegate", "user.delegate"})
    if (::getxattr(directory.c_str(), mark, &value, 1) == 1 && value == '1') return true;
  return false;
}

Group group_at(const std::string& directory) {
  Group out;
  out.directory = directory;
  out.controllers = words_in(directory + "/cgroup.controllers");
  out.handed_down = words_in(directory + "/cgroup.subtree_control");
  out.top = !may(directory + "/cgroup.type", F_OK);  // every group but the root has one
  if (!out.top) out.processes = processes_in(directory);
  out.delegated = is_delegated(directory);
  out.writable = may(directory, W_OK | X_OK) && may(directory + "/cgroup.procs", W_OK) &&
                 may(directory + "/cgroup.subtree_control", W_OK);
  return out;
}

struct Mount {
  std::string_view root, point, type, options;
};

// "36 35 98:0 /root /mount/point options... - type source super-options" (proc_pid_mountinfo(5))
std::optional<Mount> mount_in(std::string_view line) {
  const auto words = split(line, ' ');
  size_t dash = 0;
  while (dash < words.size() && words[dash] != "-") ++dash;
  if (words.size() < 7 || dash + 3 >= words.size()) return std::nullopt;
  return Mount{words[3], words[4], words[dash + 1], words[dash + 3]};
}

// "4:memory:/path", of v2 "0::/path"
struct Membership {
  std::string_view controllers, path;
  bool v2;
};
std::optional<Membership> membership_in(std::string_view line) {
  const auto parts = split(line, ':');
  if (parts.size() < 3) return std::nullopt;
  return Membership{parts[1], line.substr(parts[0].size() + parts[1].size() + 2), parts[0] == "0" && parts[1].empty()};
}

void see_v1(CgroupView& view, const Mount& mount, const Membership& own) {
  if (own.controllers.empty() || !names(mount.options, own.controllers.substr(0, own.controllers.find(',')))) return;
  const auto directory = join(mount.point, mount.root, own.path);
  if (!directory || !may(*directory, W_OK | X_OK)) return;
  for (const auto& [name, where] : {std::pair{"memory", &view.memory},
                                    {"pids", &view.pids},
                                    {"cpu", &view.cpu},
                                    {"cpuacct", &view.cpuacct},
                                    {"freezer", &view.freezer}})
    if (names(own.controllers, name)) *where = *directory;
}

void see_v2(CgroupView& view, const Mount& mount, const Membership& own) {
  const auto directory = join(mount.point, mount.root, own.path);
  if (!directory) return;
  const std::string root(mount.point);
  view.root = group_at(root);
  view.own = *directory == root ? view.root : group_at(*directory);
  // Every file costs a launch some microseconds: without controllers there is nothing that the group above could hold.
  if (*directory != root && !view.root->controllers.empty())
    view.parent = group_at(directory->substr(0, directory->rfind('/')));
}

// The user's manager owns a group (user@UID.service) of which it can give parts away, and is asked over the user's bus.
std::set<std::string> manager_controllers(const CgroupView& view, uid_t uid, const MachineFiles& files) {
  if (uid == 0 || !view.root || !may(files.systemd, F_OK) || !may(files.busctl, X_OK)) return {};
  const char* runtime = ::getenv("XDG_RUNTIME_DIR");
  const bool bus = ::getenv("DBUS_SESSION_BUS_ADDRESS") || (runtime && may(std::string(runtime) + "/bus", R_OK | W_OK));
  if (!bus) return {};
  return words_in(
      fmt::format("{0}/user.slice/user-{1}.slice/user@{1}.service/cgroup.controllers", view.root->directory, uid));
}

// By the release and not by trying, which would cost a launch a process: before 5.14 the limit counts everything that
// the user has anywhere.
bool counts_processes_per_namespace() {
  utsname name{};
  int major = 0, minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 14);
}

}  // namespace

Result<Machine> read_machine(const MachineFiles& files) {
  const std::string mounts = TRY(sys::read_file(files.mountinfo, 4 << 20));
  const std::string memberships = TRY(sys::read_file(files.cgroup, 1 << 16));
  Machine out;
  out.uid = ::geteuid();
  out.self = ::getpid();
  out.systemd = may(files.systemd, F_OK);
  out.process_limit = counts_processes_per_namespace();
  for (const std::string_view line : split(mounts, '\n')) {
    const auto mount = mount_in(line);
    if (!mount || (mount->type != "cgroup" && mount->type != "cgroup2")) continue;
    const bool v2 = mount->type == "cgroup2";
    for (const std::string_view entry : split(memberships, '\n')) {
      const auto own = membership_in(entry);
      if (!own || own->v2 != v2) continue;
      if (v2)
        see_v2(out.view, *mount, *own);
      else
        see_v1(out.view, *mount, *own);
    }
  }
  out.manager = manager_controllers(out.view, out.uid, files);
  return out;
}

Result<bool> has_v1_controllers(const MachineFiles& files) {
  const std::string memberships = TRY(sys::read_file(files.cgroup, 1 << 16));
  for (const std::string_view entry : split(memberships, '\n')) {
    const auto own = membership_in(entry);
    if (own && !own->controllers.empty() && !own->controllers.starts_with("name=")) return true;
  }
  return false;
}

Result<std::string> unified_path(const MachineFiles& files) {
  const std::string memberships = TRY(sys::read_file(files.cgroup, 1 << 16));
  for (const std::string_view entry : split(memberships, '\n'))
    if (const auto own = membership_in(entry); own && own->v2) return std::string(own->path);
  return fail("cgroup", files.cgroup, ENOENT, "this kernel shows no cgroup v2");
}

}  // namespace alos::box
