#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

// A layer in a file system of its own: an ext4 image of a fixed size in the layer's directory, so that what the agent
// writes is bounded by the kernel at every moment, in blocks and in inodes, whatever it deletes, holds open or maps.
// Root only. The agent writes through the mount alone, never the image's blocks, so the kernel parses what the kernel
// wrote.
namespace alos::workspace {

struct MountedImage {
  UniqueFd mount;  // detached, O_PATH: for move_mount(2) into another mount namespace
  UniqueFd root;   // its root directory; the file system stays mounted while this or `mount` is open
};

constexpr uint64_t kLeastImage = 16 << 20;  // below it the file system's own parts take most of the room

// Makes <dir>/image, sparse, of `bytes`; one that is there is replaced. Takes some 20 ms of mkfs.ext4 (e2fsprogs).
// Errors: ENOENT without mkfs.ext4, EINVAL for less than kLeastImage.
Result<void> make_image(int dir, const std::string& path, uint64_t bytes);
// Mounts it nosuid, nodev, seen by nobody else. Exactly once at a time: the image's flock is held by the loop device
// until the last user is gone. What a crash left is replayed from its journal. Errors: EBUSY while it is mounted
// elsewhere, after waiting two seconds for an end that is under way; what the loop device or ext4 says.
Result<MountedImage> mount_image(int dir, const std::string& path);

}  // namespace alos::workspace
