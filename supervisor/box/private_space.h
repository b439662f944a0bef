#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/box_plan.h"

namespace alos::box {

// /tmp, /dev/shm and the home of a run: parts of one tmpfs, so that its size bounds all that the run keeps in memory as
// files. Made once, in the holder; every box of the run gets clones of the same parts.
struct PrivateSpace {
  UniqueFd mount;    // its root, in no box
  dev_t device = 0;  // what its files are on
};

// What a policy's limits leave it.
struct PrivateSize {
  uint64_t bytes = 0;
  uint64_t inodes = 0;
};
PrivateSize private_size(const policy::Limits& limits);

struct PrivatePart {
  std::string_view name;    // in the space
  std::string_view target;  // in a box
  mode_t mode;
};
inline constexpr std::array<PrivatePart, 3> kPrivateParts{
    {{"tmp", "/tmp", 01777}, {"shm", "/dev/shm", 01777}, {"home", policy::kBoxHome, 0700}}};

// Mounts it at `at` with its parts, which belong to the box's user. The owner is outside of the box's namespaces: no
// box can mount it anew with another size.
Result<PrivateSpace> make_private_space(const std::string& at, PrivateSize size, uid_t host_uid, gid_t host_gid);

// A part, as a detached mount with further MOUNT_ATTR_*.
Result<UniqueFd> clone_part(const PrivateSpace& space, const PrivatePart& part, uint64_t attributes = 0);

}  // namespace alos::box
