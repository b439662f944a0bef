#include "supervisor/box/view.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/box/sources.h"

namespace alos::box {
namespace {

constexpr size_t kMostSeen = 16 << 20;  // bytes: an agent's link has two thousand names on its way

std::string_view below(std::string_view path, std::string_view top) {
  path.remove_prefix(std::min(path.size(), top == "/" ? 0 : top.size()));
  path.remove_prefix(path.starts_with('/') ? 1 : 0);
  return path.empty() ? "." : path;
}

// Piece by piece: an agent makes paths that are longer than one call takes.
Result<UniqueFd> open_below(const UniqueFd& top, std::string_view path) {
  constexpr uint64_t kNoLinks = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  constexpr uint64_t kFlags = O_PATH | O_NOFOLLOW;
  UniqueFd at;
  while (path.size() >= PATH_MAX) {
    const size_t end = path.rfind('/', PATH_MAX - 1);
    if (end == path.npos) return fail("openat2", printable(path.substr(0, NAME_MAX)), ENAMETOOLONG);
    at = TRY(sys::openat2(at ? at.get() : top.get(), std::string(path.substr(0, end)), kFlags | O_DIRECTORY, kNoLinks));
    path.remove_prefix(end + 1);
  }
  return sys::openat2(at ? at.get() : top.get(), std::string(path), kFlags, kNoLinks);
}

bool absent(int code) {
  // A link's text may hold a name that no file can have.
  return code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG;
}

}  // namespace

const Place* View::place_of(std::string_view path) const {
  const Place* deepest = nullptr;
  for (const Place& place : places_)
    if (place.kind == Place::Kind::mount && lies_below(path, place.target) &&
        (!deepest || place.target.size() > deepest->target.size()))
      deepest = &place;
  return deepest;
}

std::vector<const Place*> View::places_below(std::string_view path) const {
  std::vector<const Place*> out;
  for (const Place& place : places_)
    if (place.kind == Place::Kind::mount && place.target != path && lies_below(place.target, path))
      out.push_back(&place);
  return out;
}

Result<std::optional<UniqueFd>> View::open(const std::string& path) const {
  const Place* place = place_of(path);
  if (!place || (!place->directory && place->target != path)) return std::nullopt;
  if (!place->directory) return std::optional(TRY(sys::dup(place->source.get())));
  auto fd = open_below(place->source, below(path, place->target));
  if (!fd && absent(fd.error().code)) return std::nullopt;
  return std::optional(TRY(std::move(fd)));
}

bool View::layered(std::string_view path) const {
  return host_ && !plan_.workspace.empty() && lies_below(path, plan_.workspace);
}

std::optional<struct stat> View::behind(const std::string& path) const {
  if (!layered(path)) return std::nullopt;
  const auto fd = open_below(host_, below(path, plan_.workspace));
  if (!fd) return std::nullopt;
  const auto st = sys::fstat(fd->get());
  return st ? std::optional(*st) : std::nullopt;
}

std::optional<UniqueFd> View::directory_behind(const std::string& path) const {
  if (!layered(path)) return std::nullopt;
  const auto at = open_below(host_, below(path, plan_.workspace));
  if (!at) return std::nullopt;
  auto fd = sys::openat(at->get(), ".", O_RDONLY | O_DIRECTORY);
  return fd ? std::optional(std::move(*fd)) : std::nullopt;
}

bool View::made_by_agent(const std::string& link) const {
  if (!layered(link)) return false;
  const auto st = behind(link);
  return !st || !S_ISLNK(st->st_mode);
}

bool View::writable(const std::string& path) const {
  const Place* place = place_of(path);
  return place && (place->access & landlock_access(policy::kWrite)) != 0;
}

Result<OnTheWay> View::look(const std::string& path) const {
  for (const Place& place : places_)
    if (place.kind == Place::Kind::link && place.target == path)
      return OnTheWay{OnTheWay::Kind::link, place.link_target};
  if (!place_of(path)) return OnTheWay{places_below(path).empty() ? OnTheWay::Kind::absent : OnTheWay::Kind::other, {}};
  auto fd = open(path);
  if (!fd && fd.error().code == EACCES) return OnTheWay{OnTheWay::Kind::closed, {}};
  const std::optional<UniqueFd> node = TRY(std::move(fd));
  if (!node) return OnTheWay{OnTheWay::Kind::absent, {}};
  if (!S_ISLNK(TRY(sys::fstat(node->get())).st_mode)) return OnTheWay{};
  if (made_by_agent(path)) return OnTheWay{OnTheWay::Kind::absent, {}};
  return OnTheWay{OnTheWay::Kind::link, TRY(sys::readlinkat(node->get(), ""))};
}

Result<Followed> View::follow(const std::string& from, std::string_view path) {
  return follow_links(from, path, [&](const std::string& at) -> Result<OnTheWay> {
    TRY(box::look(between_));
    if (const auto known = seen_.find(at); known != seen_.end()) return known->second;
    OnTheWay found = TRY(look(at));
    const size_t size = at.size() + found.text.size();
    if (seen_bytes_ + size > kMostSeen) {
      seen_.clear();
      seen_bytes_ = 0;
    }
    seen_bytes_ += size;
    return seen_.insert_or_assign(at, std::move(found)).first->second;
  });
}

}  // namespace alos::box
