#include "supervisor/workspace/settle.h"

#include <unistd.h>

#include <algorithm>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/content.h"
#include "supervisor/workspace/copier.h"
#include "supervisor/workspace/journal.h"

namespace alos::workspace {
namespace {

void say(const Step& step, std::string_view what) {
  if (step) step(what);
}

Result<Tree> upper_of(const Layer& layer) {
  return Tree(TRY(sys::dup(layer.upper.get())));
}

// Everything that one renamed directory shows of its old place and does not have in the upper.
Result<void> fill(const Layer& layer, Tree& upper, Tree& host, const Copier& copies, const Moved& moved,
                  const Step& step) {
  const auto present = TRY(upper.list(moved.path));
  const Node from = Node::of(TRY(sys::fstat(TRY(host.dir(moved.from)))));
  // The new one has the agent's mode: it would open what the host closes to them.
  if (!Rights(layer.record, TRY(host.node(""))).may_read_in(from))
    return fail("copy", printable(moved.from), EACCES, "it is neither the workspace's owner's nor open to him");
  for (const std::string& name : TRY(host.list(moved.from)))
    if (!std::binary_search(present.begin(), present.end(), name))
      TRY(copies.copy(from, join(moved.from, name), upper, join(moved.path, name)));
  const int dir = TRY(upper.dir(moved.path));
  say(step, "materialise");
  TRY(set_opaque(dir, layer.record.form));  // wins over a redirect from here on
  TRY(forget_origin(upper, moved.path, layer.record.form));
  say(step, "materialise");
  return clear_redirect(TRY(upper.dir(moved.path)), layer.record.form);
}

// A child of a directory that stops being opaque would begin to show what the host has under its name.
Result<void> shield_children(const Layer& layer, Tree& upper, const std::string& path) {
  for (const std::string& name : TRY(upper.list(path))) {
    const std::string child = join(path, name);
    if (TRY(upper.node(child)).type != Type::directory) continue;
    if (TRY(read_marks(upper, child, layer.record.form)).redirect.empty())
      TRY(set_opaque(TRY(upper.dir(child)), layer.record.form));
  }
  return {};
}

Result<void> remove_upper(Tree& upper, const std::string& path, const Step& step) {
  say(step, "drop");
  const int parent = TRY(upper.dir(parent_of(path)));
  auto removed = remove_tree(parent, std::string(base_of(path)));
  upper.forget(path);
  return removed;
}

// Out of sight in one step, then taken apart: half a tree must never show.
Result<void> remove_whole(const Layer& layer, Tree& upper, const std::string& path, const Step& step) {
  if (TRY(upper.node(path)).type != Type::directory) return remove_upper(upper, path, step);
  const UniqueFd scratch = TRY(staging(layer));
  const int parent = TRY(upper.dir(parent_of(path)));
  const std::string base(base_of(path));
  // Moving a directory writes its "..": an ordinary owner needs write permission on it.
  const struct stat st = TRY(sys::lstatat(parent, base));
  if ((st.st_mode & 0700) != 0700 && ::fchmodat(parent, base.c_str(), st.st_mode | 0700, 0) != 0)
    return fail_errno("fchmodat", printable(path));
  say(step, "drop");
  TRY(sys::renameat2(parent, base, scratch.get(), "gone", RENAME_NOREPLACE));
  upper.forget(path);
  return remove_tree(layer.base(), "staging");
}

// A directory that stood for itself and that the host has too is the host's from now on.
Result<void> merge_with_host(const Layer& layer, Tree& upper, Tree& host, const std::string& path, const Step& step) {
  TRY(unopaque(layer, upper, host, path, step));
  return mark_copied(TRY(upper.dir(path)), layer.record.form);
}

struct Visit {
  std::string path;
  bool left = false;
};

// `mask` says which bits of a mode count.
Result<bool> equals_host(Tree& upper, Tree& host, const std::string& path, const Node& ours, mode_t mask) {
  const Node theirs = TRY(host.node(path));
  if (ours.whiteout) return !theirs.there();
  if (ours.type != theirs.type) return false;
  if (ours.type == Type::link) return TRY(upper.link_target(path)) == TRY(host.link_target(path));
  if (ours.type != Type::file || ours.size != theirs.size || (ours.mode & mask) != (theirs.mode & mask)) return false;
  return same_content(TRY(upper.file(path)).get(), TRY(host.file(path)).get());
}

class Settler {
 public:
  Settler(const Layer& layer, Tree& upper, Tree& host, const std::set<std::string>& applied,
          const std::vector<Moved>& kept, Applied ours, const Step& step)
      : layer_(layer),
        upper_(upper),
        host_(host),
        applied_(applied),
        kept_(kept),
        ours_(std::move(ours)),
        step_(step) {}

  Result<void> run() {
    std::vector<Visit> work = {{"", false}};
    while (!work.empty()) {
      Visit visit = std::move(work.back());
      work.pop_back();
      if (visit.left)
        TRY(leave(visit.path));
      else
        TRY(enter(visit.path, work));
    }
    return {};
  }

 private:
  Result<void> enter(const std::string& path, std::vector<Visit>& work) {
    const auto old_place = [&](const Moved& moved) { return is_below(path, moved.from); };
    if (std::any_of(kept_.begin(), kept_.end(), old_place)) return {};
    if (TRY(host_.node(path)).type != Type::directory) return {};
    const Marks marks = TRY(read_marks(upper_, path, layer_.record.form));
    if (!marks.unknown.empty() || !marks.redirect.empty()) return {};
    if (!path.empty() && (marks.opaque || !marks.copied)) {
      // Another than the agent's, made or moved there meanwhile: a conflict, and it has to stay one.
      const Node theirs = TRY(host_.node(path));
      if (theirs.ctime_ns > layer_.record.stamp_ns && !ours_.is_ours(path, theirs)) return {};
      TRY(merge_with_host(layer_, upper_, host_, path, step_));
    }
    if (!path.empty()) work.push_back({path, true});
    for (const std::string& name : TRY(upper_.list(path))) {
      const std::string child = join(path, name);
      const Node node = TRY(upper_.node(child));
      if (node.type == Type::directory)
        work.push_back({child, false});
      else if (TRY(may_go(child, node)))
        TRY(remove_upper(upper_, child, step_));
    }
    return {};
  }

  Result<bool> may_go(const std::string& path, const Node& node) {
    if (node.type == Type::file && !TRY(read_marks(upper_, path, layer_.record.form)).unknown.empty()) return false;
    const mode_t mask = applied_.contains(path) ? 01777 : 07777;
    const auto equal = equals_host(upper_, host_, path, node, mask);
    return equal.value_or(false);  // what cannot be read is kept
  }

  Result<void> leave(const std::string& path) {
    if (!TRY(upper_.list(path)).empty()) return {};
    const Node ours = TRY(upper_.node(path)), theirs = TRY(host_.node(path));
    if (theirs.type != Type::directory || (ours.mode & 01777) != (theirs.mode & 01777)) return {};
    return remove_upper(upper_, path, step_);
  }

  const Layer& layer_;
  Tree& upper_;
  Tree& host_;
  const std::set<std::string>& applied_;
  const std::vector<Moved>& kept_;
  const Applied ours_;
  const Step& step_;
};

// Of everything: what the host has now is not what it was copied from.
Result<void> forget_origins(const Layer& layer, Tree& upper) {
  std::vector<std::string> work = {""};
  while (!work.empty()) {
    const std::string path = std::move(work.back());
    work.pop_back();
    for (const std::string& name : TRY(upper.list(path))) {
      std::string child = join(path, name);
      const Type type = TRY(upper.node(child)).type;
      if (type == Type::file || type == Type::link || type == Type::directory)
        TRY(forget_origin(upper, child, layer.record.form));
      if (type == Type::directory) work.push_back(std::move(child));
    }
  }
  return {};
}

// A whiteout becomes an opaque directory like the host's: as empty as before, but with names below it.
Result<void> open_whiteout(const Layer& layer, Tree& upper, Tree& host, const std::string& path, const Step& step) {
  const Matcher all;
  const Copier copies = TRY(Copier::create(layer, host, all, step));
  const std::string made = TRY(copies.directory_like(TRY(host.node(path))));
  const int parent = TRY(upper.dir(parent_of(path)));
  say(step, "drop");
  TRY(sys::renameat2(copies.scratch(), made, parent, std::string(base_of(path)), RENAME_EXCHANGE));
  upper.forget(path);
  return remove_tree(layer.base(), "staging");
}

// Makes every directory above `path` one that shows the host's, but for what it says itself. False: the layer says
// nothing at `path`, or what it says is all there is and goes with its parent.
Result<bool> open_above(const Layer& layer, Tree& upper, Tree& host, const std::string& path, const Step& step) {
  for (size_t end = path.find('/'); end != path.npos; end = path.find('/', end + 1)) {
    const std::string above = path.substr(0, end);
    const Node ours = TRY(upper.node(above));
    const bool on_host = TRY(host.node(above)).type == Type::directory;
    if (!ours.there()) return false;
    if (ours.whiteout && on_host) TRY(open_whiteout(layer, upper, host, above, step));
    if (!ours.whiteout && ours.type != Type::directory)
      return fail("undo", printable(path), ENOTDIR, "the agent replaced " + printable(above) + "; undo that");
    if (ours.whiteout && !on_host) return false;
    if (on_host) TRY(merge_with_host(layer, upper, host, above, step));
  }
  return true;
}

}  // namespace

Result<void> unopaque(const Layer& layer, Tree& upper, Tree& host, const std::string& path, const Step& step) {
  if (!TRY(read_marks(upper, path, layer.record.form)).opaque) return {};
  const auto present = TRY(upper.list(path));
  for (const std::string& name : TRY(host.list(path))) {
    if (std::binary_search(present.begin(), present.end(), name)) continue;
    say(step, "settle");
    TRY(make_whiteout(TRY(upper.dir(path)), name));
  }
  TRY(shield_children(layer, upper, path));
  say(step, "settle");
  return clear_opaque(TRY(upper.dir(path)), layer.record.form);
}

Result<std::vector<Moved>> materialise(const Layer& layer, Tree& host, const Scan& scan, const Matcher& denied,
                                       const Step& step) {
  std::vector<Moved> kept;
  if (scan.moved.empty()) return kept;
  Tree upper = TRY(upper_of(layer));
  const Copier copies = TRY(Copier::create(layer, host, denied, step));
  // Deepest first: what is inside resolves its old place through what is around it.
  std::vector<Moved> moved = scan.moved;
  std::sort(moved.begin(), moved.end(), [](const Moved& a, const Moved& b) { return a.path.size() > b.path.size(); });
  for (const Moved& one : moved) {
    const auto inside = [&](const Moved& k) { return is_below(k.path, one.path); };
    const bool blocked = std::any_of(kept.begin(), kept.end(), inside);
    if (blocked || !fill(layer, upper, host, copies, one, step)) kept.push_back(one);
  }
  TRY(remove_tree(layer.base(), "staging"));
  return kept;
}

Result<void> settle(const Layer& layer, Tree& host, const std::set<std::string>& applied,
                    const std::vector<Moved>& kept, const Step& step) {
  Tree upper = TRY(upper_of(layer));
  TRY(Settler(layer, upper, host, applied, kept, TRY(Applied::load(layer)), step).run());
  return forget_origins(layer, upper);
}

Result<void> drop(const Layer& layer, Tree& host, const std::string& path, const Step& step) {
  Tree upper = TRY(upper_of(layer));
  if (!TRY(open_above(layer, upper, host, path, step))) return {};
  if (!TRY(upper.node(path)).there()) return {};
  return remove_whole(layer, upper, path, step);
}

}  // namespace alos::workspace
