#include "syscall-broker/view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::broker {
namespace {

// A rename that raced with ".." (openat2(2), EAGAIN): tried again so often.
constexpr int kTries = 32;

const std::string kHere = ".";

bool is_removed(int directory) {
  const auto st = sys::fstat(directory);
  return !st || st->st_nlink == 0;
}

// The path that a descriptor has now. Judged by nothing: it is this process's own descriptor. Relative to the root of
// the tree that it lies in, because that is not this process's own.
Result<std::string> path_of(int fd, std::string_view wanted) {
  char link[32], path[PATH_MAX];
  *fmt::format_to_n(link, sizeof link - 1, "/proc/self/fd/{}", fd).out = '\0';
  const ssize_t n = ::readlink(link, path, sizeof path);
  if (n < 0) return fail_errno("readlink", wanted);
  const std::string_view text(path, static_cast<size_t>(n));
  if (n == sizeof path) return fail("readlink", wanted, ENAMETOOLONG);
  // A name can end like this, too.
  if (!text.starts_with('/') || (text.ends_with(" (deleted)") && is_removed(fd)))
    return fail("openat2", wanted, ENOENT);
  return std::string(text);
}

// The same below a root. What is no longer there was moved out of it while it was opened.
Result<std::string> path_below(int fd, const std::string& root, std::string_view wanted) {
  std::string path = TRY(path_of(fd, wanted));
  if (!lies_below(path, root)) return fail("openat2", wanted, EXDEV, "it was moved while it was opened");
  if (root.size() > 1) path.erase(0, root.size());
  return path.empty() ? "/" : path;
}

// The directory's path, and its last component's name; of one that ends in a slash or a dot the directory itself.
std::string split(const std::string& path, std::string& name) {
  const size_t slash = path.rfind('/');
  const std::string_view last = std::string_view(path).substr(slash + 1);
  const bool is_itself = last.empty() || last == "." || last == "..";
  name.assign(is_itself ? std::string_view(".") : last);
  return is_itself ? path : path.substr(0, slash + 1);
}

}  // namespace

std::unexpected<Error> ring_error(std::string_view operation, std::string_view path, int result) {
  std::string_view hint;
  if (result == -EACCES || result == -EPERM)
    hint =
        "the policy's words allow it; the kernel refuses it to this agent: what is mounted, Landlock, or the file's "
        "mode";
  if (result == -EROFS) hint = "it is mounted read-only for this agent";
  if (result == -ELOOP) hint = "too many links, or a link where none is followed";
  return fail(operation, path, -result, hint);
}

View::View(FileRing& ring, Roots roots, Personalities who, std::function<bool(std::string_view)> brokered)
    : ring_(ring),
      roots_(std::move(roots)),
      box_path_(path_of(roots_.box.get(), "/").value_or("/")),
      brokered_path_(path_of(roots_.brokered.get(), "/").value_or("/")),
      who_(who),
      brokered_(std::move(brokered)) {}

Task<Result<View::Place>> View::place(Tree tree, std::string path, bool follow) const {
  Place out;
  out.brokered = tree == Tree::brokered;
  const UniqueFd& root = out.brokered ? roots_.brokered : roots_.box;
  if (!root) co_return fail("openat2", path, ENOENT);
  std::string directory = split(path, out.name);
  const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                     .mode = 0,
                     .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (follow ? 0 : uint64_t{RESOLVE_NO_SYMLINKS})};
  int fd = -EAGAIN;
  for (int i = 0; i < kTries && fd == -EAGAIN; ++i)
    fd = co_await ring_.openat2(who_.agent, root.get(), directory.c_str(), how);
  if (fd < 0) co_return ring_error("openat2", path, fd);
  out.directory.reset(fd);
  auto real = path_below(fd, out.brokered ? brokered_path_ : box_path_, path);
  if (!real) co_return std::unexpected(std::move(real).error());
  out.path = std::move(*real);
  if (out.name != ".") {
    if (out.path.size() > 1) out.path.push_back('/');
    out.path.append(out.name);
  }
  co_return out;
}

Task<Result<UniqueFd>> View::open_at(int directory, const std::string& name, const std::string& path, uint64_t flags,
                                     mode_t mode, uint64_t resolve) const {
  // openat2(2) refuses with O_PATH what has no meaning beside it.
  const uint64_t always = O_NOFOLLOW | O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NONBLOCK | O_NOCTTY);
  const open_how how{.flags = flags | always, .mode = mode, .resolve = RESOLVE_NO_MAGICLINKS | resolve};
  const int fd = co_await ring_.openat2(who_.agent, directory, name.c_str(), how);
  if (fd < 0) co_return ring_error("openat2", path, fd);
  co_return UniqueFd(fd);
}

Task<Result<UniqueFd>> View::open_straight(const std::string& path, bool brokered, uint64_t flags) const {
  const UniqueFd& root = brokered ? roots_.brokered : roots_.box;
  return open_at(root.get(), path, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

Task<Result<UniqueFd>> View::open(const Place& at, uint64_t flags) const {
  return open_at(at.directory.get(), at.name, at.path, flags, 0);
}

Task<bool> View::is_mount(const Place& at) const {
  const auto opened = co_await open_at(at.directory.get(), at.name, at.path, O_PATH, 0, RESOLVE_NO_XDEV);
  co_return !opened && opened.error().code == EXDEV;
}

Task<Result<UniqueFd>> View::create(const Place& beside, const std::string& name, uint64_t flags, mode_t mode) const {
  return open_at(beside.directory.get(), name, beside.path, flags | O_CREAT | O_EXCL, mode);
}

Task<Result<UniqueFd>> View::open_directory(const Place& of) const {
  return open_at(of.directory.get(), kHere, of.path, O_RDONLY | O_DIRECTORY, 0);
}

Task<Result<void>> View::rename(Moves what, const Place& from, const std::string& from_name, const Place& to,
                                const std::string& to_name, bool replace) const {
  const bool judged = what == Moves::file && (from.brokered || to.brokered);
  const FileRing::Personality who = judged ? who_.of_files : who_.agent;
  if (who == 0 && who_.agent != 0)
    co_return fail("rename", from.path, ENOTSUP,
                   "without Landlock nothing keeps a directory from taking the file's place here; append to a file, or "
                   "write it in place");
  const int rc = co_await ring_.renameat2(who, from.directory.get(), from_name.c_str(), to.directory.get(),
                                          to_name.c_str(), replace ? 0U : static_cast<unsigned>(RENAME_NOREPLACE));
  if (rc != 0) co_return ring_error("rename", from.path, rc);
  co_return Result<void>();
}

}  // namespace alos::broker
