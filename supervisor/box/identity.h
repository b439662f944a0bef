#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::box {

// The one user and group of a box, and what they are outside. Nothing else is mapped: every other owner shows as
// nobody.
struct Identity {
  uid_t uid = 1000, gid = 1000;      // in the box
  uid_t host_uid = 0, host_gid = 0;  // in the launcher's user namespace; never 0
};

// Refuses host uid or gid 0 by name (EPERM): no box ever is the host's root, whose writes to /proc/sys and devices the
// kernel would accept.
Result<void> check(const Identity& identity);

// Writes both maps of `pid`'s user namespace. `deny_setgroups` must be said where the writer lacks CAP_SETGID in the
// parent namespace (user_namespaces(7)).
enum class Setgroups { permitted, denied };
Result<void> write_maps(pid_t pid, const Identity& identity, Setgroups setgroups);

// A user namespace that maps `from` to `to` and nothing else, for id-mapped mounts (mount_setattr(2)). Needs
// CAP_SETUID.
Result<UniqueFd> mapping_namespace(uid_t from_uid, gid_t from_gid, uid_t to_uid, gid_t to_gid);

// A mount of `directory` (any descriptor of it) whose files of from_* appear as to_* and are created for from_*;
// detached, nosuid and nodev. Errors: EINVAL where the file system cannot be id-mapped (tmpfs before 6.3, overlay,
// NFS).
Result<UniqueFd> mapped_mount(int directory, const UniqueFd& mapping, std::string_view object);

}  // namespace alos::box
