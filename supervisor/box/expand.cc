#include "supervisor/box/expand.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/paths.h"
#include "base/sys.h"
#include "policy/pattern.h"

namespace alos::box {
namespace {

using policy::Pattern;

bool nothing_there(int code) {
  return code == ENOENT || code == ENOTDIR || code == EACCES || code == ELOOP;
}

Result<void> add_matching(const std::string& directory, const Pattern::Segment& segment,
                          std::vector<std::string>& out) {
  const auto fd = sys::open(directory.empty() ? "/" : directory, O_RDONLY | O_DIRECTORY);
  if (!fd && nothing_there(fd.error().code)) return {};
  if (!fd) return std::unexpected(fd.error());
  for (const sys::Entry& entry : TRY(sys::list(fd->get())))
    if (segment.matches(entry.name)) out.push_back(directory + "/" + entry.name);
  return {};
}

Result<std::vector<std::string>> matching(const Pattern& pattern) {
  std::vector<std::string> found{""};
  for (const Pattern::Segment& segment : pattern.segments()) {
    std::vector<std::string> next;
    for (std::string& directory : found) {
      if (segment.literal())
        next.push_back(directory + "/" + segment.pieces[0]);
      else
        TRY(add_matching(directory, segment, next));
    }
    found = std::move(next);
  }
  std::erase_if(found, [](const std::string& path) {
    const auto st = sys::lstatat(AT_FDCWD, path);
    return !st && nothing_there(st.error().code);
  });
  return found;
}

}  // namespace

Result<std::vector<std::string>> expand(const policy::BoxMount& mount) {
  if (!mount.glob) return std::vector{mount.path};
  auto found = matching(TRY(Pattern::parse(mount.path)));
  if (!found)
    return fail(found.error().operation, found.error().object, found.error().code,
                fmt::format("rule '{}' ({}) names {}", mount.rule, mount.source.text(), printable(mount.path)));
  return found;
}

}  // namespace alos::box
