#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sys.h"
#include "base/unique_fd.h"

// How a tree that somebody hostile wrote is walked: from a root descriptor, never through a link, never into another
// mount, with names in any bytes. Paths here are relative to the root, "" is the root itself, without "." and "..".
namespace alos::workspace {

enum class Type : uint8_t { absent, file, directory, link, fifo, socket, device };
std::string_view name(Type type);

struct Node {
  Type type = Type::absent;
  mode_t mode = 0;      // permission bits with setuid, setgid and sticky
  uint64_t size = 0;    // bytes; 0 for a directory
  uint64_t blocks = 0;  // bytes on disk
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t device = 0, inode = 0, links = 0;
  int64_t ctime_ns = 0, mtime_ns = 0;
  bool whiteout = false;  // a character device 0:0, which is how overlayfs writes "deleted"

  static Node of(const struct stat& st);
  bool there() const { return type != Type::absent; }
  bool same_inode(const Node& other) const { return device == other.device && inode == other.inode; }
};

std::string_view parent_of(std::string_view path);  // "" for a name at the root
std::string_view base_of(std::string_view path);
std::string join(std::string_view dir, std::string_view name);
// `path` is `dir` or below it; everything is below "".
bool is_below(std::string_view path, std::string_view dir);
// Relative, no empty, "." or ".." component, no NUL: safe to be resolved below a root.
bool is_plain(std::string_view path);

// Not for several threads: the directory used last stays open, because the next is mostly below it. Holds at most some
// forty descriptors, whatever the depth.
class Tree {
 public:
  explicit Tree(UniqueFd root) : root_(std::move(root)) {}
  // `path` is absolute and real: a link anywhere in it is an error, so that nobody who owns a directory on the way can
  // lead us elsewhere. Errors: openat2: ENOENT, ENOTDIR, ELOOP.
  static Result<Tree> open(const std::string& path);

  // A directory open for reading, valid until the next call on this tree. Any length and depth of path.
  // Errors: openat2: ENOENT, ENOTDIR, ELOOP (a link on the way), EXDEV (another mount), EACCES.
  Result<int> dir(std::string_view path);
  // Sorted names. Errors: as dir().
  Result<std::vector<std::string>> list(std::string_view path);
  // What is at `path`, not followed; absent where it or a parent is missing or a parent is no directory.
  Result<Node> node(std::string_view path);
  // A regular file for reading; never blocks on a FIFO. Errors: as dir(), EINVAL when it is no regular file.
  Result<UniqueFd> file(std::string_view path);
  Result<std::string> link_target(std::string_view path);
  // Birth time, 0 where the file system keeps none.
  int64_t born_ns(std::string_view path);
  // To be called after what is at `path` was replaced or removed.
  void forget(std::string_view path);
  int root() const { return root_.get(); }

 private:
  struct Open {
    size_t length;  // of the prefix of last_ that it is
    UniqueFd fd;
  };
  void push(size_t length, UniqueFd fd);

  UniqueFd root_;
  std::string last_;
  std::vector<Open> open_;  // directories on the way to last_, few: see push()
};

using sys::remove_tree;

}  // namespace alos::workspace
