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
// Directories that are still to be entered, of some hundred bytes each.
constexpr size_t kMostWays = 200'000;
// Each name of a level is matched from its beginning: twice as deep takes four times as long.
constexpr size_t kDeepest = 10'000;
constexpr size_t kLongest = 64 << 10;  // bytes, as in what a layer changes

struct Level {
  UniqueFd directory;  // none: to be opened again from the one below
  dev_t device = 0;
  ino_t inode = 0;
  size_t path_size = 0;
  std::vector<std::string> ways = {};  // directories in it that are to be entered
  size_t next = 0;
};

class DeepWalk {
 public:
  DeepWalk(const std::string& path, const WalkVisitor& visit) : path_(path == "/" ? "" : path), visit_(visit) {}

  Result<void> run(const UniqueFd& root) {
    auto opened = open(root);
    if (!opened) return unseen(opened.error());
    TRY(push(std::move(*opened)));
    while (!levels_.empty()) {
      Level& here = levels_.back();
      path_.resize(here.path_size);
      if (here.next == here.ways.size())
        TRY(leave());
      else
        TRY(enter(here.directory.get(), here.ways[here.next++]));
    }
    return {};
  }

 private:
  // A description of its own, for its offset, and what is read first. EACCES also where it may be listed but not
  // searched.
  struct Opened {
    UniqueFd own;
    std::vector<sys::Entry> first;
  };
  static Result<Opened> open(const UniqueFd& directory) {
    UniqueFd own = TRY(sys::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY));
    auto first = TRY(sys::list_some(own.get()));
    return Opened{std::move(own), std::move(first)};
  }

  // All names of a directory before the first way on: a directory that was named and is not there a moment later is
  // missed (ENOENT), and not passed over. Only the ways are kept.
  Result<std::vector<std::string>> look_through(int directory, std::vector<sys::Entry> some) {
    std::vector<std::string> ways;
    while (!some.empty()) {
      for (sys::Entry& entry : some)
        if (TRY(look_at(directory, entry))) ways.push_back(std::move(entry.name));
      if (ways_ + ways.size() > kMostWays)
        return fail(
            "readdir", shortened(path_), E2BIG,
            "more than 200000 directories beside one another, which cannot be searched for what is to be denied; "
            "remove them, with 'alos undo' if an agent made them in a layer");
      auto more = sys::list_some(directory);
      if (!more) return unseen(more.error());
      some = std::move(*more);
    }
    return ways;
  }

  // Whether it is to be entered.
  Result<bool> look_at(int parent, sys::Entry& entry) {
    TRY(look(visit_.between));
    const size_t size = path_.size();
    path_.append("/").append(entry.name);
    if (entry.type == DT_UNKNOWN) {  // some file systems do not say
      const auto st = TRY(sys::lstatat(parent, entry.name));
      entry.type = static_cast<unsigned char>(IFTODT(st.st_mode));
    }
    const Next next = TRY(visit_.entry(parent, entry, path_));
    path_.resize(size);
    return next == Next::enter && entry.type == DT_DIR;
  }

  Result<void> enter(int parent, const std::string& name) {
    TRY(look(visit_.between));  // what is empty has no name to look at
    path_.append("/").append(name);
    if (levels_.size() >= kDeepest)
      return fail(
          "openat", shortened(path_), ELOOP,
          "more than 10000 directories in one another, which cannot be searched for what is to be denied; remove them, "
          "with 'alos undo' if an agent made them in a layer");
    if (path_.size() > kLongest)
      return fail(
          "openat", shortened(path_), ENAMETOOLONG,
          "it lies deeper than 64 KiB of path, which cannot be searched for what is to be denied; remove it, with "
          "'alos undo' if an agent made it in a layer");
    const auto directory = sys::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    auto opened = directory ? open(*directory) : Result<Opened>(std::unexpected(directory.error()));
    if (!opened && opened.error().code == EACCES) return visit_.closed(path_);
    if (!opened) return unseen(opened.error());
    return push(std::move(*opened));
  }

  std::unexpected<Error> unseen(const Error& error) const {
    return fail(error.operation, shortened(path_), error.code, "cannot see what is to be denied in it");
  }

  Result<void> push(Opened opened) {
    const int directory = opened.own.get();
    const auto st = TRY(sys::fstat(directory));
    auto ways = TRY(look_through(directory, std::move(opened.first)));
    ways_ += ways.size();
    if (levels_.size() > kKeptOpen) levels_.back().directory.reset();
    levels_.push_back({std::move(opened.own), st.st_dev, st.st_ino, path_.size(), std::move(ways)});
    return {};
  }

  // A directory that is open keeps the ones above it in memory, so that their numbers stay what they were also where a
  // file system makes them up.
  Result<void> leave() {
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    ways_ -= left.ways.size();
    if (levels_.empty() || levels_.back().directory) return {};
    Level& parent = levels_.back();
    parent.directory = TRY(sys::openat(left.directory.get(), "..", O_PATH | O_DIRECTORY));
    const auto st = TRY(sys::fstat(parent.directory.get()));
    if (st.st_dev == parent.device && st.st_ino == parent.inode) return {};
    return fail("openat", shortened(path_), ESTALE,
                "it was moved while it was searched for what is to be denied; run again");
  }

  std::string path_;
  const WalkVisitor& visit_;
  std::vector<Level> levels_;
  size_t ways_ = 0;  // of all levels
};

}  // namespace

std::string shortened(const std::string& path) {
  constexpr size_t kMost = 200;
  return path.size() <= kMost ? printable(path) : printable(path.substr(0, kMost)) + "...";
}

Result<void> walk_below(const UniqueFd& root, const std::string& path, const WalkVisitor& visit) {
  return DeepWalk(path, visit).run(root);
}

}  // namespace alos::box
