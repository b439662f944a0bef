#include "syscall-broker/primitives/files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "base/digest.h"
#include "base/paths.h"
#include "base/sys.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/primitives.h"

namespace alos::broker {
namespace {

constexpr std::string_view kFresh = ".alos-";
constexpr size_t kFreshBytes = 8;

}  // namespace

Attempt<std::string> path_argument(std::string_view bytes) {
  const std::string_view shown = bytes.substr(0, bytes.find('\0'));
  if (bytes.empty()) return give_up("path", "", EINVAL, "it is empty");
  auto path = bytes.starts_with('/') ? canonical_path(bytes) : canonical_path("/" + std::string(bytes));
  if (!path) return give_up("path", shown, path.error().code, path.error().hint);
  return std::move(*path);
}

Attempt<Plan> demand(std::string_view path, std::initializer_list<policy::Right> rights) {
  Plan out;
  for (const policy::Right right : rights) {
    auto request = policy::Request::file(right, path);
    if (!request) return give_up(request.error());
    out.demands.push_back(std::move(*request));
  }
  return out;
}

Attempt<Plan> both(Attempt<Plan> first, Attempt<Plan> second) {
  if (!first || !second) return first ? std::move(second) : std::move(first);
  first->details.emplace_back("to", printable(second->demands.front().asked()));
  for (policy::Request& request : second->demands) first->demands.push_back(std::move(request));
  return first;
}

std::string version_of(const struct stat& st) {
  const auto ns = [](const timespec& t) {
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
  };
  return fmt::format("{:x}.{:x}.{:x}.{:x}", st.st_dev, st.st_ino, st.st_size, ns(st.st_ctim));
}

wire::FileType type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return wire::REGULAR;
    case S_IFDIR:
      return wire::DIRECTORY;
    case S_IFLNK:
      return wire::LINK;
    case S_IFIFO:
      return wire::FIFO;
    case S_IFSOCK:
      return wire::SOCKET;
    case S_IFCHR:
      return wire::CHARACTER_DEVICE;
    case S_IFBLK:
      return wire::BLOCK_DEVICE;
    default:
      return wire::TYPE_UNKNOWN;
  }
}

std::string_view kind_of(mode_t mode) {
  switch (type_of(mode)) {
    case wire::REGULAR:
      return "a regular file";
    case wire::DIRECTORY:
      return "a directory";
    case wire::LINK:
      return "a link";
    case wire::FIFO:
      return "a FIFO";
    case wire::SOCKET:
      return "a socket";
    default:
      return "a device";
  }
}

Attempt<struct stat> look(const UniqueFd& fd, std::string_view path) {
  auto st = sys::fstat(fd.get());
  if (!st) return give_up("fstat", path, st.error().code);
  return *st;
}

Attempt<void> must_be_content(const Found& found, Names names) {
  const std::string& path = found.place.path;
  if (!found.there()) return give_up("open", path, ENOENT, "");
  if (S_ISDIR(found.st.st_mode)) return give_up("open", path, EISDIR, "it is a directory");
  if (!S_ISREG(found.st.st_mode))
    return give_up("open", path, ENOTSUP,
                   fmt::format("it is {}; only regular files are opened", kind_of(found.st.st_mode)));
  if (found.st.st_nlink > 1 && (names == Names::one || found.place.brokered))
    return give_up("open", path, EMLINK, "it has further names, and what they are would be reached with it");
  return {};
}

Task<Attempt<uint64_t>> write_all(Call& call, const UniqueFd& fd, std::string_view content, int64_t at,
                                  std::string_view path) {
  constexpr size_t kStep = 1 << 20;
  FileRing& ring = call.reactor().files();
  uint64_t done = 0;
  while (done < content.size()) {
    if (call.is_cancelled()) co_return give_up("write", path, ECANCELED, "", done > 0);
    const int n = co_await ring.write(fd.get(), content.substr(done, kStep),
                                      at < 0 ? static_cast<uint64_t>(-1) : static_cast<uint64_t>(at) + done);
    if (n == -EINTR || n == -EAGAIN) continue;
    if (n <= 0) co_return give_up("write", path, n < 0 ? -n : EIO, "", done > 0);
    done += static_cast<uint64_t>(n);
  }
  co_return done;
}

Task<Attempt<bool>> sync_to_disk(Call& call, const UniqueFd& fd, std::string_view path, bool partial) {
  const int rc = co_await call.reactor().files().fsync(fd.get());
  if (rc != 0) co_return give_up("fsync", path, -rc, "", partial);
  co_return true;
}

// Whatever its case: some file systems do not tell it.
bool is_fresh(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const auto is_same = [](unsigned char a, char b) { return std::tolower(a) == b; };
  return name.size() == kFresh.size() + 2 * kFreshBytes &&
         std::ranges::equal(name.substr(0, kFresh.size()), kFresh, is_same) &&
         name.find_first_not_of("0123456789abcdefABCDEF", kFresh.size()) == name.npos;
}

Task<Attempt<Fresh>> make_beside(const View& view, const View::Place& place, mode_t mode) {
  Fresh out;
  out.name = std::string(kFresh) + random_hex(kFreshBytes);
  auto made = co_await view.create(place, out.name, O_WRONLY, mode);
  ALOS_ATTEMPT(fd, std::move(made));
  out.fd = std::move(fd);
  co_return out;
}

Task<Attempt<bool>> put_in_place(const View& view, const Fresh& fresh, const View::Place& place, bool replace) {
  auto moved = co_await view.rename(View::Moves::file, place, fresh.name, place, place.name, replace);
  if (moved) co_return true;
  auto left = co_await throw_away(view, fresh, place, failed(moved.error()));
  co_return std::unexpected(std::move(left));
}

// A directory that the agent may not list cannot be opened to be synced (Landlock, or its mode). The file again, then:
// ext4, XFS and btrfs write a rename with the inode that it changed.
Task<Attempt<bool>> sync_name(Call& call, const View& view, const View::Place& place, const UniqueFd& file) {
  auto directory = co_await view.open_directory(place);
  const UniqueFd& on = directory ? *directory : file;
  co_return co_await sync_to_disk(call, on, place.path, true);
}

Task<Answer> throw_away(const View& view, const Fresh& fresh, const View::Place& place, Answer why) {
  const int rc = co_await view.ring().unlinkat(view.who(), place.directory.get(), fresh.name.c_str(), 0);
  if (rc != 0 && rc != -ENOENT && why.reply.has_failed()) {
    wire::Failed& failed = *why.reply.mutable_failed();
    failed.set_partial(true);
    failed.set_hint(
        fmt::format("{}{}{} is left beside it", failed.hint(), failed.hint().empty() ? "" : "; ", fresh.name));
  }
  co_return why;
}

std::unexpected<Answer> no_thread(std::string_view path, int error, bool partial) {
  return give_up("pthread_create", path, error, "there are as many processes and threads as there may be; end some",
                 partial);
}

void add_file_primitives(Pipeline& pipeline, Worker& worker, ChangeLock& changes) {
  add_reading(pipeline, worker);
  add_writing(pipeline, worker, changes);
  add_naming(pipeline, changes);
}

}  // namespace alos::broker
