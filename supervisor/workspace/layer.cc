#include "supervisor/workspace/layer.h"

#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/digest.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/changes.h"
#include "supervisor/workspace/journal.h"
#include "supervisor/workspace/tree.h"

namespace alos::workspace {
namespace {

constexpr size_t kRecordLimit = 4 << 20;

Result<UniqueFd> make_directory(int dir, const std::string& name, mode_t mode) {
  if (auto made = sys::mkdirat(dir, name, mode); !made && made.error().code != EEXIST)
    return std::unexpected(std::move(made).error());
  return sys::openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<Identity> identity_of(Tree& workspace) {
  const Node node = TRY(workspace.node(""));
  return Identity{node.device, node.inode, workspace.born_ns("")};
}

Result<void> must_be_the_same(const Record& record, const Identity& there) {
  if (!record.identity.known() || record.identity.same(there)) return {};
  return fail("layer", printable(record.workspace), ESTALE,
              "another directory is there now than the one that its changes were made in; put that one back, or remove "
              "the changes with `alos gc`");
}

enum class IfTaken : uint8_t { wait_a_moment, fail };

Result<void> take_lock(Layer& layer, IfTaken then = IfTaken::wait_a_moment) {
  layer.lock = TRY(sys::openat(layer.dir.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  const int lock = layer.lock.get();
  const auto locked = then == IfTaken::fail ? sys::lock(lock) : sys::lock_soon(lock);
  if (locked) return {};
  if (locked.error().code != EAGAIN) return fail("lock", layer.path + "/lock", locked.error().code);
  const std::string who = holder(layer.path);
  return fail("lock", layer.record.workspace, EBUSY,
              (who.empty() ? "another alos command" : printable(who)) + " is using its layer; wait until it has ended");
}

// State that somebody else could have written would be obeyed as ours.
Result<void> must_be_ours(int dir, const std::string& path) {
  const struct stat st = TRY(sys::fstat(dir));
  if (st.st_uid != ::geteuid() || (st.st_mode & 022) != 0)
    return fail("layer", path, EPERM, "it is not owned by this user alone; chown and chmod 0700 it, or remove it");
  return {};
}

Result<void> open_image(Layer& layer) {
  if (layer.record.image_bytes == 0 || layer.disk.root) return {};
  if (const std::string who = layer.lock ? "" : holder(layer.path); !who.empty())
    return fail("mount", layer.path + "/image", EBUSY, printable(who) + " goes on in it; wait until it has ended");
  layer.disk = TRY(mount_image(layer.dir.get(), layer.path + "/image"));
  return {};
}

Result<void> open_content(Layer& layer) {
  TRY(open_image(layer));
  const int dir = layer.base();
  if (layer.record.mode == Mode::copy) {
    layer.copy = TRY(open_own(dir, "copy"));
    layer.pending = layer.record.copied_ns != 0 && !layer.record.runs.empty();
    return {};
  }
  layer.upper = TRY(open_own(dir, "upper"));
  layer.work = TRY(open_own(dir, "work"));
  const mode_t mode = TRY(sys::fstat(layer.upper.get())).st_mode & 07777;
  layer.pending =
      !TRY(sys::list(layer.upper.get())).empty() || (layer.record.root_mode != 0 && layer.record.root_mode != mode);
  return {};
}

// The merged root shows the mode of upper/, so it begins as the workspace's own.
Result<void> make_content(Layer& layer, mode_t mode) {
  const int dir = layer.base();
  const Owner owner = layer.record.owner;
  const auto own = [&](const char* name, mode_t bits) -> Result<void> {
    const UniqueFd fd = TRY(make_directory(dir, name, 0700));
    const struct stat st = TRY(sys::fstat(fd.get()));
    if (st.st_uid != owner.uid || st.st_gid != owner.gid) TRY(sys::fchown(fd.get(), owner.uid, owner.gid));
    return sys::fchmod(fd.get(), bits);
  };
  if (layer.record.mode == Mode::copy) return own("copy", mode);
  TRY(own("work", 0700));
  return own("upper", mode);  // last: where it is, all of it is
}

// False where a crash came while it was being made anew: nothing was in it.
Result<bool> has_content(Layer& layer) {
  const auto there = [](int dir, const char* name) {
    return ::faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
  };
  if (layer.record.image_bytes != 0 && !there(layer.dir.get(), "image")) layer.record.image_bytes = 0;
  TRY(open_image(layer));
  return there(layer.base(), layer.record.mode == Mode::copy ? "copy" : "upper");
}

void merge_denies(std::vector<LayerDeny>& kept, const std::vector<LayerDeny>& more) {
  for (const LayerDeny& deny : more) {
    const auto same = [&](const LayerDeny& k) {
      return k.pattern == deny.pattern && k.except == deny.except && k.rule == deny.rule && k.denied == deny.denied;
    };
    if (std::none_of(kept.begin(), kept.end(), same)) kept.push_back(deny);
  }
}

Result<void> check_pending(const Layer& layer, const Request& request) {
  const std::string since =
      layer.pending_since().empty() ? "an earlier run" : "run " + printable(layer.pending_since());
  if (layer.record.image_bytes != request.image_bytes)
    return fail("layer", printable(request.workspace), EXDEV,
                "changes of " + since +
                    " are pending, and 'disk' or 'disk-by' were others then; `alos apply` or `alos undo` them first");
  if (layer.record.mode != request.mode || layer.record.form != request.form)
    return fail("layer", printable(request.workspace), EXDEV,
                "changes of " + since + " are pending in another mode; `alos apply` or `alos undo` them first");
  return {};
}

// An image of the wanted size, mounted; or none. One of that size is used again: making it is most of a launch.
Result<void> fit_image(Layer& layer, uint64_t bytes) {
  if (layer.record.image_bytes != bytes) {
    layer.upper.reset(), layer.work.reset(), layer.copy.reset();
    layer.disk = {};
    for (const char* name : {"upper", "work", "copy", "image"}) TRY(remove_tree(layer.dir.get(), name));
    layer.record.image_bytes = 0;
    if (bytes != 0) TRY(make_image(layer.dir.get(), layer.path + "/image", bytes));
    layer.record.image_bytes = bytes;
  }
  return open_image(layer);
}

// With nothing pending everything follows the request.
Result<void> begin_anew(Layer& layer, const Request& request, mode_t mode) {
  TRY(fit_image(layer, request.image_bytes));
  for (const char* name : {"upper", "work", "copy"}) TRY(remove_tree(layer.base(), name));
  layer.record.mode = request.mode;
  layer.record.form = request.form;
  layer.record.owner = request.owner;
  layer.record.layer_denies.clear();
  layer.record.copied_ns = 0;
  layer.record.root_mode = mode;
  TRY(make_content(layer, mode));
  restart(layer);
  return {};
}

Result<Layer> open_directory(const std::string& path) {
  Layer layer;
  layer.path = path;
  layer.dir = TRY(sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(must_be_ours(layer.dir.get(), path));
  return layer;
}

Result<std::string> read_record(const Layer& layer) {
  const UniqueFd fd = TRY(sys::openat(layer.dir.get(), "layer.json", O_RDONLY | O_NOFOLLOW));
  return sys::read_file(fd.get(), kRecordLimit);
}

// What a crashed command left.
Result<void> clean_up(const Layer& layer) {
  TRY(remove_tree(layer.base(), "staging"));
  if (!needs_recovery(layer)) return {};
  Tree host = TRY(open_workspace(layer.record));
  auto recovered = recover(layer, host);
  if (recovered) return {};
  const Error& error = recovered.error();
  return fail("recover", layer.path + "/apply.journal", 0,
              "an apply was killed, and what it left in " + printable(layer.record.workspace) + " cannot be ended: " +
                  error.text() + "; remove that file, and there what is called " + temporary_names(layer) + "*");
}

}  // namespace

Result<UniqueFd> open_own(int dir, const std::string& name) {
  auto opened = sys::openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (opened || opened.error().code != EACCES) return opened;
  const UniqueFd closed = TRY(sys::openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const mode_t mode = TRY(sys::fstat(closed.get())).st_mode & 07777;
  // fchmod takes no O_PATH descriptor (EBADF).
  const std::string by_descriptor = "/proc/self/fd/" + std::to_string(closed.get());
  if (::chmod(by_descriptor.c_str(), mode | 0700) != 0) return fail_errno("chmod", printable(name));
  return sys::openat(closed.get(), ".", O_RDONLY | O_DIRECTORY);
}

std::string layers_directory(const std::string& state) {
  return state + "/layers";
}

std::string layer_key(const std::string& workspace) {
  const Digest whole = digest(workspace);
  return hex(std::span(whole).first(8));
}

Result<void> Layer::save() const {
  return sys::replace_file(path + "/layer.json", TRY(encode(record)), 0600, true);
}

Result<void> Layer::hold(const std::string& who) const {
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), who.data(), who.size(), 0) < 0)
    return fail_errno("write", path + "/lock");
  return {};
}

std::string holder(const std::string& path) {
  const auto fd = sys::open(path + "/lock", O_RDONLY | O_NOFOLLOW);
  if (!fd || !sys::is_locked(fd->get()).value_or(false)) return "";
  const auto text = sys::read_file(fd->get(), 4096);
  return text && !text->empty() ? *text : "somebody";
}

Result<Tree> open_workspace(const Record& record) {
  Tree tree = TRY(Tree::open(record.workspace));
  TRY(must_be_the_same(record, TRY(identity_of(tree))));
  return tree;
}

bool is_gone(const Record& record) {
  const auto dir = open_workspace(record);
  if (dir) return false;
  const int code = dir.error().code;
  return code == ENOENT || code == ENOTDIR || code == ELOOP || code == ESTALE;
}

int64_t stamp_now(int dir) {
  const auto probe = sys::openat(dir, ".", O_TMPFILE | O_RDWR, 0600);
  if (!probe) return file_stamp_ns();
  const auto st = sys::fstat(probe->get());
  return st ? std::max(Node::of(*st).ctime_ns, file_stamp_ns()) : file_stamp_ns();
}

void restart(Layer& layer) {
  ::unlinkat(layer.dir.get(), "applied", 0);
  layer.record.stamp_ns = stamp_now(layer.dir.get());
  layer.record.runs.clear();
  layer.record.renames.clear();
  layer.pending = false;
}

Result<UniqueFd> staging(const Layer& layer) {
  TRY(remove_tree(layer.base(), "staging"));
  return make_directory(layer.base(), "staging", 0700);
}

Result<Layer> open_or_create(const Request& request) {
  if (!is_canonical_path(request.workspace)) return fail("layer", printable(request.workspace), EINVAL);
  Tree workspace = TRY(Tree::open(request.workspace));
  const mode_t mode = TRY(workspace.node("")).mode;
  const Identity identity = TRY(identity_of(workspace));
  const std::string path = layers_directory(request.state) + "/" + layer_key(request.workspace);
  TRY(sys::make_dirs(path, 0700));
  Layer layer = TRY(open_directory(path));
  layer.record.workspace = request.workspace;
  TRY(take_lock(layer));
  TRY(layer.hold("run " + request.run));
  auto text = read_record(layer);
  if (!text && text.error().code != ENOENT) return std::unexpected(std::move(text).error());
  if (text) {
    layer.record = TRY(decode(*text));
    if (TRY(has_content(layer))) {
      TRY(open_content(layer));
      if (layer.pending) TRY(must_be_the_same(layer.record, identity));
      TRY(clean_up(layer));
    }
    if (layer.record.mode == Mode::copy && layer.pending) layer.pending = TRY(has_changes(layer));
  }
  if (layer.record.workspace != request.workspace)
    return fail("layer", path, EEXIST, "it belongs to " + printable(layer.record.workspace));
  if (layer.pending) TRY(check_pending(layer, request));
  if (!layer.pending) TRY(begin_anew(layer, request, mode));
  layer.record.identity = identity;
  layer.record.policy = request.policy;
  layer.record.policy_hash = request.policy_hash;
  merge_denies(layer.record.layer_denies, request.layer_denies);
  layer.record.runs.push_back({request.run, wall_ns()});
  TRY(layer.save());
  const bool pending = layer.pending;
  TRY(open_content(layer));
  layer.pending = pending;
  return layer;
}

Result<Layer> open_layer_at(const std::string& path, Access access) {
  Layer layer = TRY(open_directory(path));
  layer.record = TRY(decode(TRY(read_record(layer))));
  if (access == Access::change) {
    TRY(take_lock(layer));
    TRY(layer.hold("an alos command"));
    layer.record = TRY(decode(TRY(read_record(layer))));  // it may have changed until the lock was ours
  }
  TRY(open_content(layer));
  if (access == Access::change) TRY(clean_up(layer));
  // Nobody holds it while its journal is there: the apply was killed, and its temporary names are in the host's tree.
  // Another directory at that path has nothing of it.
  if (access == Access::look && needs_recovery(layer) && !is_gone(layer.record) && take_lock(layer, IfTaken::fail)) {
    TRY(clean_up(layer));
    layer.lock.reset();
  }
  return layer;
}

Result<Layer> open_layer(const std::string& state, const std::string& workspace, Access access) {
  auto layer = open_layer_at(layers_directory(state) + "/" + layer_key(workspace), access);
  if (!layer && layer.error().code == ENOENT)
    return fail("layer", printable(workspace), ENOENT, "no agent has run here with a layered workspace");
  return layer;
}

Result<std::vector<std::string>> list_layers(const std::string& state) {
  std::vector<std::string> out;
  const auto dir = sys::open(layers_directory(state), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir && dir.error().code == ENOENT) return out;
  for (const sys::Entry& entry : TRY(sys::list(TRY(sys::dup(dir->get())).get())))
    out.push_back(layers_directory(state) + "/" + entry.name);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace alos::workspace
