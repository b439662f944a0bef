#include "supervisor/box/deep_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/paths.h"

namespace alos::box {
namespace {

// Real trees are not as deep, and keep their directories open; below, the way back is "..".
constexpr size_t kKeptOpen = 64;
// Of directories that are not kept open all names are read before the way leads on.
constexpr size_t kMostKept = 200'000;
constexpr size_t kBetween = 256;
// Each name of a level is matched from its beginning: twice as deep takes four times as long.
constexpr size_t kDeepest = 10'000;

struct Level {
  UniqueFd directory;  // none: to be opened again from the one below
  dev_t device = 0;
  ino_t inode = 0;
  size_t path_size = 0;
  std::vector<sys::Entry> entries = {};  // that were read
  size_t next = 0;
  bool all_read = false;
  size_t kept = 0;  // of what was read when it was closed
};

std::string shown(const std::string& path) {
  constexpr size_t kMost = 200;
  return path.size() <= kMost ? printable(path) : printable(path.substr(0, kMost)) + "...";
}

class DeepWalk {
 public:
  DeepWalk(const std::string& path, const WalkVisitor& visit) : path_(path == "/" ? "" : path), visit_(visit) {}

  Result<void> run(const UniqueFd& root) {
    auto own = own_of(root);
    if (!own) return unseen(own.error());
    TRY(push(std::move(*own)));
    while (!levels_.empty()) {
      Level& here = levels_.back();
      path_.resize(here.path_size);
      if (visit_.between && ++seen_ % kBetween == 0) TRY(visit_.between());
      if (!TRY(has_next(here)))
        TRY(leave());
      else
        TRY(look_at(here.directory.get(), here.entries[here.next++]));
    }
    return {};
  }

 private:
  Result<bool> has_next(Level& level) {
    if (level.next < level.entries.size()) return true;
    if (level.all_read) return false;
    level.entries = TRY(more_of(level));
    level.next = 0;
    level.all_read = level.entries.empty();
    return !level.all_read;
  }

  Result<std::vector<sys::Entry>> more_of(const Level& level) const {
    auto more = sys::list_some(level.directory.get());
    if (!more) return unseen(more.error());
    return more;
  }

  Result<void> close(Level& level) {
    if (!level.all_read) TRY(read_all(level));  // and not where it was closed before
    level.directory.reset();
    return {};
  }

  Result<void> read_all(Level& level) {
    std::vector<sys::Entry> rest(std::make_move_iterator(level.entries.begin() + static_cast<ptrdiff_t>(level.next)),
                                 std::make_move_iterator(level.entries.end()));
    while (!level.all_read) {
      std::vector<sys::Entry> more = TRY(more_of(level));
      level.all_read = more.empty();
      std::ranges::move(more, std::back_inserter(rest));
      if (kept_ + rest.size() > kMostKept)
        return fail("readdir", shown(path_), E2BIG,
                    "more than 200000 names in directories that many others lie in, which cannot be searched for what "
                    "is to be denied; remove them, with 'alos undo' if an agent made them in a layer");
      if (visit_.between) TRY(visit_.between());
    }
    level.entries = std::move(rest);
    level.next = 0;
    level.kept = level.entries.size();
    kept_ += level.kept;
    return {};
  }

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
    const auto directory = sys::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    auto own = directory ? own_of(*directory) : Result<UniqueFd>(std::unexpected(directory.error()));
    if (!own && own.error().code == EACCES) return visit_.closed(path_);
    if (!own) return unseen(own.error());
    if (levels_.size() > kKeptOpen) TRY(close(levels_.back()));
    return push(std::move(*own));
  }

  // A description of its own, for its offset. EACCES also where it may be listed but not searched.
  static Result<UniqueFd> own_of(const UniqueFd& directory) {
    return sys::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY);
  }

  std::unexpected<Error> unseen(const Error& error) const {
    return fail(error.operation, shown(path_), error.code, "cannot see what is to be denied in it");
  }

  Result<void> push(UniqueFd own) {
    const auto st = TRY(sys::fstat(own.get()));
    levels_.push_back({std::move(own), st.st_dev, st.st_ino, path_.size()});
    return {};
  }

  // A directory that is open keeps the ones above it in memory, so that their numbers stay what they were also where a
  // file system makes them up.
  Result<void> leave() {
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    kept_ -= left.kept;
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
  size_t seen_ = 0;
  size_t kept_ = 0;  // names of levels that are not open
};

}  // namespace

Result<void> walk_below(const UniqueFd& root, const std::string& path, const WalkVisitor& visit) {
  return DeepWalk(path, visit).run(root);
}

}  // namespace alos::box
