#include "supervisor/workspace/copier.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file_time.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/content.h"
#include "supervisor/workspace/manifest.h"

namespace alos::workspace {
namespace {

Result<void> must_have_room(int dir, const std::string& path, uint64_t bytes) {
  struct statvfs vfs{};
  if (::fstatvfs(dir, &vfs) != 0) return fail_errno("fstatvfs", printable(path));
  if (bytes > vfs.f_bavail * vfs.f_frsize)
    return fail("copy", printable(path), ENOSPC, "the layer's file system has no room for it");
  return {};
}

// A name that was looked at may stand for another's file when it is opened, and the copy would have the mode of the
// first.
Result<void> must_be(const struct stat& opened, const Node& seen, const std::string& path) {
  if (Node::of(opened).same_inode(seen)) return {};
  return fail("copy", printable(path), ESTALE, "the host replaced it meanwhile; try again");
}

bool is_special(const Node& node) {
  return node.type == Type::fifo || node.type == Type::socket || node.type == Type::device;
}

}  // namespace

Result<Copier> Copier::create(const Layer& layer, Tree& host, const Matcher& denied, const Step& step) {
  Copier copier(layer, host, &denied, nullptr, step);
  TRY(copier.begin());
  return copier;
}

Result<Copier> Copier::create(const Layer& layer, Tree& host, const Secrets& secrets, const Step& step) {
  Copier copier(layer, host, nullptr, &secrets, step);
  TRY(copier.begin());
  return copier;
}

Result<void> Copier::begin() {
  scratch_ = TRY(staging(layer_));
  const struct stat st = TRY(sys::fstat(host_.root()));
  host_owner_ = {st.st_uid, st.st_gid};
  return {};
}

Result<void> Copier::copy(const Node& around, const std::string& from, Tree& target, const std::string& to) const {
  const std::string made = random_hex(8);
  TRY(copy_tree(around, from, made));
  if (step_) step_("copy in");
  const int parent = TRY(target.dir(parent_of(to)));
  return sys::renameat2(scratch(), made, parent, std::string(base_of(to)), RENAME_NOREPLACE);
}

Result<std::string> Copier::directory_like(const Node& node) const {
  std::string made = random_hex(8);
  TRY(make_directory(scratch(), made, node));
  return made;
}

Result<void> Copier::copy_tree(const Node& around, const std::string& from, const std::string& to) const {
  Tree scratch(TRY(sys::dup(scratch_.get())));
  std::vector<Pair> directories, work = {{from, to, around, {}}};
  while (!work.empty()) {
    Pair next = std::move(work.back());
    work.pop_back();
    TRY(must_be(TRY(sys::fstat(TRY(host_.dir(parent_of(next.from))))), next.around, next.from));
    next.node = TRY(host_.node(next.from));
    if (denied_ && *denied_ && (*denied_)(layer_.record.workspace + "/" + next.from))
      return fail("copy", printable(next.from), EACCES, "the policy keeps it where it is");
    // Of a whole tree, special files are left out; a run in mode copy has no use for the host's.
    if (layer_.record.mode == Mode::copy && is_special(next.node)) continue;
    if (secrets_ && secrets_->holds(next.from)) {
      TRY(copy_placeholder(scratch, next));
      continue;
    }
    TRY(copy_node(scratch, next));
    if (next.node.type != Type::directory) continue;
    TRY(must_be(TRY(sys::fstat(TRY(host_.dir(next.from)))), next.node, next.from));
    for (const std::string& name : TRY(host_.list(next.from)))
      work.push_back({join(next.from, name), join(next.to, name), next.node, {}});
    directories.push_back(std::move(next));
  }
  // Last, deepest first: a directory without write permission could not have been filled.
  for (auto at = directories.rbegin(); at != directories.rend(); ++at)
    TRY(sys::fchmod(TRY(scratch.dir(at->to)), at->node.mode & 01777));
  return {};
}

Result<void> Copier::copy_node(Tree& scratch, const Pair& pair) const {
  const int parent = TRY(scratch.dir(parent_of(pair.to)));
  const std::string base(base_of(pair.to));
  Node open = pair.node;
  open.mode |= 0700;
  switch (pair.node.type) {
    case Type::directory:
      return make_directory(parent, base, open);
    case Type::file:
      return copy_file(parent, base, pair);
    case Type::link:
      return copy_link(parent, base, pair);
    default:
      return fail("copy", printable(pair.from), EINVAL, std::string(name(pair.node.type)) + " instead of a file");
  }
}

Result<void> Copier::copy_placeholder(Tree& scratch, const Pair& pair) const {
  const int parent = TRY(scratch.dir(parent_of(pair.to)));
  const std::string base(base_of(pair.to));
  Node closed = pair.node;
  closed.mode = pair.node.type == Type::directory ? 0700 : 0;  // one that its owner cannot write cannot be renamed
  if (closed.type == Type::directory) return make_directory(parent, base, closed);
  const UniqueFd to = TRY(sys::openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(own(to.get(), closed));
  return sys::fchmod(to.get(), 0);
}

Owner Copier::owner_for(const Node& node) const {
  return {node.uid == host_owner_.uid ? layer_.record.owner.uid : node.uid,
          node.gid == host_owner_.gid ? layer_.record.owner.gid : node.gid};
}

Result<void> Copier::own(int fd, const Node& node) const {
  const Owner owner = owner_for(node);
  const struct stat st = TRY(sys::fstat(fd));
  if (st.st_uid == owner.uid && st.st_gid == owner.gid) return {};
  return sys::fchown(fd, owner.uid, owner.gid);
}

Result<void> Copier::make_directory(int parent, const std::string& base, const Node& node) const {
  TRY(sys::mkdirat(parent, base, 0700));
  const UniqueFd fd = TRY(sys::openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(own(fd.get(), node));
  if (layer_.record.mode == Mode::layer) TRY(set_opaque(fd.get(), layer_.record.form));
  return sys::fchmod(fd.get(), node.mode & 01777);
}

Result<void> Copier::copy_file(int parent, const std::string& base, const Pair& pair) const {
  TRY(must_have_room(parent, pair.from, pair.node.blocks));
  const UniqueFd from = TRY(host_.file(pair.from));
  TRY(must_be(TRY(sys::fstat(from.get())), pair.node, pair.from));
  const UniqueFd to = TRY(sys::openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(copy_content(from.get(), to.get()));
  TRY(own(to.get(), pair.node));
  TRY(sys::fchmod(to.get(), pair.node.mode & 0777));
  const timespec times[2] = {{0, UTIME_OMIT}, timespec_of(pair.node.mtime_ns)};
  if (::futimens(to.get(), times) != 0) return fail_errno("futimens", printable(pair.from));
  return {};
}

Result<void> Copier::copy_link(int parent, const std::string& base, const Pair& pair) const {
  const std::string target = TRY(host_.link_target(pair.from));
  if (::symlinkat(target.c_str(), parent, base.c_str()) != 0) return fail_errno("symlinkat", printable(base));
  const Owner owner = owner_for(pair.node);
  if (::geteuid() == 0 && ::fchownat(parent, base.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno("fchownat", printable(base));
  return {};
}

Result<void> fill_copy(Layer& layer, const Step& step) {
  Tree host = TRY(open_workspace(layer.record));
  Tree copy(TRY(sys::dup(layer.copy.get())));
  layer.record.stamp_ns = stamp_now(layer.dir.get());
  const Secrets secrets = TRY(Secrets::find(host, layer.record));
  const Copier copies = TRY(Copier::create(layer, host, secrets, step));
  const Node root = TRY(host.node(""));
  for (const std::string& name : TRY(host.list("")))
    if (!is_special(TRY(host.node(name)))) TRY(copies.copy(root, name, copy, name));
  TRY(remove_tree(layer.base(), "staging"));
  TRY(Manifest::write(layer, secrets));
  layer.record.copied_ns = stamp_now(layer.dir.get());
  return layer.save();
}

}  // namespace alos::workspace
