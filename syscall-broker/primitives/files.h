#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "syscall-broker/call.h"
#include "syscall-broker/change_lock.h"
#include "syscall-broker/primitive.h"
#include "syscall-broker/view.h"
#include "syscall-broker/worker.h"

namespace alos::broker {

// What all file primitives share: names made canonical, and what they lead to found and decided on before it is
// touched.

// The argument as an absolute, canonical path; relative ones are taken from "/". Errors: EINVAL (empty, NUL),
// ENAMETOOLONG.
Attempt<std::string> path_argument(std::string_view bytes);

// One demand for each right, on one path.
Attempt<Plan> demand(std::string_view path, std::initializer_list<policy::Right> rights);

// Of two paths: everything of both, the first path's first.
Attempt<Plan> both(Attempt<Plan> first, Attempt<Plan> second);

// Changes when the file's identity, size or change time does: two versions that are equal are the same content, except
// for writes in place of equal length within one tick of the kernel's clock (before 6.13).
std::string version_of(const struct stat& st);
wire::FileType type_of(mode_t mode);
// "a directory", "a FIFO", ...
std::string_view kind_of(mode_t mode);

Attempt<struct stat> look(const UniqueFd& fd, std::string_view path);

// A path followed to its end: where it is, and what is there, if anything.
struct Found {
  View::Place place;  // without its directory where that is not needed
  UniqueFd node;      // of what is there and is no link, opened as asked; none: nothing is there
  struct stat st{};
  std::vector<std::string> names;  // what it was reached by: its name by each link, and that
  bool there() const { return static_cast<bool>(node); }
};
struct Wanted {
  policy::Rights rights;    // decided on where the path that is reached is not the one that was asked for
  policy::Rights absent{};  // the same, of what is not there
  bool follow = true;       // the last component; others always
  bool beside = true;       // what is there is replaced or renamed: its directory is needed
  bool brokered = true;  // also in the tree that primitives alone reach; otherwise EACCES, before anything is looked at
  bool each_link = false;  // Found::names has also those among the directories of the box
  bool masks = false;      // also what covers a denied file, which is denied otherwise but for its metadata
  Call::Side side = Call::Side::from;
  uint64_t open = O_PATH;  // after that; never O_TRUNC or O_CREAT, which would act before anything was looked at
};
// A path without a link leads where it says, and is opened at once. Links are followed one by one, each by its name,
// because what is opened must be what was decided on. In the tree that the box does not see each path that one leads to
// is decided on before anything is looked at there. Errors: ELOOP after 40; EBUSY of a fresh file's name there.
Task<Attempt<Found>> find(Call& call, const std::string& asked, Wanted wanted);

// How a call ends where the box shows what covers a denied file.
Answer masked(policy::Right right, const std::string& asked, const std::string& reached);

// Only regular files are opened for content. `found.node` was opened for it. Errors: EISDIR, ENOTSUP, and EMLINK for
// one with further names where those would be reached with it: when it is written in place, and in the broker's own
// tree, where one of them may be denied.
enum class Names : uint8_t { any, one };
Attempt<void> must_be_content(const Found& found, Names names);

// Writes all of it at the descriptor's own offset (`at` -1) or there. Partial when something was written.
Task<Attempt<uint64_t>> write_all(Call& call, const UniqueFd& fd, std::string_view content, int64_t at,
                                  std::string_view path);

// What was written is on the disk. Partial: the content is there all the same.
Task<Attempt<bool>> sync_to_disk(Call& call, const UniqueFd& fd, std::string_view path, bool partial);

// A new file beside `place`, under a name that nobody has, ready to be renamed. In the tree that primitives alone reach
// no primitive but fs.stat and fs.remove reaches a name like it: what is called so when it is renamed is this file, or
// nothing.
struct Fresh {
  UniqueFd fd;
  std::string name;
};
bool is_fresh(std::string_view path);
Task<Attempt<Fresh>> make_beside(const View& view, const View::Place& place, mode_t mode);
// Renamed over `place`; without `replace` only where nothing is (EEXIST). Thrown away when that fails.
Task<Attempt<bool>> put_in_place(const View& view, const Fresh& fresh, const View::Place& place, bool replace);
// That the name of `file` is on disk as well. Errors: those of fsync(2), as partial.
Task<Attempt<bool>> sync_name(Call& call, const View& view, const View::Place& place, const UniqueFd& file);
// `why`, which says so as well where it could not be taken away.
Task<Answer> throw_away(const View& view, const Fresh& fresh, const View::Place& place, Answer why);

// Of what Worker::run() did not do.
std::unexpected<Answer> no_thread(std::string_view path, int error, bool partial = false);

void add_reading(Pipeline& pipeline, Worker& worker);
void add_writing(Pipeline& pipeline, Worker& worker, ChangeLock& changes);
void add_naming(Pipeline& pipeline, ChangeLock& changes);

}  // namespace alos::broker
