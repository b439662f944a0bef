#include "supervisor/workspace/undo.h"

#include <algorithm>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/changes.h"
#include "supervisor/workspace/copier.h"
#include "supervisor/workspace/manifest.h"
#include "supervisor/workspace/secrets.h"
#include "supervisor/workspace/settle.h"

namespace alos::workspace {
namespace {

Result<void> undo_all(Layer& layer, Tree& host, const Step& step) {
  for (const sys::Entry& entry : TRY(sys::list(layer.content()))) {
    if (layer.record.mode == Mode::layer)
      TRY(drop(layer, host, entry.name, step));
    else
      TRY(remove_tree(layer.content(), entry.name));
  }
  if (layer.record.root_mode != 0) TRY(sys::fchmod(layer.content(), layer.record.root_mode));
  restart(layer);
  layer.record.copied_ns = 0;  // mode copy: copied anew by the next run
  return layer.save();
}

// They stand for the host's again, which the agent's own do not.
Result<void> note_directories(Manifest& manifest, Tree& copy, const std::string& path) {
  std::vector<std::string> work = {path};
  while (!work.empty()) {
    const std::string next = std::move(work.back());
    work.pop_back();
    const Node node = TRY(copy.node(next));
    if (node.type != Type::directory) continue;
    manifest.note(next, node);
    if (manifest.hides(next)) continue;
    for (const std::string& name : TRY(copy.list(next))) work.push_back(join(next, name));
  }
  return {};
}

Result<void> undo_in_copy(Layer& layer, Tree& host, const std::string& path, const Step& step) {
  Tree copy(TRY(sys::dup(layer.copy.get())));
  const Secrets secrets = TRY(Secrets::find(host, layer.record));
  const Copier copies = TRY(Copier::create(layer, host, secrets, step));
  std::vector<std::string> opened;
  for (size_t end = path.find('/'); end != path.npos; end = path.find('/', end + 1)) {
    const std::string above = path.substr(0, end);
    const Node ours = TRY(copy.node(above)), theirs = TRY(host.node(above));
    if (ours.there() && ours.type != Type::directory)
      return fail("undo", printable(path), ENOTDIR, "the agent replaced " + printable(above) + "; undo that");
    if (!ours.there() && theirs.type != Type::directory) return {};  // neither side has anything there
    if (ours.there()) continue;
    const std::string made = TRY(copies.directory_like(theirs));
    TRY(sys::renameat2(copies.scratch(), made, TRY(copy.dir(parent_of(above))), std::string(base_of(above)),
                       RENAME_NOREPLACE));
    opened.push_back(above);
  }
  const int parent = TRY(copy.dir(parent_of(path)));
  TRY(remove_tree(parent, std::string(base_of(path))));
  copy.forget(path);
  // What the host keeps from the agent must be known before it can look like a change.
  Manifest manifest = TRY(Manifest::load(layer));
  manifest.hide(secrets);
  TRY(manifest.save(layer));
  const Node around = TRY(host.node(parent_of(path)));
  if (TRY(host.node(path)).there()) TRY(copies.copy(around, path, copy, path));
  for (const std::string& above : opened) manifest.note(above, TRY(copy.node(above)));
  TRY(note_directories(manifest, copy, path));
  TRY(manifest.save(layer));
  return remove_tree(layer.base(), "staging");
}

Result<void> undo_in_layer(Layer& layer, Tree& host, const std::vector<std::string>& paths, const Matcher& denied,
                           const Step& step) {
  const Scan found = TRY(scan(layer, host, {denied, false, OtherNames::skip}));
  for (const Moved& moved : found.moved) layer.record.renames.push_back({moved.from, moved.path});
  TRY(layer.save());
  const std::vector<Moved> kept = TRY(materialise(layer, host, found, denied, step));
  // A renamed directory that could not be copied still shows its old place: it can only go as a whole, and what is at
  // the old place only after it.
  std::vector<Moved> left;
  for (const Moved& moved : kept) {
    const auto covers = [&](const std::string& path) { return is_below(moved.path, path); };
    const auto covering = std::find_if(paths.begin(), paths.end(), covers);
    if (covering == paths.end())
      left.push_back(moved);
    else
      TRY(drop(layer, host, *covering, step));
  }
  for (const std::string& path : paths) {
    const auto related = [&](const Moved& moved) {
      return is_below(path, moved.path) || is_below(path, moved.from) || is_below(moved.from, path);
    };
    if (std::any_of(left.begin(), left.end(), related))
      return fail("undo", printable(path), EACCES, "it belongs to a renamed directory; undo that as a whole first");
    TRY(drop(layer, host, path, step));
  }
  return settle(layer, host, {}, left, step);
}

}  // namespace

Result<void> undo(Layer& layer, const std::vector<std::string>& paths, const Matcher& denied, const Step& step) {
  Tree host = TRY(open_workspace(layer.record));
  if (paths.empty() || std::find(paths.begin(), paths.end(), "") != paths.end()) return undo_all(layer, host, step);
  if (layer.record.mode == Mode::layer)
    TRY(undo_in_layer(layer, host, paths, denied, step));
  else
    for (const std::string& path : paths) TRY(undo_in_copy(layer, host, path, step));
  if (TRY(has_changes(layer))) return {};
  if (layer.record.mode == Mode::layer && !TRY(sys::list(layer.upper.get())).empty()) return {};
  restart(layer);
  if (layer.record.mode == Mode::copy) layer.record.copied_ns = layer.record.stamp_ns;
  return layer.save();
}

}  // namespace alos::workspace
