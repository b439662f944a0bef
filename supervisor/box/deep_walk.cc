#include "supervisor/box/deep_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "base/paths.h"

namespace alos::box {
namespace {

// Real trees are not as deep, and keep their directories open; below, the way back is "..".
constexpr size_t kKeptOpen = 64;
// Each name of a level is matched from its beginning: twice as deep takes four times as long.
constexpr size_t kDeepest = 10'000;

struct Level {
  UniqueFd directory;  // none: to be opened again from the one below
  dev_t device = 0;
  ino_t inode = 0;
  std::vector<sys::Entry> entries;
  size_t next = 0;
  size_t path_size = 0;
};

std::string shown(const std::string& path) {
  constexpr size_t kMost = 200;
  return path.size() <= kMost ? printable(path) : printable(path.substr(0, kMost)) + "...";
}

class DeepWalk {
 public:
  DeepWalk(const std::string& path, const WalkVisitor& visit) : path_(path == "/" ? "" : path), visit_(visit) {}

  Result<void> run(const UniqueFd& root) {
    if (const auto pushed = push(TRY(sys::dup(root.get()))); !pushed)
      return fail(pushed.error().operation, shown(path_), pushed.error().code, "cannot see what is to be denied in it");
    while (!levels_.empty()) {
      Level& here = levels_.back();
      path_.resize(here.path_size);
      if (here.next == here.entries.size())
        TRY(leave());
      else
        TRY(look_at(here.directory.get(), here.entries[here.next++]));
    }
    return {};
  }

 private:
  Result<void> look_at(int parent, sys::Entry& entry) {
    path_.append("/").append(entry.name);
    if (entry.type == DT_UNKNOWN) {  // some file systems do not say
      const auto st = TRY(sys::lstatat(parent, entry.name));
      entry.type = static_cast<unsigned char>(IFTODT(st.st_mode));
    }
    if (TRY(visit_.entry(parent, entry, path_)) == Next::pass || entry.type != DT_DIR) return {};
    return enter(parent, entry.name);
  }

  Result<void> enter(int parent, const std::string& name) {
    if (levels_.size() >= kDeepest)
      return fail(
          "openat", shown(path_), ELOOP,
          "more than 10000 directories in one another, which cannot be searched for what is to be denied; remove them, "
          "with 'alos undo' if an agent made them in a layer");
    auto directory = sys::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const auto pushed = directory ? push(std::move(*directory)) : Result<void>(std::unexpected(directory.error()));
    if (pushed) return {};
    if (pushed.error().code == EACCES) return visit_.closed(path_);
    return fail(pushed.error().operation, shown(path_), pushed.error().code, "cannot see what is to be denied in it");
  }

  Result<void> push(UniqueFd directory) {
    const auto st = TRY(sys::fstat(directory.get()));
    auto entries = TRY(sys::list(directory.get()));  // EACCES also where it may be listed but not searched
    if (levels_.size() > kKeptOpen) levels_.back().directory.reset();
    levels_.push_back({std::move(directory), st.st_dev, st.st_ino, std::move(entries), 0, path_.size()});
    return {};
  }

  // A directory that is open keeps the ones above it in memory, so that their numbers stay what they were also where a
  // file system makes them up.
  Result<void> leave() {
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    if (levels_.empty() || levels_.back().directory) return {};
    Level& parent = levels_.back();
    parent.directory = TRY(sys::openat(left.directory.get(), "..", O_PATH | O_DIRECTORY));
    const auto st = TRY(sys::fstat(parent.directory.get()));
    if (st.st_dev == parent.device && st.st_ino == parent.inode) return {};
    return fail("openat", shown(path_), ESTALE,
                "it was moved while it was searched for what is to be denied; run again");
  }

  std::string path_;
  const WalkVisitor& visit_;
  std::vector<Level> levels_;
};

}  // namespace

Result<void> walk_below(const UniqueFd& root, const std::string& path, const WalkVisitor& visit) {
  return DeepWalk(path, visit).run(root);
}

}  // namespace alos::box
