#include "supervisor/box/sources.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <map>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/expand.h"
#include "supervisor/box/kernel_abi.h"

namespace alos::box {
namespace {

using policy::BoxMount;
using policy::Right;
using policy::Rights;

std::string rule_text(const BoxMount& mount) {
  return fmt::format("rule '{}' ({})", mount.rule, mount.source.text());
}

Result<UniqueFd> detach(int fd, uint64_t attributes, std::string_view object) {
  const long rc = ::syscall(SYS_open_tree, fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
  if (rc < 0) return fail_errno("open_tree", object);
  UniqueFd mount(static_cast<int>(rc));
  mount_attr attr{};
  attr.attr_set = attributes;
  if (::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0)
    return fail_errno("mount_setattr", object);
  return mount;
}

// Nothing: skipped, as the rule permits.
Result<std::optional<Place>> open_one(const BoxMount& mount, const std::string& path) {
  auto fd = sys::openat2(AT_FDCWD, path, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
  if (!fd) {
    const int code = fd.error().code;
    const bool missing = code == ENOENT || code == ENOTDIR;
    if (missing && (mount.optional || mount.glob)) return std::nullopt;
    const char* fix = missing         ? "it does not exist; correct the path, or say 'optional: true' on the rule"
                      : code == ELOOP ? "it goes through a link; name the real path"
                                      : "";
    return fail("open", path, code, rule_text(mount) + (*fix ? ": " : "") + fix);
  }
  const auto st = TRY(sys::fstat(fd->get()));
  Place place;
  place.target = path;
  // Whoever reaches it can speak to the host's service: only a rule that names it does that.
  if (S_ISSOCK(st.st_mode) && mount.glob) return std::nullopt;
  if (S_ISLNK(st.st_mode)) {
    place.kind = Place::Kind::link;
    place.link_target = TRY(sys::readlinkat(fd->get(), ""));
    return place;
  }
  place.directory = S_ISDIR(st.st_mode);
  if (place.directory && !mount.tree)
    return fail("open", path, EISDIR, rule_text(mount) + fmt::format(": it is a directory; write {}/**", path));
  place.source = TRY(detach(fd->get(), mount_attributes(mount.rights), path));
  place.access = landlock_access(mount.rights) & (place.directory ? ~0ULL : kLandlockFileRights);
  return place;
}

}  // namespace

uint64_t landlock_access(Rights rights) {
  uint64_t access = 0;
  const auto add = [&](Right right, uint64_t bits) {
    if (rights.has(right)) access |= bits;
  };
  add(Right::read, kLandlockReadFile);
  add(Right::list, kLandlockReadDir);
  add(Right::write, kLandlockWriteFile | kLandlockTruncate);
  add(Right::create,
      kLandlockMakeDir | kLandlockMakeReg | kLandlockMakeSock | kLandlockMakeFifo | kLandlockMakeSym | kLandlockRefer);
  add(Right::remove, kLandlockRemoveDir | kLandlockRemoveFile | kLandlockRefer);
  add(Right::execute, kLandlockExecute);
  return access;
}

uint64_t mount_attributes(Rights rights) {
  uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (!rights.overlaps(policy::kWrite)) attributes |= MOUNT_ATTR_RDONLY;
  if (!rights.has(Right::execute)) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

Result<std::vector<Place>> open_sources(const std::vector<BoxMount>& mounts, const std::string& workspace) {
  // Several patterns may name one path: it is mounted once, with what all of them allow.
  std::map<std::string, BoxMount> wanted;
  for (const BoxMount& mount : mounts) {
    if (!workspace.empty() && lies_below(mount.path, workspace)) continue;
    for (const std::string& path : TRY(expand(mount))) {
      const auto [at, first] = wanted.try_emplace(path, mount);
      if (first) continue;
      at->second.rights = at->second.rights | mount.rights;
      at->second.tree = at->second.tree || mount.tree;
      at->second.optional = at->second.optional && mount.optional;
      at->second.glob = at->second.glob && mount.glob;
    }
  }
  std::vector<Place> out;
  for (const auto& [path, mount] : wanted)
    if (auto place = TRY(open_one(mount, path))) out.push_back(std::move(*place));
  return out;
}

Result<std::vector<Place>> place_workspace(const std::vector<BoxMount>& mounts, const std::string& workspace,
                                           const UniqueFd& merged) {
  std::vector<Place> out;
  for (const BoxMount& mount : mounts) {
    if (workspace.empty() || !lies_below(mount.path, workspace)) continue;
    std::string below = mount.path.substr(workspace.size());
    below = below.empty() ? "." : below.substr(1);
    auto fd = sys::openat2(merged.get(), below, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!fd) {
      if (fd.error().code == ENOENT && mount.optional) continue;
      return fail("open", mount.path, fd.error().code, rule_text(mount));
    }
    const auto st = TRY(sys::fstat(fd->get()));
    if (S_ISLNK(st.st_mode))
      return fail("open", mount.path, ELOOP, rule_text(mount) + ": it is a link; name the real path");
    if (S_ISDIR(st.st_mode) && !mount.tree)
      return fail("open", mount.path, EISDIR,
                  rule_text(mount) + fmt::format(": it is a directory; write {}/**", mount.path));
    Place place;
    place.target = mount.path;
    place.directory = S_ISDIR(st.st_mode);
    place.source = TRY(detach(fd->get(), mount_attributes(mount.rights), mount.path));
    place.access = landlock_access(mount.rights) & (place.directory ? ~0ULL : kLandlockFileRights);
    out.push_back(std::move(place));
  }
  return out;
}

void order_places(std::vector<Place>& places) {
  std::ranges::stable_sort(places, {}, [](const Place& p) { return std::ranges::count(p.target, '/'); });
}

Result<std::vector<Place>> open_devices() {
  std::vector<Place> out;
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}) {
    const UniqueFd fd = TRY(sys::open(path, O_PATH | O_NOFOLLOW));
    Place place;
    place.target = path;
    place.directory = false;
    place.source = TRY(detach(fd.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, path));
    place.access = kLandlockReadFile | kLandlockWriteFile | kLandlockIoctlDev | kLandlockTruncate;
    out.push_back(std::move(place));
  }
  for (const auto& [target, to] : {std::pair{"/dev/fd", "/proc/self/fd"},
                                   {"/dev/stdin", "/proc/self/fd/0"},
                                   {"/dev/stdout", "/proc/self/fd/1"},
                                   {"/dev/stderr", "/proc/self/fd/2"},
                                   {"/dev/ptmx", "pts/ptmx"}}) {
    Place place;
    place.kind = Place::Kind::link;
    place.target = target;
    place.link_target = to;
    out.push_back(std::move(place));
  }
  return out;
}

Result<Place> open_clients() {
  const std::string path = TRY(program_directory()) + "/box";
  auto fd = sys::open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return fail("open", path, fd.error().code, "the installation is incomplete");
  const Rights rights = policy::kRead | Right::execute;
  Place place;
  place.target = policy::kBoxClients;
  place.source = TRY(detach(fd->get(), mount_attributes(rights), path));
  place.access = landlock_access(rights);
  return place;
}

}  // namespace alos::box
