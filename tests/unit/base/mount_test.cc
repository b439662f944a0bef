#include "base/mount.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <functional>

#include "base/child.h"
#include "base/sys.h"

namespace alos::sys {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// What `body` says, from a child in namespaces of its own, where anybody may mount.
std::string in_namespaces(const std::function<std::string()>& body) {
  auto said = pipe();
  const pid_t pid = ::fork();
  if (pid == 0) {
    const std::string text = ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? body() : "unshare";
    ::_exit(write_all(said->b.get(), text) ? 0 : 1);
  }
  said->b.reset();
  const std::string text = read_file(said->a.get(), 4096).value();
  EXPECT_EQ(wait_for(pid).value(), 0);
  return text;
}

Result<UniqueFd> small_tmpfs() {
  const FilesystemContext tmpfs = TRY(FilesystemContext::open("tmpfs"));
  TRY(tmpfs.set("size", "1m"));
  TRY(tmpfs.set("mode", "750"));
  return tmpfs.mount(MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

TEST(FilesystemContext, mounts_what_was_set_up) {
  EXPECT_EQ(in_namespaces([]() -> std::string {
              const auto mount = small_tmpfs();
              if (!mount) return mount.error().text();
              struct statvfs about{};
              ::fstatvfs(mount->get(), &about);
              if (about.f_blocks * about.f_frsize != 1 << 20) return "another size";
              if ((about.f_flag & (ST_NODEV | ST_NOEXEC)) != (ST_NODEV | ST_NOEXEC)) return "other attributes";
              if ((fstat(mount->get())->st_mode & 0777) != 0750) return "another mode";
              if ((::fcntl(mount->get(), F_GETFD) & FD_CLOEXEC) == 0) return "kept over exec";
              return "whole";
            }),
            "whole");
}

TEST(FilesystemContext, says_what_was_refused_and_what_the_file_system_says_of_it) {
  EXPECT_THAT(in_namespaces([] { return FilesystemContext::open("tmpfs")->set("size", "no").error().text(); }),
              AllOf(StartsWith("fsconfig tmpfs size=no: Invalid argument (EINVAL); "), HasSubstr("'size'")));
  EXPECT_THAT(in_namespaces([] { return FilesystemContext::open("tmpfs")->flag("no-such").error().text(); }),
              StartsWith("fsconfig tmpfs no-such: Invalid argument (EINVAL)"));
  EXPECT_THAT(in_namespaces([] { return FilesystemContext::open("overlay")->mount(0).error().text(); }),
              StartsWith("fsconfig create overlay: Invalid argument (EINVAL)"));
  EXPECT_EQ(in_namespaces([] { return FilesystemContext::open("no-such").error().text(); }),
            "fsopen no-such: No such device (ENODEV)");
}

}  // namespace
}  // namespace alos::sys
