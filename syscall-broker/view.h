#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "syscall-broker/file_ring.h"
#include "syscall-broker/task.h"

namespace alos::broker {

// The agent's, and one like it under which no directory of the brokered tree can be made, moved or removed; 0: there is
// none, for want of Landlock or of such a tree.
struct Personalities {
  FileRing::Personality agent = 0, of_files = 0;
};

// What file primitives can reach at all: the agent's own box and, for paths that only primitives reach (`audit: each`),
// a tree of those and nothing else. Operations start at one of two descriptors and are submitted under the agent's
// personality, so that mounts, ids and Landlock judge them whatever this code gets wrong.
class View {
 public:
  struct Roots {
    UniqueFd box;       // "/" of the box's mount namespace
    UniqueFd brokered;  // of the other tree; none where the policy has no such rule
    dev_t mask_device = 0;
    ino_t mask = 0;  // there: what covers a file that a deny takes, under all its names
  };
  // `brokered`: whether a name lies in the second tree.
  View(FileRing& ring, Roots roots, Personalities who, std::function<bool(std::string_view)> brokered);

  // Where a name is: its directory, open, and what the name's path is now. A name never has a slash.
  struct Place {
    UniqueFd directory;
    std::string name;  // "." for the root
    std::string path;  // real: no component but the last can be a link
    bool brokered = false;
  };
  enum class Tree : uint8_t { box, brokered };
  // The directory that holds the last component of `path` (absolute; "." and ".." in it are the kernel's to resolve).
  // Errors: those of openat2(2), with the path as object; ELOOP where a link is among its directories, unless `follow`.
  Task<Result<Place>> place(Tree tree, std::string path, bool follow) const;

  // What a canonical path names, where no link is on the way: its last component itself, which may be one, is opened as
  // by open(). Errors: those of openat2(2); ELOOP where there is a link.
  Task<Result<UniqueFd>> open_straight(const std::string& path, bool brokered, uint64_t flags) const;
  bool is_brokered(std::string_view path) const { return brokered_(path); }
  bool is_mask(const struct stat& st) const {
    return roots_.mask != 0 && st.st_dev == roots_.mask_device && st.st_ino == roots_.mask;
  }

  // The last component itself, links not followed (ELOOP), nothing waited for (FIFOs, devices).
  Task<Result<UniqueFd>> open(const Place& at, uint64_t flags) const;
  // Whether something is mounted there, as on what a deny covers. What cannot be reached is no such place.
  Task<bool> is_mount(const Place& at) const;
  // A new file beside it.
  Task<Result<UniqueFd>> create(const Place& beside, const std::string& name, uint64_t flags, mode_t mode) const;

  // The directory itself, to be read or synced.
  Task<Result<UniqueFd>> open_directory(const Place& of) const;

  enum class Moves : uint8_t {
    file,     // what is no directory
    anything  // a directory, or what has come to be there instead
  };
  // Gives what is called `from_name` beside `from` the name `to_name` beside `to`; without `replace` only where nothing
  // is. Where no mount keeps what is denied in its place, that is in the brokered tree, the kernel judges that a file
  // is none but that while it moves it. Errors: those of renameat2(2); of a file EACCES where it is a directory by
  // then, ENOTSUP in the brokered tree without Landlock.
  Task<Result<void>> rename(Moves what, const Place& from, const std::string& from_name, const Place& to,
                            const std::string& to_name, bool replace) const;

  FileRing& ring() const { return ring_; }
  FileRing::Personality who() const { return who_.agent; }

 private:
  Task<Result<UniqueFd>> open_at(int directory, const std::string& name, const std::string& path, uint64_t flags,
                                 mode_t mode, uint64_t resolve = 0) const;

  FileRing& ring_;
  Roots roots_;
  std::string box_path_, brokered_path_;  // of the roots, as a path of their own tree: "/", where they are mounts
  Personalities who_;
  std::function<bool(std::string_view)> brokered_;
};

// An error of one of the ring's answers. EACCES and EROFS say who refuses.
std::unexpected<Error> ring_error(std::string_view operation, std::string_view path, int result);

}  // namespace alos::broker
