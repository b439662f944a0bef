// Threat 18: files by handle, and mounts of one's own.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

// name_to_handle_at stands in for guessing: handles of ext4 are an inode number that can be counted up.
Outcome by_handle() {
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  const std::string secret = target("ESCAPE_SECRET");
  if (::name_to_handle_at(AT_FDCWD, secret.c_str(), handle, &mount, 0) != 0)
    return stopped_by_errno("name_to_handle_at");
  const int root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return judge_descriptor(::open_by_handle_at(root, handle, O_RDONLY));
}

Outcome new_file_system() {
  const long context = ::syscall(SYS_fsopen, "tmpfs", 0);
  if (context < 0) return stopped_by_errno("fsopen");
  constexpr unsigned kCreate = 6;  // FSCONFIG_CMD_CREATE
  if (::syscall(SYS_fsconfig, context, kCreate, nullptr, nullptr, 0) != 0) return stopped_by_errno("fsconfig");
  return judge_call(::syscall(SYS_fsmount, context, 0, 0), "fsmount", "mounted a tmpfs");
}

Outcome cloned_tree() {
  constexpr unsigned kCloneTree = 1, kRecursive = 0x8000;  // OPEN_TREE_CLONE, AT_RECURSIVE
  return judge_call(::syscall(SYS_open_tree, AT_FDCWD, "/", kCloneTree | kRecursive), "open_tree", "cloned the mounts");
}

Outcome mount_over() {
  return judge_call(::mount("none", target("ESCAPE_WORKSPACE").c_str(), "tmpfs", 0, nullptr), "mount",
                    "mounted over the workspace");
}

constexpr Attempt kAttempts[] = {
    {"18.a", "open the secret by a file handle", by_handle},
    {"18.b", "make a file system with fsopen", [] { return in_nested_namespace(CLONE_NEWNS, new_file_system); }},
    {"18.c", "clone the mounts with open_tree", [] { return in_nested_namespace(CLONE_NEWNS, cloned_tree); }},
    {"18.d", "mount over the workspace", [] { return in_nested_namespace(CLONE_NEWNS, mount_over); }},
    {"18.e", "mount without a namespace of one's own", mount_over},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
