#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "supervisor/workspace/tree.h"

// What overlayfs writes into an upper directory, as attributes on directories and files. Source: the kernel's
// Documentation/filesystems/overlayfs.rst and fs/overlayfs/overlayfs.h.
namespace alos::workspace {

// Which family of attributes the mount used: `userxattr` mounts write user.overlay.*, the others trusted.overlay.*,
// which only CAP_SYS_ADMIN of the first user namespace sees. In the other family nothing is the kernel's own.
enum class Form : uint8_t { user, trusted };

struct Marks {
  bool opaque = false;   // nothing of the lower directory shows through
  std::string redirect;  // a directory that was renamed: where its lower content is
  bool copied = false;   // came into being as a copy of a lower file, perhaps under another name
  std::string unknown;   // an attribute that this program does not understand: leave the path alone
};

// Attributes of a directory or regular file; others carry none that matter. Attributes that an agent sets through the
// mount are stored escaped (overlay.overlay.*) and mean nothing.
Result<Marks> read_marks(Tree& upper, std::string_view path, Form form);

// trusted.* is invisible, not forbidden, to those without the right: what was deleted would look kept. Errors: EPERM.
Result<void> can_read_marks(int dir, Form form);

Result<void> set_opaque(int dir, Form form);
Result<void> clear_opaque(int dir, Form form);
Result<void> clear_redirect(int dir, Form form);
// Leaves "copied up, origin unknown". The kernel finds inodes by the lower file they came from; once the host's tree is
// changed under a layer, two names may claim one lower inode, and one of them answers ESTALE.
Result<void> forget_origin(Tree& upper, std::string_view path, Form form);
// A directory that the agent made is the host's from now on, as if it had been copied from there.
Result<void> mark_copied(int dir, Form form);
// The kernel lets everybody make this one device node (since 5.8).
Result<void> make_whiteout(int dir, const std::string& name);

}  // namespace alos::workspace
