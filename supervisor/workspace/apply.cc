#include "supervisor/workspace/apply.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/manifest.h"
#include "supervisor/workspace/place.h"

namespace alos::workspace {
namespace {

constexpr size_t kBatch = 256;  // files written and synced together before the first takes its place; open meanwhile
constexpr size_t kBigBatch = 8192;
constexpr size_t kManyFiles = 2048;

constexpr size_t kManyDirectories = 32;  // from here on one sync of the file system costs less than one of each

bool becomes_directory(const Change& change) {
  return change.after.type == Type::directory && change.before.type != Type::directory;
}
bool stops_being_directory(const Change& change) {
  return change.before.type == Type::directory && change.after.type != Type::directory;
}
// In place, where no other name of the file is meant.
bool only_mode(const Change& change) {
  return change.kind == Kind::modified && change.after.type == Type::file && !change.content_differs &&
         change.before.links == 1;
}
// A directory of the host's, which would let others in.
bool opens_directory(const Change& change) {
  const bool same = change.before.type == Type::directory && change.after.type == Type::directory;
  return same && std::ranges::any_of(change.flags, [](const Flag& flag) {
           return flag.hazard == Hazard::exposed || flag.hazard == Hazard::writable;
         });
}
bool has_content(const Change& change) {
  return change.after.type == Type::file || change.after.type == Type::link;
}

std::string reasons(const Change& change) {
  std::string text;
  for (const Flag& flag : change.flags) text += (text.empty() ? "" : "; ") + flag.reason;
  return text;
}

// Decides each change by itself, then lets what depends on something that stays stay as well.
class Decision {
 public:
  Decision(std::vector<Change> changes, const ApplyOptions& options, const std::vector<Moved>& kept,
           const std::vector<Rename>& renames)
      : named_(options.paths.begin(), options.paths.end()),
        opening_(options.opening),
        shown_(options.shown),
        kept_(kept) {
    const std::vector<std::string>& paths = options.paths;
    for (Change& change : changes) {
      lines_.push_back({std::move(change), Outcome::applied, ""});
      selected_.push_back(paths.empty() || is_selected(lines_.back().change.path));
    }
    for (size_t i = 0; i < lines_.size(); ++i) index_.emplace(lines_[i].change.path, i);
    for (Line& line : lines_) judge(line);
    for (size_t i = 0; i < lines_.size(); ++i)
      if (goes(i)) need_parents(i);
    hold_old_places(renames);
    hold_emptied_directories();
  }

  bool goes(size_t i) const { return selected_[i] && lines_[i].outcome == Outcome::applied; }
  bool selected(size_t i) const { return selected_[i]; }
  std::vector<Line>& lines() { return lines_; }
  bool any() const {
    for (size_t i = 0; i < lines_.size(); ++i)
      if (goes(i)) return true;
    return false;
  }
  bool all() const {
    for (size_t i = 0; i < lines_.size(); ++i)
      if (!goes(i)) return false;
    return true;
  }
  std::vector<std::string> unknown() const {
    std::vector<std::string> out;
    for (const std::string& path : named_) {
      const auto below = [&](const Line& line) { return is_below(line.change.path, path); };
      if (std::none_of(lines_.begin(), lines_.end(), below)) out.push_back(path);
    }
    return out;
  }

 private:
  bool is_selected(std::string_view path) const {
    for (std::string_view at = path;; at = parent_of(at)) {
      if (named_.contains(std::string(at))) return true;
      if (at.empty()) return false;
    }
  }

  void judge(Line& line) {
    const Change& change = line.change;
    if (!change.refused.empty()) {
      line.outcome = Outcome::refused, line.reason = change.refused;
    } else if (change.denied) {
      line.outcome = Outcome::denied;
      line.reason = "rule '" + change.denied->rule + "' keeps it in the layer" +
                    (change.denied->reason.empty() ? "" : ": " + change.denied->reason);
    } else if (!change.conflict.empty()) {
      line.outcome = Outcome::conflict, line.reason = change.conflict;
    } else if (!change.flags.empty() && !named_.contains(change.path) && !comes_with_whole(change)) {
      line.outcome = Outcome::held, line.reason = reasons(change);
    } else if (opens_directory(change) && opening_ == Opening::held) {
      line.outcome = Outcome::held;
      line.reason = reasons(change) + "; naming it brings what is in it, and its mode only with --open";
    } else if (shown_ && !shown_->contains(change.path)) {
      line.outcome = Outcome::held, line.reason = "it was not shown as one that goes; the host changed meanwhile";
    } else {
      by_moved(line);
    }
  }

  // Its repository or tree of dependencies is named, or a directory of it: too many paths to name each.
  bool comes_with_whole(const Change& change) const {
    if (!change.goes_with_whole()) return false;
    for (std::string_view at = change.path; is_below(at, *change.whole); at = parent_of(at)) {
      if (named_.contains(std::string(at))) return true;
      if (at.empty()) return false;
    }
    return false;
  }

  void by_moved(Line& line) {
    for (const Moved& moved : kept_) {
      if (line.change.before.there() && is_below(line.change.path, moved.from))
        line.reason = printable(moved.path) + " was renamed from here and could not be copied into the layer";
      if (is_below(line.change.path, moved.path))
        line.reason = "what was renamed from " + printable(moved.from) + " could not be copied into the layer";
      if (!line.reason.empty()) line.outcome = Outcome::held;
    }
  }

  // New directories above come along; one that stays keeps what is in it.
  void need_parents(size_t i) {
    std::vector<size_t> above;
    for (std::string_view at = parent_of(lines_[i].change.path); !at.empty(); at = parent_of(at)) {
      const auto found = index_.find(at);
      if (found == index_.end() || !becomes_directory(lines_[found->second].change)) break;
      if (goes(found->second)) break;
      above.push_back(found->second);
    }
    for (const size_t parent : above) {
      // A new directory is nothing by itself: it comes along with what is named in it.
      if (lines_[parent].outcome == Outcome::held && lines_[parent].change.goes_with_whole()) {
        lines_[parent].outcome = Outcome::applied, lines_[parent].reason.clear();
        by_moved(lines_[parent]);
      }
      if (lines_[parent].outcome != Outcome::applied) {
        hold(i, "its directory " + printable(lines_[parent].change.path) + " stays");
        return;
      }
    }
    for (const size_t parent : above) selected_[parent] = true;
  }

  // What was renamed is deleted only together with its coming to the new place.
  void hold_old_places(const std::vector<Rename>& renames) {
    std::unordered_map<std::string_view, std::string_view> to;
    for (const Rename& rename : renames) to.emplace(rename.from, rename.to);
    if (to.empty()) return;
    for (size_t i = 0; i < lines_.size(); ++i) {
      const std::string_view path = lines_[i].change.path;
      if (lines_[i].change.kind != Kind::deleted || !goes(i)) continue;
      for (std::string_view at = path; !at.empty(); at = parent_of(at)) {
        const auto rename = to.find(at);
        if (rename == to.end()) continue;
        const auto there = index_.find(std::string(rename->second).append(path.substr(at.size())));
        if (there != index_.end() && !goes(there->second))
          hold(i, "it was renamed to " + printable(lines_[there->second].change.path) + ", which stays");
        break;
      }
    }
  }

  // A directory goes only when all that is in it goes. From the deepest up.
  void hold_emptied_directories() {
    std::vector<bool> blocked(lines_.size(), false);
    for (size_t i = lines_.size(); i-- > 0;) {
      const Change& change = lines_[i].change;
      if (blocked[i] && goes(i)) hold(i, "something in it stays");
      if (goes(i) || !change.before.there()) continue;
      const auto parent = index_.find(parent_of(change.path));
      if (parent != index_.end() && stops_being_directory(lines_[parent->second].change))
        blocked[parent->second] = true;
    }
  }

  void hold(size_t i, std::string why) { lines_[i].outcome = Outcome::held, lines_[i].reason = std::move(why); }

  std::vector<Line> lines_;
  std::vector<bool> selected_;
  std::set<std::string> named_;
  const Opening opening_;
  const std::optional<std::set<std::string>>& shown_;
  const std::vector<Moved>& kept_;
  std::unordered_map<std::string_view, size_t> index_;
};

class Execution {
 public:
  Execution(const Layer& layer, const Rights& rights, Tree& host, Tree& content, Journal& journal, Decision& decision,
            const Step& step)
      : host_(host), placer_(layer, rights, host, content, journal, step), journal_(journal), decision_(decision) {}

  Result<void> run() {
    std::set<std::string> parents;
    for (size_t i = 0; i < decision_.lines().size(); ++i)
      if (decision_.goes(i)) parents.emplace(parent_of(line(i).change.path));
    TRY(journal_.announce(parents));
    each([&](const Change& c) { return becomes_directory(c); }, [&](const Change& c) { return placer_.directory(c); });
    TRY(contents());
    each([&](const Change& c) { return only_mode(c); }, [&](const Change& c) { return placer_.change_mode(c); });
    each_reversed([&](const Change& c) { return c.kind == Kind::deleted || stops_being_directory(c); },
                  [&](const Change& c) { return remove(c); });
    each_reversed([&](const Change& c) { return c.after.type == Type::directory; },
                  [&](const Change& c) { return placer_.finish_directory(c); });
    return sync_directories();
  }
  const std::vector<Node>& unlinked() const { return placer_.unlinked(); }

 private:
  template <class Which, class Do>
  void one(size_t i, const Which& which, const Do& act) {
    if (!decision_.goes(i) || !which(line(i).change)) return;
    if (auto done = act(line(i).change); !done) failed(line(i), done.error());
  }
  template <class Which, class Do>
  void each(const Which& which, const Do& act) {
    for (size_t i = 0; i < decision_.lines().size(); ++i) one(i, which, act);
  }
  template <class Which, class Do>
  void each_reversed(const Which& which, const Do& act) {
    for (size_t i = decision_.lines().size(); i-- > 0;) one(i, which, act);
  }

  Line& line(size_t i) { return decision_.lines()[i]; }

  static void failed(Line& line, const Error& error) {
    line.outcome = error.code == ESTALE ? Outcome::conflict : Outcome::failed;
    line.reason = error.code == ESTALE ? error.hint : error.text();
  }

  Result<void> contents() {
    std::vector<size_t> lines;
    std::vector<Staged> batch;
    const Sync how = decision_.lines().size() > kManyFiles ? Sync::file_system : Sync::each_file;
    const size_t full = how == Sync::each_file ? kBatch : kBigBatch;
    for (size_t i = 0; i < decision_.lines().size(); ++i) {
      const Change& change = line(i).change;
      if (!decision_.goes(i) || !has_content(change) || only_mode(change) || stops_being_directory(change)) continue;
      if (auto staged = placer_.stage(change))
        lines.push_back(i), batch.push_back(std::move(*staged));
      else
        failed(line(i), staged.error());
      if (how == Sync::file_system && !batch.empty()) batch.back().file.reset();
      if (batch.size() == full) TRY(commit(lines, batch, how));
    }
    return commit(lines, batch, how);
  }

  Result<void> commit(std::vector<size_t>& lines, std::vector<Staged>& batch, Sync how) {
    TRY(placer_.sync(batch, how));
    for (size_t i = 0; i < batch.size(); ++i)
      if (auto done = placer_.commit(batch[i]); !done) failed(line(lines[i]), done.error());
    lines.clear();
    batch.clear();
    return journal_.sync();
  }

  Result<void> remove(const Change& change) {
    if (!has_content(change)) return placer_.remove(change);
    const Staged staged = TRY(placer_.stage(change));
    TRY(placer_.sync({&staged, 1}, Sync::each_file));
    return placer_.commit(staged);
  }

  Result<void> sync_directories() {
    std::set<std::string_view> changed;
    for (size_t i = 0; i < decision_.lines().size(); ++i) {
      if (!decision_.goes(i)) continue;
      changed.insert(parent_of(line(i).change.path));
      if (line(i).change.after.type == Type::directory) changed.insert(line(i).change.path);
    }
    if (changed.size() > kManyDirectories) {
      if (::syncfs(host_.root()) != 0) return fail_errno("syncfs", "workspace");
      return {};
    }
    for (const std::string_view path : changed)
      if (const auto dir = host_.dir(path)) TRY(sys::fsync(*dir));
    return {};
  }

  Tree& host_;
  Placer placer_;
  Journal& journal_;
  Decision& decision_;
};

Result<void> must_have_room(Tree& host, Decision& decision) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < decision.lines().size(); ++i) {
    const Change& change = decision.lines()[i].change;
    if (decision.goes(i) && has_content(change) && !only_mode(change)) bytes += change.after.blocks;
  }
  struct statvfs vfs{};
  if (::fstatvfs(host.root(), &vfs) != 0) return fail_errno("fstatvfs", "workspace");
  const uint64_t room = vfs.f_bavail * vfs.f_frsize;
  if (bytes <= room) return {};
  return fail("apply", "workspace", ENOSPC,
              "it needs " + std::to_string(bytes >> 20) + " MiB and " + std::to_string(room >> 20) +
                  " MiB are free; name fewer paths, or make room");
}

// Remembers what the host's files look like now that they are as the layer wants them.
Result<std::set<std::string>> note(const Layer& layer, Tree& host, Decision& decision,
                                   const std::vector<Node>& unlinked) {
  Applied applied = TRY(Applied::load(layer));
  for (const Node& node : unlinked) applied.note_inode(node);
  std::set<std::string> paths, touched;
  for (size_t i = 0; i < decision.lines().size(); ++i) {
    if (!decision.goes(i)) continue;
    paths.insert(decision.lines()[i].change.path);
    touched.insert(decision.lines()[i].change.path);
    touched.emplace(parent_of(decision.lines()[i].change.path));
  }
  for (const std::string& path : touched)
    if (const Node node = TRY(host.node(path)); node.there()) applied.note(path, node.ctime_ns);
  TRY(applied.save(layer));
  return paths;
}

Result<ApplyReport> report_of(Decision& decision, const std::string& unseen) {
  ApplyReport report;
  report.unknown = decision.unknown();
  report.pending = !decision.all();
  report.unseen = unseen;
  for (size_t i = 0; i < decision.lines().size(); ++i)
    if (decision.selected(i)) report.lines.push_back(decision.lines()[i]);
  return report;
}

Result<void> note_in_manifest(const Layer& layer, Tree& content, const std::set<std::string>& applied) {
  Manifest manifest = TRY(Manifest::load(layer));
  for (const std::string& path : applied) manifest.note(path, TRY(content.node(path)));
  return manifest.save(layer);
}

Result<void> conclude(Layer& layer, Decision& decision) {
  const bool empty = layer.record.mode == Mode::copy || TRY(sys::list(layer.upper.get())).empty();
  if (!decision.all() || !empty) return {};
  restart(layer);
  if (layer.record.mode == Mode::copy) layer.record.copied_ns = layer.record.stamp_ns;
  return layer.save();
}

}  // namespace

std::string_view name(Outcome outcome) {
  constexpr std::string_view kNames[] = {"applied", "held", "denied", "conflict", "refused", "failed"};
  return kNames[static_cast<size_t>(outcome)];
}

size_t ApplyReport::count(Outcome outcome) const {
  return static_cast<size_t>(
      std::count_if(lines.begin(), lines.end(), [&](const Line& line) { return line.outcome == outcome; }));
}

Result<ApplyReport> apply(Layer& layer, const ApplyOptions& options) {
  Tree host = TRY(open_workspace(layer.record));
  const ScanOptions how{options.denied, false};
  Scan found = TRY(scan(layer, host, how));
  std::vector<Moved> kept;
  std::vector<Rename> renames = layer.record.renames;
  for (const Moved& moved : found.moved) renames.push_back({moved.from, moved.path});
  if (options.effect == Effect::apply && !found.moved.empty()) {
    if (Decision(found.changes, options, kept, renames).any()) {
      layer.record.renames = renames;
      TRY(layer.save());
      TRY(materialise(layer, host, found, options.denied, options.step));
      found = TRY(scan(layer, host, how));
      kept = found.moved;  // also what the host put back at an old place meanwhile
    }
  }
  const std::string unseen = found.unseen;
  Decision decision(std::move(found.changes), options, kept, renames);
  if (options.effect == Effect::show || !decision.any()) return report_of(decision, unseen);
  TRY(must_have_room(host, decision));
  Tree content(TRY(sys::dup(layer.content())));
  Journal journal = TRY(Journal::begin(layer));
  const Rights rights(layer.record, TRY(host.node("")));
  Execution execution(layer, rights, host, content, journal, decision, options.step);
  TRY(execution.run());
  const std::set<std::string> applied = TRY(note(layer, host, decision, execution.unlinked()));
  if (layer.record.mode == Mode::layer)
    TRY(settle(layer, host, applied, kept, options.step));
  else
    TRY(note_in_manifest(layer, content, applied));
  if (applied.contains("")) {
    layer.record.root_mode = TRY(sys::fstat(layer.content())).st_mode & 07777;
    TRY(layer.save());
  }
  TRY(conclude(layer, decision));
  TRY(journal.end(layer));
  return report_of(decision, unseen);
}

}  // namespace alos::workspace
