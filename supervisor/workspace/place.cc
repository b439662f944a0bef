#include "supervisor/workspace/place.h"

#include <sys/xattr.h>
#include <unistd.h>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/content.h"

namespace alos::workspace {
namespace {

std::unexpected<Error> conflict(const Change& change, std::string_view why) {
  return fail("conflict", printable(change.path), ESTALE, why);
}

bool as_seen(const Node& now, const Node& seen) {
  return now.type == seen.type && now.same_inode(seen) && now.size == seen.size && now.mtime_ns == seen.mtime_ns;
}

Result<Node> look(int parent, const std::string& base) {
  const auto st = sys::lstatat(parent, base);
  if (!st && st.error().code == ENOENT) return Node{};
  return Node::of(TRY(st));
}

std::string base(const Change& change) {
  return std::string(base_of(change.path));
}

// The host's own attributes stay with its file; what an agent attached to its copy does not come along, and neither do
// file capabilities, which belonged to the old content.
Result<void> keep_attributes(int from, int to) {
  std::string names(65536, '\0');
  const ssize_t n = ::flistxattr(from, names.data(), names.size());
  if (n < 0) return errno == ENOTSUP ? Result<void>() : fail_errno("flistxattr", "");
  names.resize(static_cast<size_t>(n));
  for (size_t at = 0; at < names.size();) {
    const std::string key(names.c_str() + at);
    at += key.size() + 1;
    if (!key.starts_with("user.") && key != "system.posix_acl_access") continue;
    std::string value(65536, '\0');
    const ssize_t size = ::fgetxattr(from, key.c_str(), value.data(), value.size());
    if (size < 0 || ::fsetxattr(to, key.c_str(), value.data(), static_cast<size_t>(size), 0) != 0)
      return fail_errno("fsetxattr", printable(key));
  }
  return {};
}

}  // namespace

Result<std::string> Placer::temporary(const Change& change) {
  return journal_.temporary(std::string(parent_of(change.path)));
}

Result<int> Placer::parent(const Change& change) {
  const std::string_view path = parent_of(change.path);
  const int dir = TRY(host_.dir(path));
  const Node now = Node::of(TRY(sys::fstat(dir)));
  if (const auto made = made_.find(path); made != made_.end()) {
    if (!now.same_inode(made->second)) return conflict(change, "its new directory was replaced meanwhile");
  } else if (!rights_.may_write_in(now)) {
    return conflict(change, kNotHisDirectory);
  }
  return dir;
}

// Owner, attributes, mode. As root a new file belongs to whom its directory belongs, and one that the kernel or a
// rename kept for somebody else than the agent goes back to that owner.
Result<void> Placer::dress(int fd, const Change& change, int parent) {
  const Node around = Node::of(TRY(sys::fstat(parent)));
  const bool replaces = change.before.type == change.after.type && change.before.type == Type::file;
  if (::geteuid() == 0) {
    const bool foreign = change.after.uid != layer_.record.owner.uid && change.source.where == Place::Where::layer;
    const Node& like = foreign ? change.after : rights_.own(around) ? around : rights_.workspace();
    const uid_t uid = like.uid;
    gid_t gid = like.gid;
    if (replaces && change.before.uid == uid) gid = change.before.gid;
    TRY(sys::fchown(fd, uid, gid));
  } else if (replaces && ::fchown(fd, static_cast<uid_t>(-1), change.before.gid) != 0 && errno != EPERM &&
             errno != EINVAL) {
    return fail_errno("fchown",
                      printable(change.path));  // EPERM: a group that the caller is not in, as with any editor
  }
  if (replaces) {
    const auto old = host_.file(change.path);
    if (old && !as_seen(Node::of(TRY(sys::fstat(old->get()))), change.before))
      return conflict(change, "the host changed it meanwhile");
    if (old) TRY(keep_attributes(old->get(), fd));
  }
  return {};
}

Result<void> Placer::directory(const Change& change) {
  const std::string name = TRY(temporary(change));
  const int parent = TRY(this->parent(change));
  say("mkdir");
  TRY(sys::mkdirat(parent, name, 0700));
  auto made = make_directory(change, parent, name);
  host_.forget(change.path);
  ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
  return made;
}

// No call makes a directory and opens it, and its name may be given to another in between: it is made inside one that
// is closed to everybody else, which has what `parent` passes on (setgid, default ACL) to pass it on.
Result<void> Placer::make_directory(const Change& change, int parent, const std::string& name) {
  const UniqueFd around = TRY(sys::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const struct stat closed = TRY(sys::fstat(around.get()));
  if (::geteuid() == 0 && (closed.st_uid != 0 || (closed.st_mode & 022) != 0))
    return conflict(change, "its temporary directory was replaced, or the file system keeps no owners and modes");
  TRY(sys::mkdirat(around.get(), name, 0700));
  auto done = [&]() -> Result<void> {
    const UniqueFd fd = TRY(sys::openat(around.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(dress(fd.get(), change, parent));
    const Node made = Node::of(TRY(sys::fstat(fd.get())));
    TRY(journal_.placing(made.inode, change.path));
    TRY(put(change, parent, around.get(), name));
    made_.insert_or_assign(change.path, made);
    return {};
  }();
  if (!done) ::unlinkat(around.get(), name.c_str(), AT_REMOVEDIR);
  return done;
}

Result<void> Placer::finish_directory(const Change& change) {
  const int dir = TRY(host_.dir(change.path));
  const Node now = Node::of(TRY(sys::fstat(dir)));
  const auto made = made_.find(change.path);
  if (!now.same_inode(made != made_.end() ? made->second : change.before))
    return conflict(change, "the host replaced it meanwhile");
  if (made == made_.end() && !rights_.own(now)) return conflict(change, kNotHisMode);
  const mode_t mode = mode_to_apply(change) | (now.mode & 06000);  // setgid that its parent gave it
  say("mode");
  if (now.mode == mode) return {};
  TRY(journal_.placing(now.inode, change.path));
  return sys::fchmod(dir, mode);
}

Result<Staged> Placer::stage(const Change& change) {
  const std::string name = TRY(temporary(change));
  const UniqueFd parent = TRY(sys::dup(TRY(this->parent(change))));
  say("stage");
  auto staged =
      change.after.type == Type::link ? stage_link(change, parent.get(), name) : stage_file(change, parent.get(), name);
  if (!staged) ::unlinkat(parent.get(), name.c_str(), 0);
  return staged;
}

Result<Staged> Placer::stage_file(const Change& change, int parent, const std::string& name) {
  const UniqueFd from = TRY(tree(change).file(change.source.path));
  if (!Node::of(TRY(sys::fstat(from.get()))).same_inode(change.after))
    return conflict(change, "the layer changed meanwhile");
  UniqueFd to = TRY(sys::openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(copy_content(from.get(), to.get()));
  TRY(dress(to.get(), change, parent));
  TRY(sys::fchmod(to.get(), mode_to_apply(change)));
  const uint64_t inode = TRY(sys::fstat(to.get())).st_ino;
  return Staged{&change, name, inode, std::move(to)};
}

Result<Staged> Placer::stage_link(const Change& change, int parent, const std::string& name) {
  const std::string target = TRY(tree(change).link_target(change.source.path));
  if (::symlinkat(target.c_str(), parent, name.c_str()) != 0) return fail_errno("symlinkat", printable(change.path));
  // By descriptor: the directory's owner could have put another file under the name.
  const UniqueFd link = TRY(sys::openat(parent, name, O_PATH | O_NOFOLLOW));
  const struct stat made = TRY(sys::fstat(link.get()));
  if (!S_ISLNK(made.st_mode) || made.st_nlink != 1 || TRY(sys::readlinkat(link.get(), "")) != target)
    return conflict(change, "its temporary name was taken by another");
  const Node around = Node::of(TRY(sys::fstat(parent)));
  const Node& like = rights_.own(around) ? around : rights_.workspace();
  if (::geteuid() == 0 && ::fchownat(link.get(), "", like.uid, like.gid, AT_EMPTY_PATH) != 0)
    return fail_errno("fchownat", printable(change.path));
  return Staged{&change, name, made.st_ino, {}};
}

Result<void> Placer::sync(std::span<const Staged> staged, Sync how) {
  if (how == Sync::file_system) {
    if (::syncfs(host_.root()) != 0) return fail_errno("syncfs", "workspace");
    return {};
  }
  // Writing out is begun for all before the first is waited for. A hint; the fsync is what counts.
  for (const Staged& one : staged)
    if (one.file) ::sync_file_range(one.file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  for (const Staged& one : staged)
    if (one.file) TRY(sys::fsync(one.file.get()));
  return {};
}

Result<void> Placer::unlink(int parent, const std::string& name) {
  const UniqueFd fd = TRY(sys::openat(parent, name, O_PATH | O_NOFOLLOW));
  TRY(sys::unlinkat(parent, name, 0));
  const Node left = Node::of(TRY(sys::fstat(fd.get())));
  if (left.links > 0) unlinked_.push_back(left);
  return {};
}

Result<void> Placer::commit(const Staged& staged) {
  const Change& change = *staged.change;
  TRY(journal_.placing(staged.inode, change.path));
  const int parent = TRY(this->parent(change));
  auto done = [&]() -> Result<void> {
    if (TRY(look(parent, staged.temporary)).inode != staged.inode)
      return conflict(change, "its temporary name was taken by another");
    return put(change, parent, parent, staged.temporary);
  }();
  host_.forget(change.path);
  if (!done) ::unlinkat(parent, staged.temporary.c_str(), 0);
  return done;
}

// NOREPLACE where nothing may be there. Where something was, an exchange: what comes out is looked at before it is
// removed, and goes back if it is not what the scan saw.
Result<void> Placer::put(const Change& change, int parent, int from, const std::string& temporary) {
  say("commit");
  if (!change.before.there()) {
    auto placed = sys::renameat2(from, temporary, parent, base(change), RENAME_NOREPLACE);
    if (!placed && placed.error().code == EEXIST) return conflict(change, "the host made it meanwhile");
    return placed;
  }
  TRY(journal_.unnaming(change.before));
  auto exchanged = sys::renameat2(from, temporary, parent, base(change), RENAME_EXCHANGE);
  if (!exchanged && exchanged.error().code == ENOENT) return conflict(change, "the host removed it meanwhile");
  TRY(std::move(exchanged));
  say("exchanged");
  const bool directory = change.before.type == Type::directory;
  const Node out = TRY(look(from, temporary));
  const bool expected =
      directory ? out.type == Type::directory && out.same_inode(change.before) : as_seen(out, change.before);
  if (expected && (directory ? sys::unlinkat(from, temporary, AT_REMOVEDIR) : unlink(from, temporary))) return {};
  TRY(sys::renameat2(from, temporary, parent, base(change), RENAME_EXCHANGE));
  return conflict(change, "the host changed it meanwhile");
}

Result<void> Placer::remove(const Change& change) {
  const std::string aside = TRY(temporary(change));
  const int parent = TRY(this->parent(change));
  const std::string name = base(change);
  if (change.before.type == Type::directory) {
    say("rmdir");
    if (!TRY(look(parent, name)).same_inode(change.before)) return conflict(change, "the host replaced it meanwhile");
    host_.forget(change.path);
    auto removed = sys::unlinkat(parent, name, AT_REMOVEDIR);
    if (!removed && removed.error().code == ENOTEMPTY) return conflict(change, "something else is in it");
    return removed;
  }
  say("unlink");
  TRY(journal_.unnaming(change.before));
  auto moved = sys::renameat2(parent, name, parent, aside, RENAME_NOREPLACE);
  if (!moved && moved.error().code == ENOENT) return {};
  TRY(std::move(moved));
  say("moved aside");
  if (as_seen(TRY(look(parent, aside)), change.before)) return unlink(parent, aside);
  TRY(sys::renameat2(parent, aside, parent, name, RENAME_NOREPLACE));
  return conflict(change, "the host changed it meanwhile");
}

Result<void> Placer::change_mode(const Change& change) {
  const UniqueFd fd = TRY(sys::openat2(TRY(host_.dir(parent_of(change.path))), base(change), O_PATH | O_NOFOLLOW, 0));
  const Node now = Node::of(TRY(sys::fstat(fd.get())));
  if (!as_seen(now, change.before) || now.ctime_ns != change.before.ctime_ns)
    return conflict(change, "the host changed it meanwhile");
  if (!rights_.own(now)) return conflict(change, kNotHisMode);
  TRY(journal_.placing(now.inode, change.path));
  say("mode");
  // fchmod refuses O_PATH descriptors, and any other would need read permission.
  const std::string by_descriptor = "/proc/self/fd/" + std::to_string(fd.get());
  if (::chmod(by_descriptor.c_str(), mode_to_apply(change)) != 0) return fail_errno("chmod", printable(change.path));
  return {};
}

}  // namespace alos::workspace
