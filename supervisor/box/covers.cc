#include "supervisor/box/covers.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <limits>
#include <map>
#include <set>

#include "base/paths.h"
#include "base/sys.h"
#include "policy/pattern.h"
#include "policy/pattern_at.h"
#include "supervisor/box/cover_matcher.h"
#include "supervisor/box/cover_set.h"
#include "supervisor/box/view.h"

namespace alos::box {
namespace {

using policy::Pattern;
using policy::PatternAt;
using policy::Rights;

// What an agent may have made otherwise: names of files that have several, and patterns by way of links.
constexpr size_t kMostNames = 1'000'000;
constexpr size_t kMostSaid = 16 << 20;  // bytes

std::string parent_of(const std::string& path) {
  return path.substr(0, std::max<size_t>(path.rfind('/'), 1));
}
std::string last_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

uint64_t attributes_without(Rights denied) {
  uint64_t attributes = 0;
  if (denied.overlaps(policy::kWrite)) attributes |= MOUNT_ATTR_RDONLY;
  if (denied.has(policy::kExecute)) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

// One file, however many names it has.
using Inode = std::pair<dev_t, ino_t>;

struct Names {
  nlink_t all = 0;
  std::set<std::tuple<dev_t, ino_t, std::string>> found;  // directory and name: a mount may show one twice
  Cover::Kind kind = Cover::Kind::restrict;
  bool of_a_deny = false;
  bool of_copy_alone = true;  // denied in the workspace that was copied: no name in the copy has the content
  bool missing() const { return found.size() < all; }
};

class Walk {
 public:
  Walk(const policy::BoxPlan& plan, std::deque<Matcher> matchers, View& view, bool shown_twice, const Between& between)
      : plan_(plan), matchers_(std::move(matchers)), view_(view), shown_twice_(shown_twice), between_(between) {}

  Result<void> place(const Place& place) {
    if (place.target.starts_with("/dev/")) return {};
    top_ = place.target;
    if (!place.directory) return file(place.source, place.target);
    const UniqueFd root = TRY(sys::openat(place.source.get(), ".", O_RDONLY | O_DIRECTORY));
    return tree(root, place.target);
  }

  // What denies say by way of links, to the end: the place that one leads to may hold others.
  Result<void> through_links() {
    for (size_t next = 0; next < matchers_.size(); ++next) {
      TRY(look(between_));
      const std::string start = matchers_[next].pattern.literal_prefix();
      const bool said_by_a_link = next >= plan_.masks.size();
      if (said_by_a_link) TRY(subtree(start));
      if (const Followed to = TRY(follow("/", start, matchers_[next])); !to.links.empty()) TRY(led_on(next, start, to));
      take_further();
    }
    return {};
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
    if (!S_ISSOCK(st.st_mode) || covers_.is_hidden(path) || covers_.lies_in_hidden(path)) return {};
    TRY(note(node->get(), "", path, st, Cover::Kind::hide, false));
    return covers_.add({Cover::Kind::hide, path, false, 0, false});
  }

  // The directories between a tree that the box writes and a place in it are the tree's own. Renamed, they would take
  // what the place shows along, to a name with the tree's rights, and the next box would be given what the agent made
  // at the place's path. Whatever the place's rights: what is mounted is there for as long as it is.
  Result<void> hold_nested() {
    for (const Place& nested : view_.places()) {
      if (nested.kind != Place::Kind::mount || nested.target == "/") continue;
      const std::string parent = parent_of(nested.target);
      if (renamed_for_good(parent)) TRY(pin_above(nested.target, view_.place_of(parent)));
    }
    return {};
  }

  // Other names of what is hidden or not to be written: without these, a hard link would show the secret, or change
  // what is not to be changed. Other trees than the workspace are gone through only where the count of a file's names
  // says that some are still missing.
  Result<void> other_names(const UniqueFd& merged) {
    if (linked_.empty()) return {};
    if (merged) {
      top_ = plan_.workspace;
      TRY(other_names_below(merged, plan_.workspace));
    }
    // What can be written is small beside what is installed, and where a name of a workspace's file would rather be.
    for (const bool writable : {true, false})
      for (const Place& place : view_.places())
        if (place.kind == Place::Kind::mount && view_.writable(place.target) == writable) {
          TRY(look(between_));
          TRY(other_names_in(place, merged));
        }
    return {};
  }

  // In a tree that is written directly a path that is denied by name must exist: nothing can cover what is made later.
  Result<void> check_present() const {
    for (size_t i = 0; i < plan_.masks.size(); ++i) {
      const Matcher& matcher = matchers_[i];
      const policy::BoxMask& mask = *matcher.mask;
      const bool glob = TRY(Pattern::parse(mask.pattern)).shape() == Pattern::Shape::glob;
      if (!mask.pin_parents || glob || met_.contains(&mask)) continue;
      // In a copy it may be made: it is the agent's own there, and cannot leave.
      if (plan_.workspace_mode == policy::WorkspaceMode::copy &&
          lies_below(matcher.pattern.literal_prefix(), plan_.workspace))
        continue;
      return fail(
          "mask", printable(matcher.pattern.literal_prefix()), ENOENT,
          fmt::format("rule '{}' ({}) denies it, it does not exist, and the box writes this tree directly: it could be "
                      "made; make it first, or use 'workspace: layer'",
                      mask.rule, mask.source.text()));
    }
    return {};
  }

  Result<std::vector<Cover>> take() { return covers_.take(between_); }

 private:
  enum class Verdict { free, restricted, hidden };

  // `root` is open for reading; `path` is its name in the box.
  Result<void> tree(const UniqueFd& root, const std::string& path) {
    const Verdict verdict = TRY(judge(root.get(), ".", path, true));
    if (verdict != Verdict::hidden && !wanted_below(path)) return {};
    return walk_below(root, path,
                      {.entry = [&](int parent, const sys::Entry& entry, const std::string& name) -> Result<Next> {
                         if (entry.type == DT_LNK) return TRY(link(name)), Next::pass;
                         if (hides_directories_ && covers_.lies_in_hidden(name))
                           return hidden_with_others(parent, entry, name);
                         const Verdict found = TRY(judge(parent, entry.name, name, entry.type == DT_DIR));
                         return found == Verdict::hidden || wanted_below(name) ? Next::enter : Next::pass;
                       },
                       .closed = [&](const std::string& name) -> Result<void> {
                         return covers_.lies_in_hidden(name) ? Result<void>{} : hide_directory(name);
                       },
                       .between = between_});
  }

  // A single file that is mounted by itself.
  Result<void> file(const UniqueFd& fd, const std::string& path) {
    TRY(judge(fd.get(), "", path, false));
    return {};
  }

  // What lies at a path and below it, by the matchers that there are now.
  Result<void> subtree(const std::string& path) {
    for (const Place* below : view_.places_below(path)) TRY(place(*below));
    const Place* at = view_.place_of(path);
    if (!at || at->target.starts_with("/dev/")) return {};
    top_ = at->target;
    const std::optional<UniqueFd> node = TRY(view_.open(path));
    if (!node) return {};
    if (!S_ISDIR(TRY(sys::fstat(node->get())).st_mode)) return file(*node, path);
    const auto root = sys::openat(node->get(), ".", O_RDONLY | O_DIRECTORY);
    if (!root && root.error().code == EACCES) return hide_directory(path);
    if (!root) return std::unexpected(root.error());
    return tree(*root, path);
  }

  // What a hidden directory holds is covered with it; its other names are not.
  Result<Next> hidden_with_others(int parent, const sys::Entry& entry, const std::string& name) {
    const bool directory = entry.type == DT_DIR;
    if (!directory || shown_twice_)
      TRY(note(parent, entry.name, name, TRY(sys::lstatat(parent, entry.name)), Cover::Kind::hide));
    return directory ? Next::enter : Next::pass;
  }

  // A link that matches, or that a pattern goes through.
  Result<void> link(const std::string& name) {
    Rights denied;
    bool follow_it = false;
    for (const Matcher& matcher : matchers_) {
      const bool matches = matcher.matches(name);
      follow_it = follow_it || matches || matcher.pattern.leads_through(name);
      if (!matches) continue;
      denied = denied | matcher.mask->denied;
      if (!matcher.pin) continue;
      met_.insert(matcher.mask);
      TRY(pin_parents(name));
    }
    if (!denied.empty() && !covers_.lies_in_hidden(name)) TRY(cover_link(name, denied));
    if (!follow_it || view_.made_by_agent(name)) return {};
    for (size_t i = 0; i < matchers_.size(); ++i) {
      TRY(look(between_));
      if (matchers_[i].matches(name) || matchers_[i].pattern.leads_through(name))
        TRY(led_on(i, name, TRY(follow(parent_of(name), last_of(name), matchers_[i]))));
    }
    return {};
  }

  // Covered itself as well: it cannot be taken away, so that the next run is led by it too.
  Result<void> cover_link(const std::string& name, Rights denied) {
    const bool hide = denied.overlaps(policy::kRead);
    return covers_.add(
        {hide ? Cover::Kind::hide : Cover::Kind::restrict, name, false, hide ? 0 : attributes_without(denied)});
  }

  // A pattern's `link`, or a path with links in it, leads somewhere: the deny holds there too.
  Result<void> led_on(size_t index, const std::string& link, const Followed& to) {
    if (to.end == Followed::End::nowhere) return {};
    for (const std::string& on_the_way : to.links) TRY(pin_link(on_the_way));
    if (to.end == Followed::End::closed) return hide_directory(to.path);
    if (to.path == link) return {};
    const Matcher& matcher = matchers_[index];
    std::vector<PatternAt> said = matcher.pattern.through(link, to.path, PatternAt::AnyDepth::skip);
    if (matcher.matches(link) && TRY(whole(matcher, link, to.path))) said.push_back(PatternAt::exactly(to.path));
    std::vector<PatternAt> except = matcher.except;
    for (const PatternAt& exception : matcher.except)
      std::ranges::move(exception.through(link, to.path, PatternAt::AnyDepth::carry), std::back_inserter(except));
    const bool pin = matcher.pin || renamed_for_good(to.path);
    for (PatternAt& pattern : said) {
      // All that it is in itself: what lies there is denied by its own names, or not.
      if (pattern.matches(to.path) && lies_below(link, to.path)) continue;
      std::string key = pattern.text();
      for (const PatternAt& exception : except) key.append(1, '\0').append(exception.text());
      const size_t size = key.size();
      if (!said_.insert({matcher.mask, std::move(key)}).second) continue;
      if ((said_bytes_ += size) > kMostSaid)
        return fail("mask", shortened(link), E2BIG,
                    "the links that match the policy's denies lead to more paths than can be searched; remove them, or "
                    "narrow the denies");
      further_.push_back({matcher.mask, std::move(pattern), except, pin});
    }
    return {};
  }

  // A link that is denied by a name of its own denies all that it leads to. One that only lies in a denied directory
  // is one of many there, to interpreters and sources: of those, a file of the same tree.
  Result<bool> whole(const Matcher& matcher, const std::string& link, const std::string& target) {
    if (!matcher.pattern.ends_in_tree()) return true;
    if (view_.place_of(link) != view_.place_of(target)) return false;
    const std::optional<UniqueFd> node = TRY(view_.open(target));
    return node && S_ISREG(TRY(sys::fstat(node->get())).st_mode);
  }

  Result<Followed> follow(const std::string& from, std::string_view path, const Matcher& matcher) {
    auto to = view_.follow(from, path);
    if (to || to.error().code == ECANCELED) return to;
    const policy::BoxMask& mask = *matcher.mask;
    return fail(to.error().operation, to.error().object, to.error().code,
                fmt::format("rule '{}' ({}) denies what {} leads to, and that cannot be seen; mend or remove the link, "
                            "or narrow the rule",
                            mask.rule, mask.source.text(), printable((from == "/" ? "" : from + "/").append(path))));
  }

  Result<void> pin_link(const std::string& name) {
    if (!view_.writable(name)) return {};
    if (renamed_for_good(name)) TRY(pin_parents(name));
    if (covers_.find(name)) return {};
    return covers_.add({Cover::Kind::pin, name, false, 0});
  }

  void take_further() {
    std::ranges::move(further_, std::back_inserter(matchers_));
    further_.clear();
  }

  Result<Verdict> judge(int parent, const std::string& entry, const std::string& path, bool directory) {
    Rights denied;
    bool pin = false;
    for (const Matcher& matcher : matchers_)
      if (matcher.matches(path)) {
        if (matcher.pin) {
          pin = true;
          met_.insert(matcher.mask);
        }
        if (!directory || !matcher.spares_below(path)) denied = denied | matcher.mask->denied;
      }
    if (pin) TRY(pin_parents(path));
    if (denied.empty()) return Verdict::free;
    auto kind = denied.overlaps(policy::kRead) ? Cover::Kind::hide : Cover::Kind::restrict;
    if ((!directory || shown_twice_) && denied.overlaps(policy::kRead | policy::kWrite)) {
      const struct stat st = TRY(entry.empty() ? sys::fstat(parent) : sys::lstatat(parent, entry));
      // A read-only mount keeps nobody from writing into a pipe: it is asked for files alone (fs/open.c).
      if (S_ISFIFO(st.st_mode) && denied.overlaps(policy::kWrite) && writes_all_names(path)) kind = Cover::Kind::hide;
      TRY(note(parent, entry, path, st, kind));
    }
    if (kind == Cover::Kind::restrict) {
      TRY(covers_.add({kind, path, directory, attributes_without(denied)}));
      return Verdict::restricted;
    }
    hides_directories_ = hides_directories_ || directory;
    if (directory && copied(path)) TRY(note_behind(path));
    TRY(covers_.add({kind, path, directory, 0}));
    return Verdict::hidden;
  }

  // A directory above it may get another name, under which the next run would not find it. In a layer, what holds
  // mounts cannot be renamed.
  bool renamed_for_good(const std::string& path) const {
    const bool layered = plan_.workspace_mode == policy::WorkspaceMode::layer && lies_below(path, plan_.workspace);
    return !layered && view_.writable(path);
  }

  // A copy's names are files of their own, whatever they are on the host.
  bool copied(const std::string& path) const {
    return plan_.workspace_mode == policy::WorkspaceMode::copy && lies_below(path, plan_.workspace);
  }

  // In a layer and in a copy writing to one name leaves the others as they are.
  bool writes_all_names(const std::string& path) const {
    return plan_.workspace.empty() || plan_.workspace_mode == policy::WorkspaceMode::direct ||
           !lies_below(path, plan_.workspace);
  }

  // As it is seen here and, in a layer or a copy, as the host has it for the rest of the box.
  std::vector<struct stat> sides(const std::string& path, const struct stat& st) const {
    std::vector<struct stat> out{st};
    if (const auto behind = view_.behind(path); behind && (behind->st_mode & S_IFMT) == (st.st_mode & S_IFMT))
      out.push_back(*behind);
    return out;
  }

  // Where a part of a file system is mounted twice, a file with one name is seen by two, and so is a directory.
  bool may_have_others(const struct stat& st) const { return shown_twice_ || st.st_nlink > 1; }
  nlink_t names_of(const struct stat& st) const {
    return shown_twice_ ? std::numeric_limits<nlink_t>::max() : st.st_nlink;
  }

  Result<void> note(int parent, const std::string& entry, const std::string& path, const struct stat& st,
                    Cover::Kind kind, bool of_a_deny = true) {
    bool linked = false;
    for (const struct stat& side : sides(path, st)) {
      if (!may_have_others(side)) continue;
      Names& names = linked_[{side.st_dev, side.st_ino}];
      names.all = names_of(side);
      if (kind == Cover::Kind::hide) names.kind = kind;
      names.of_a_deny = names.of_a_deny || of_a_deny;
      names.of_copy_alone = names.of_copy_alone && copied(path);
      linked = true;
    }
    TRY(few_enough(last_of(path)));
    return linked ? count(parent, entry, path, st) : Result<void>{};
  }

  // A copy holds nothing of a hidden directory: the names of what the host has in it.
  Result<void> note_behind(const std::string& path) {
    const std::optional<UniqueFd> root = view_.directory_behind(path);
    if (!root) return {};
    return walk_below(*root, path,
                      {.entry = [&](int parent, const sys::Entry& entry, const std::string&) -> Result<Next> {
                         if (entry.type == DT_DIR) return Next::enter;
                         const auto st = TRY(sys::lstatat(parent, entry.name));
                         if (entry.type == DT_LNK || !may_have_others(st)) return Next::pass;
                         const auto directory = TRY(sys::fstat(parent));
                         Names& names = linked_[{st.st_dev, st.st_ino}];
                         names.all = names_of(st);
                         names.kind = Cover::Kind::hide;
                         names.of_a_deny = true;
                         TRY(found(names, directory, entry.name));
                         return Next::pass;
                       },
                       .closed = [](const std::string&) { return Result<void>{}; },
                       .between = between_});
  }

  // Where another place lies over a tree, that is what the box sees.
  bool shown(const std::string& path) const {
    if (!plan_.workspace.empty() && lies_below(path, plan_.workspace)) return lies_below(top_, plan_.workspace);
    const Place* place = view_.place_of(path);
    return !place || place->target == top_;
  }

  Result<void> count(int parent, const std::string& entry, const std::string& path, const struct stat& st) {
    if (entry.empty() || !shown(path)) return {};
    const auto directory = TRY(sys::fstat(parent));
    std::vector<struct stat> all = sides(path, st);
    // The host's side of what a copy has in a hidden directory is counted by note_behind().
    if (copied(path) && covers_.lies_in_hidden(path)) all.resize(1);
    for (const struct stat& side : all)
      if (const auto names = linked_.find({side.st_dev, side.st_ino}); names != linked_.end())
        TRY(found(names->second, directory, last_of(path)));
    return {};
  }

  Result<void> found(Names& names, const struct stat& directory, const std::string& entry) {
    if (names.found.insert({directory.st_dev, directory.st_ino, entry}).second) ++names_;
    return few_enough(entry);
  }

  Result<void> few_enough(const std::string& entry) const {
    if (names_ <= kMostNames && linked_.size() <= kMostNames) return {};
    return fail("mask", printable(entry), E2BIG,
                "more than 1000000 names of files that are denied and have several; remove some, or narrow the denies");
  }

  Result<void> other_names_in(const Place& place, const UniqueFd& merged) {
    if (place.target.starts_with("/dev/") || (merged && lies_below(place.target, plan_.workspace)) ||
        !TRY(may_hold_names(place)))
      return {};
    top_ = place.target;
    if (!place.directory) return other_name(place.target, TRY(sys::fstat(place.source.get())));
    const UniqueFd root = TRY(sys::openat(place.source.get(), ".", O_RDONLY | O_DIRECTORY));
    if (shown_twice_) TRY(other_name(place.target, TRY(sys::fstat(root.get()))));
    return other_names_below(root, place.target);
  }

  Result<void> other_names_below(const UniqueFd& root, const std::string& path) {
    return walk_below(root, path,
                      {.entry = [&](int parent, const sys::Entry& entry, const std::string& name) -> Result<Next> {
                         if (entry.type == DT_LNK || !shown(name)) return Next::pass;
                         const bool hidden = covers_.is_hidden(name);
                         if (entry.type == DT_DIR) {
                           if (hidden || !shown_twice_) return hidden ? Next::pass : Next::enter;
                           TRY(other_name(name, TRY(sys::lstatat(parent, entry.name))));
                           return Next::enter;
                         }
                         const auto st = TRY(sys::lstatat(parent, entry.name));
                         if (!may_have_others(st) && !copied(name)) return Next::pass;
                         TRY(count(parent, entry.name, name, st));
                         if (!hidden) TRY(other_name(name, st));
                         return Next::pass;
                       },
                       .closed = [&](const std::string& name) { return hide_directory(name); },
                       .between = between_});
  }

  Result<void> other_name(const std::string& path, const struct stat& st) {
    const bool directory = S_ISDIR(st.st_mode);
    for (const struct stat& side : sides(path, st)) {
      const auto names = linked_.find({side.st_dev, side.st_ino});
      if (names == linked_.end() || (names->second.of_copy_alone && copied(path))) continue;
      // A read-only mount does not hold a pipe, as in judge().
      if (names->second.kind == Cover::Kind::hide || (S_ISFIFO(st.st_mode) && writes_all_names(path)))
        TRY(covers_.add({Cover::Kind::hide, path, directory, 0, names->second.of_a_deny}));
      else if (writes_all_names(path))
        TRY(covers_.add({Cover::Kind::restrict, path, directory, MOUNT_ATTR_RDONLY}));
    }
    return {};
  }

  // Names are missing that may lie in this place: a hard link does not leave its file system. On overlayfs a file's
  // device need not be its directory's.
  Result<bool> may_hold_names(const Place& place) const {
    struct statfs fs{};
    if (::fstatfs(place.source.get(), &fs) != 0) return fail_errno("fstatfs", place.target);
    const auto st = TRY(sys::fstat(place.source.get()));
    const bool writable = view_.writable(place.target);
    return std::ranges::any_of(linked_, [&](const auto& linked) {
      const auto& [inode, names] = linked;
      return names.missing() && (shown_twice_ || inode.first == st.st_dev || fs.f_type == OVERLAYFS_SUPER_MAGIC) &&
             (writable || names.kind == Cover::Kind::hide);
    });
  }

  bool wanted_below(const std::string& directory) const {
    for (const Matcher& matcher : matchers_)
      if (matcher.pattern.may_match_below(directory)) return true;
    return false;
  }

  // What the launcher cannot look into the box cannot either, until it changes the mode of what is its own: it is
  // hidden whole, whatever is in it.
  Result<void> hide_directory(const std::string& path) { return covers_.add({Cover::Kind::hide, path, true, 0}); }

  Result<void> pin_parents(const std::string& path) { return pin_above(path, view_.place_of(path)); }

  // As far as `place` goes.
  Result<void> pin_above(const std::string& path, const Place* place) {
    for (size_t at = path.rfind('/'); at != 0 && at != path.npos; at = path.rfind('/', at - 1)) {
      std::string parent = path.substr(0, at);
      TRY(look(between_));
      if (!place || !lies_below(parent, place->target)) break;  // nothing above what is placed can be renamed
      const bool top = parent == place->target;
      const Cover* known = covers_.find(parent);
      if (known && known->kind == Cover::Kind::pin) break;  // with all above it
      // In what cannot be written nothing needs to be held in its place either.
      if (!known && !covers_.restricted_above(parent, 0))
        TRY(covers_.add({Cover::Kind::pin, std::move(parent), true, 0}));
      if (top) break;
    }
    return {};
  }

  const policy::BoxPlan& plan_;
  std::deque<Matcher> matchers_;  // those of the plan's masks, then what they say through links
  View& view_;
  bool shown_twice_;
  const Between& between_;
  std::string top_;  // the tree being walked: nothing above it is pinned
  CoverSet covers_;
  std::map<Inode, Names> linked_;
  size_t names_ = 0;  // of all of them
  bool hides_directories_ = false;
  std::set<const policy::BoxMask*> met_;
  std::vector<Matcher> further_;  // found by way of links, not yet among the matchers
  std::set<std::pair<const policy::BoxMask*, std::string>> said_;
  size_t said_bytes_ = 0;
};

Result<void> hide_sockets(Walk& walk, const policy::BoxPlan& plan, const View& view,
                          const std::vector<std::string>& sockets) {
  // A layer or a copy shows other nodes than those that the host's sockets are bound to.
  const bool own_nodes = !plan.workspace.empty() && plan.workspace_mode != policy::WorkspaceMode::direct;
  for (const std::string& path : sockets) {
    if (own_nodes && lies_below(path, plan.workspace)) continue;
    const Place* place = view.place_of(path);
    if (place && place->directory) TRY(walk.host_socket(place->source, place->target, path));
  }
  return {};
}

Result<std::vector<Cover>> find_once(const policy::BoxPlan& plan, const UniqueFd& merged, const UniqueFd& host,
                                     const std::vector<Place>& places, const std::vector<std::string>& sockets,
                                     bool shown_twice, const Between& between) {
  View view(plan, places, host, between);
  Walk walk(plan, TRY(matchers(plan)), view, shown_twice, between);
  for (const Place& place : places) {
    if (plan.masks.empty()) break;
    if (place.kind == Place::Kind::mount) TRY(walk.place(place));
  }
  TRY(walk.through_links());
  TRY(walk.check_present());
  TRY(walk.hold_nested());
  TRY(hide_sockets(walk, plan, view, sockets));
  TRY(walk.other_names(merged));
  return walk.take();
}

}  // namespace

// Where somebody renames or removes directories meanwhile, what is gone may be elsewhere, unseen: from the beginning.
Result<std::vector<Cover>> find_covers(const policy::BoxPlan& plan, const UniqueFd& merged, const UniqueFd& host,
                                       const std::vector<Place>& places, const std::vector<std::string>& sockets,
                                       bool shown_twice, const Between& between) {
  constexpr int kTries = 8;
  for (int i = 1;; ++i) {
    auto found = find_once(plan, merged, host, places, sockets, shown_twice, between);
    if (found || i == kTries || (found.error().code != ENOENT && found.error().code != ESTALE)) return found;
  }
}

Result<void> close_hidden(std::vector<Place>& places, const std::vector<Cover>& covers, const std::string& workspace) {
  for (Place& place : places)
    for (const Cover& cover : covers) {
      if (cover.kind != Cover::Kind::hide || !lies_below(place.target, cover.target)) continue;
      if (place.target == workspace)
        return fail("mask", printable(cover.target), EACCES,
                    fmt::format("a deny takes this directory, by its name or by a link that leads to it, and the "
                                "workspace {} lies there; except that from the deny, or move it",
                                printable(workspace)));
      if (place.target != cover.target) place.access = 0;
    }
  return {};
}

}  // namespace alos::box
