#include "supervisor/box/covers.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <map>
#include <set>

#include "base/paths.h"
#include "base/sys.h"
#include "policy/pattern.h"
#include "supervisor/box/deep_walk.h"

namespace alos::box {
namespace {

using policy::Pattern;
using policy::Rights;

constexpr size_t kMost = 10'000;

struct Matcher {
  const policy::BoxMask* mask;
  Pattern pattern;
  std::vector<Pattern> except;

  bool matches(std::string_view path) const {
    // Most names fail by their end, whatever is before it: in a deep tree that is long.
    const auto& segments = pattern.segments();
    if (!segments.empty() && !segments.back().any_depth() && !segments.back().matches(path.substr(path.rfind('/') + 1)))
      return false;
    if (!pattern.matches(path)) return false;
    for (const Pattern& exception : except)
      if (exception.matches(path)) return false;
    return true;
  }
  // Something below a directory that matches is to stay visible: what matches in it is covered piece by piece.
  bool spares_below(std::string_view directory) const {
    for (const Pattern& exception : except)
      if (exception.may_match_below(directory)) return true;
    return false;
  }
};

Result<std::vector<Matcher>> matchers(const policy::BoxPlan& plan) {
  std::vector<Matcher> out;
  for (const policy::BoxMask& mask : plan.masks) {
    Matcher matcher{&mask, TRY(Pattern::parse(mask.pattern)), {}};
    for (const std::string& text : mask.except) matcher.except.push_back(TRY(Pattern::parse(text)));
    out.push_back(std::move(matcher));
  }
  return out;
}

uint64_t attributes_without(Rights denied) {
  uint64_t attributes = 0;
  if (denied.overlaps(policy::kWrite)) attributes |= MOUNT_ATTR_RDONLY;
  if (denied.has(policy::kExecute)) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

class Walk {
 public:
  explicit Walk(const std::vector<Matcher>& matchers) : matchers_(matchers) {}

  // `root` is open for reading; `path` is its name in the box.
  Result<void> tree(const UniqueFd& root, const std::string& path) {
    const Verdict verdict = TRY(judge(path, true, [&] { return sys::fstat(root.get()); }));
    if (verdict != Verdict::hidden && !wanted_below(path)) return {};
    return walk_below(root, path,
                      {.entry = [&](int parent, const sys::Entry& entry, const std::string& name) -> Result<Next> {
                         // A link names nothing of its own: what it leads to is matched where it lies.
                         if (entry.type == DT_LNK) return Next::pass;
                         if (hides_directories_ && lies_in_hidden(name)) return hidden_with_others(parent, entry);
                         const Verdict found =
                             TRY(judge(name, entry.type == DT_DIR, [&] { return sys::lstatat(parent, entry.name); }));
                         return found == Verdict::hidden || wanted_below(name) ? Next::enter : Next::pass;
                       },
                       .closed = [&](const std::string& name) -> Result<void> {
                         return lies_in_hidden(name) ? Result<void>{} : hide_directory(name);
                       }});
  }

  // What a hidden directory holds is covered with it; its other names are not.
  Result<Next> hidden_with_others(int parent, const sys::Entry& entry) {
    if (entry.type == DT_DIR) return Next::enter;
    const auto st = TRY(sys::lstatat(parent, entry.name));
    if (st.st_nlink > 1) linked_.insert({st.st_dev, st.st_ino});
    return Next::pass;
  }

  // Other names of what is hidden: without these, a hard link in the workspace would show the secret.
  Result<void> other_names(const UniqueFd& root, const std::string& path) {
    if (linked_.empty()) return {};
    return walk_below(root, path,
                      {.entry = [&](int parent, const sys::Entry& entry, const std::string& name) -> Result<Next> {
                         const auto covered = covers_.find(name);
                         if (covered != covers_.end() && covered->second.kind == Cover::Kind::hide) return Next::pass;
                         if (entry.type == DT_DIR) return Next::enter;
                         const auto st = TRY(sys::lstatat(parent, entry.name));
                         if (st.st_nlink > 1 && linked_.contains({st.st_dev, st.st_ino}))
                           TRY(add({Cover::Kind::hide, name, false, 0}));
                         return Next::pass;
                       },
                       .closed = [&](const std::string& name) { return hide_directory(name); }});
  }

  // `path`, if it still is a socket, below `root`, whose name is `top`.
  Result<void> host_socket(const UniqueFd& root, const std::string& top, const std::string& path) {
    const std::string below = path.substr(top == "/" ? 1 : top.size() + 1);
    const auto node = sys::openat2(root.get(), below, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!node) {
      const int code = node.error().code;
      if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == EACCES) return {};
      return fail("open", printable(path), code, "cannot see whether it is a socket of the host");
    }
    const auto st = TRY(sys::fstat(node->get()));
    if (!S_ISSOCK(st.st_mode) || lies_in_hidden(path)) return {};
    if (st.st_nlink > 1) linked_.insert({st.st_dev, st.st_ino});
    return add({Cover::Kind::hide, path, false, 0});
  }

  // A single file that is mounted by itself.
  Result<void> file(const UniqueFd& fd, const std::string& path) {
    auto node = judge(path, false, [&] { return sys::fstat(fd.get()); });
    if (!node) return std::unexpected(std::move(node).error());
    return {};
  }

  // In a tree that is written directly a path that is denied by name must exist: nothing can cover what is made later.
  Result<void> check_present(const policy::BoxPlan& plan) const {
    for (const Matcher& matcher : matchers_) {
      const policy::BoxMask& mask = *matcher.mask;
      if (!mask.pin_parents || matcher.pattern.shape() == Pattern::Shape::glob || met_.contains(&mask)) continue;
      // In a copy it may be made: it is the agent's own there, and cannot leave.
      if (plan.workspace_mode == policy::WorkspaceMode::copy &&
          lies_below(matcher.pattern.literal_prefix(), plan.workspace))
        continue;
      return fail(
          "mask", printable(matcher.pattern.literal_prefix()), ENOENT,
          fmt::format("rule '{}' ({}) denies it, it does not exist, and the box writes this tree directly: it could be "
                      "made; make it first, or use 'workspace: layer'",
                      mask.rule, mask.source.text()));
    }
    return {};
  }

  std::vector<Cover> take() {
    std::vector<Cover> out;
    for (auto& [path, cover] : covers_) out.push_back(std::move(cover));
    return out;  // a map: parents before what lies below them
  }

 private:
  enum class Verdict { free, restricted, hidden };

  template <class Stat>
  Result<Verdict> judge(const std::string& path, bool directory, Stat stat) {
    Rights denied;
    bool pin = false;
    for (const Matcher& matcher : matchers_)
      if (matcher.matches(path)) {
        if (matcher.mask->pin_parents) {
          pin = true;
          met_.insert(matcher.mask);
        }
        if (!directory || !matcher.spares_below(path)) denied = denied | matcher.mask->denied;
      }
    if (pin) TRY(pin_parents(path));
    if (denied.empty()) return Verdict::free;
    if (!denied.overlaps(policy::kRead)) {
      TRY(add({Cover::Kind::restrict, path, directory, attributes_without(denied)}));
      return Verdict::restricted;
    }
    if (!directory) {
      const struct stat st = TRY(stat());
      if (st.st_nlink > 1) linked_.insert({st.st_dev, st.st_ino});
    }
    hides_directories_ = hides_directories_ || directory;
    TRY(add({Cover::Kind::hide, path, directory, 0}));
    return Verdict::hidden;
  }

  bool lies_in_hidden(const std::string& path) const {
    for (size_t at = path.rfind('/'); at != 0 && at != path.npos; at = path.rfind('/', at - 1)) {
      const auto above = covers_.find(path.substr(0, at));
      if (above != covers_.end() && above->second.kind == Cover::Kind::hide) return true;
    }
    return false;
  }

  bool wanted_below(const std::string& directory) const {
    for (const Matcher& matcher : matchers_)
      if (matcher.pattern.may_match_below(directory)) return true;
    return false;
  }

  // What the launcher cannot look into the box cannot either, until it changes the mode of what is its own: it is
  // hidden whole, whatever is in it.
  Result<void> hide_directory(const std::string& path) { return add({Cover::Kind::hide, path, true, 0}); }

  Result<void> pin_parents(const std::string& path) {
    for (size_t at = path.rfind('/'); at != 0 && at != path.npos; at = path.rfind('/', at - 1)) {
      std::string parent = path.substr(0, at);
      const bool top = parent == top_;
      const auto known = covers_.find(parent);
      if (known != covers_.end() && known->second.kind == Cover::Kind::pin) break;  // with all above it
      if (known == covers_.end()) TRY(add({Cover::Kind::pin, std::move(parent), true, 0}));
      if (top) break;
    }
    return {};
  }

  Result<void> add(Cover cover) {
    if (covers_.size() >= kMost)
      return fail("mask", printable(cover.target), E2BIG,
                  "more than 10000 paths match the policy's denies; where an earlier run made them, `alos diff` shows "
                  "them and `alos undo` drops them; else narrow the denies");
    std::string key = cover.target;
    covers_.insert_or_assign(std::move(key), std::move(cover));
    return {};
  }

 public:
  std::string top_;  // the tree being walked: nothing above it is pinned

 private:
  const std::vector<Matcher>& matchers_;
  std::map<std::string, Cover> covers_;
  std::set<std::pair<dev_t, ino_t>> linked_;
  bool hides_directories_ = false;
  std::set<const policy::BoxMask*> met_;
};

// The place that shows a path of the host, if one does.
const Place* place_of(const std::vector<Place>& places, const std::string& path) {
  const Place* deepest = nullptr;
  for (const Place& place : places)
    if (place.kind == Place::Kind::mount && lies_below(path, place.target) &&
        (!deepest || place.target.size() > deepest->target.size()))
      deepest = &place;
  return deepest;
}

Result<void> hide_sockets(Walk& walk, const policy::BoxPlan& plan, const std::vector<Place>& places,
                          const std::vector<std::string>& sockets) {
  // A layer or a copy shows other nodes than those that the host's sockets are bound to.
  const bool own_nodes = !plan.workspace.empty() && plan.workspace_mode != policy::WorkspaceMode::direct;
  for (const std::string& path : sockets) {
    if (own_nodes && lies_below(path, plan.workspace)) continue;
    const Place* place = place_of(places, path);
    if (place && place->directory) TRY(walk.host_socket(place->source, place->target, path));
  }
  return {};
}

}  // namespace

Result<std::vector<Cover>> find_covers(const policy::BoxPlan& plan, const UniqueFd& merged,
                                       const std::vector<Place>& places, const std::vector<std::string>& sockets) {
  const std::vector<Matcher> all = TRY(matchers(plan));
  Walk walk(all);
  for (const Place& place : places) {
    if (all.empty()) break;
    if (place.kind != Place::Kind::mount || place.target.starts_with("/dev/")) continue;
    walk.top_ = place.target;
    if (!place.directory) {
      TRY(walk.file(place.source, place.target));
      continue;
    }
    const UniqueFd root = TRY(sys::openat(place.source.get(), ".", O_RDONLY | O_DIRECTORY));
    TRY(walk.tree(root, place.target));
  }
  TRY(walk.check_present(plan));
  TRY(hide_sockets(walk, plan, places, sockets));
  if (merged) TRY(walk.other_names(merged, plan.workspace));
  return walk.take();
}

}  // namespace alos::box
