#include "supervisor/workspace/image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "base/child.h"
#include "base/mount.h"
#include "base/paths.h"
#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr const char* kImage = "image";
constexpr const char* kNew = "image.new";
constexpr int kTries = 40;  // 50 ms apart

void pause() {
  const timespec wait{0, 50'000'000};
  ::nanosleep(&wait, nullptr);
}

// The tool gets the file by descriptor 3 and nothing else of ours.
Result<void> run_mkfs(int image) {
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("fork", "mkfs.ext4");
  if (child == 0) {
    const int null = ::open("/dev/null", O_RDWR);
    if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(null, 1) < 0 || ::dup2(null, 2) < 0 || ::dup2(image, 3) != 3)
      ::_exit(126);
    ::syscall(SYS_close_range, 4, ~0U, 0);
    const char* const argv[] = {
        "mkfs.ext4",       "-q",   "-F", "-b", "4096", "-m", "0", "-E", "root_owner=0:0,nodiscard,lazy_itable_init=1",
        "/proc/self/fd/3", nullptr};
    char* const environment[] = {nullptr};
    for (const char* program : {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"})
      ::execve(program, const_cast<char* const*>(argv), environment);
    ::_exit(127);
  }
  const int status = TRY(sys::wait_for(child));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return fail("execve", "mkfs.ext4", ENOENT, "install e2fsprogs, or leave 'disk-by: image' out of the policy");
  return fail("mkfs.ext4", "image", EIO, fmt::format("it ended with status {:#x}", status));
}

// What holds the flock lets go of it when its last process has ended.
Result<UniqueFd> claim(int dir, const std::string& path) {
  UniqueFd image = TRY(sys::openat(dir, kImage, O_RDWR | O_NOFOLLOW));
  for (int i = 0; ::flock(image.get(), LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno != EWOULDBLOCK) return fail_errno("flock", printable(path));
    if (i == kTries)
      return fail("mount", printable(path), EBUSY, "it is still in use; wait until the run in it has ended");
    pause();
  }
  return image;
}

struct Loop {
  std::string path;
  UniqueFd device;
};

// The device keeps the image's open file, and with it the flock, until the file system on it is gone (AUTOCLEAR).
Result<Loop> attach(const UniqueFd& image) {
  const UniqueFd control = TRY(sys::open("/dev/loop-control", O_RDWR));
  for (int i = 0;; ++i) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail_errno("LOOP_CTL_GET_FREE", "/dev/loop-control");
    Loop loop{fmt::format("/dev/loop{}", number), {}};
    loop.device = TRY(sys::open(loop.path, O_RDWR));
    loop_config config{};
    config.fd = static_cast<uint32_t>(image.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(loop.device.get(), LOOP_CONFIGURE, &config) == 0) return loop;
    if (errno != EBUSY || i == kTries) return fail("LOOP_CONFIGURE", loop.path, errno, "5.8 or newer is needed");
  }
}

// Its tables are holes of a new file, and zero already; on an error of the image it goes read-only.
Result<UniqueFd> mount_device(const std::string& device) {
  const auto fs = TRY(sys::FilesystemContext::open("ext4"));
  TRY(fs.set("source", device));
  TRY(fs.flag("noinit_itable"));
  TRY(fs.set("errors", "remount-ro"));
  return fs.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

}  // namespace

Result<void> make_image(int dir, const std::string& path, uint64_t bytes) {
  if (bytes < kLeastImage)
    return fail("image", printable(path), EINVAL, "with 'disk-by: image' a 'disk' of at least 16MiB is needed");
  if (::unlinkat(dir, kNew, 0) != 0 && errno != ENOENT) return fail_errno("unlinkat", kNew);
  const UniqueFd image = TRY(sys::openat(dir, kNew, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  if (::ftruncate(image.get(), static_cast<off_t>(bytes & ~uint64_t{4095})) != 0)
    return fail_errno("ftruncate", printable(path));
  TRY(run_mkfs(image.get()));
  return sys::renameat2(dir, kNew, dir, kImage, 0);
}

Result<MountedImage> mount_image(int dir, const std::string& path) {
  const UniqueFd image = TRY(claim(dir, path));
  const Loop loop = TRY(attach(image));
  auto mount = mount_device(loop.path);
  if (!mount) {
    const std::string& said = mount.error().hint;
    return fail("mount", printable(path), mount.error().code,
                "the layer's image cannot be mounted" + (said.empty() ? "" : ": " + said));
  }
  MountedImage out;
  out.mount = std::move(*mount);
  out.root = TRY(sys::openat(out.mount.get(), ".", O_RDONLY | O_DIRECTORY));
  return out;
}

}  // namespace alos::workspace
