#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/paths.h"
#include "base/sys.h"

namespace alos::sys {
namespace {

std::string unused_name() {
  return ".alos-removed-" + random_hex(8);
}

// Empties `name` in `dir` one level deep: what is a directory goes to `dir` under a new name, which is returned.
Result<std::vector<std::string>> flatten(int dir, const std::string& name) {
  auto opened = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat st{};
  // A directory without its owner's bits can be neither listed nor moved by an ordinary owner.
  if (::fstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
      (st.st_mode & 0700) != 0700 && ::fchmodat(dir, name.c_str(), 0700, AT_SYMLINK_NOFOLLOW) == 0 && !opened)
    opened = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const UniqueFd here = TRY(std::move(opened));
  std::vector<std::string> moved;
  for (const Entry& entry : TRY(list(here.get()))) {
    if (::unlinkat(here.get(), entry.name.c_str(), 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) return fail_errno("unlinkat", printable(entry.name));
    if (::unlinkat(here.get(), entry.name.c_str(), AT_REMOVEDIR) == 0) continue;
    // No link that somebody put there meanwhile: root would open what it leads to.
    if (::fchmodat(here.get(), entry.name.c_str(), 0700, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno("fchmodat", printable(entry.name));
    moved.push_back(unused_name());
    TRY(renameat2(here.get(), entry.name, dir, moved.back(), 0));
  }
  return moved;
}

}  // namespace

Result<void> remove_tree(int dir, const std::string& name) {
  if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return fail_errno("unlinkat", printable(name));
  std::vector<std::string> left = {name};
  while (!left.empty()) {
    const std::string next = left.back();
    left.pop_back();
    for (std::string& moved : TRY(flatten(dir, next))) left.push_back(std::move(moved));
    TRY(unlinkat(dir, next, AT_REMOVEDIR));
  }
  return {};
}

Result<void> remove_below(int dir) {
  for (const Entry& entry : TRY(list(dir))) TRY(remove_tree(dir, entry.name));
  return {};
}

}  // namespace alos::sys
