// A box written by hand, as small as one that shows a host tree can be: namespaces, maps, a tmpfs root with the system
// read-only in it, /proc, pivot, loopback left down. No limits, no filter, no Landlock, nothing recorded.
//   minimal_box PROGRAM [ARG...]
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok, const char* what) {
  if (ok) return;
  perror(what);
  _exit(126);
}

static void put(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  must(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
  close(fd);
}

static void build_root(void) {
  must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "propagation");
  must(mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") == 0 && chdir("/tmp") == 0, "tmpfs");
  static const char* const trees[] = {"usr", "etc"};
  for (unsigned i = 0; i < 2; ++i) {
    char from[16];
    snprintf(from, sizeof from, "/%s", trees[i]);
    must(mkdir(trees[i], 0755) == 0, trees[i]);
    const int tree = (int)syscall(SYS_open_tree, AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    must(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) == 0, "mount_setattr");
    must(syscall(SYS_move_mount, tree, "", AT_FDCWD, trees[i], MOVE_MOUNT_F_EMPTY_PATH) == 0, "move_mount");
    close(tree);
  }
  static const char* const links[] = {"bin", "lib", "lib64"};
  for (unsigned i = 0; i < 3; ++i) {
    char to[16];
    snprintf(to, sizeof to, "usr/%s", links[i]);
    must(symlink(to, links[i]) == 0, to);
  }
  must(mkdir("proc", 0755) == 0 && mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0, "proc");
  must(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0, "pivot");
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const unsigned uid = getuid(), gid = getgid();
  struct clone_args args = {0};
  args.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  args.exit_signal = SIGCHLD;
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  must(pid >= 0, "clone3");
  if (pid == 0) {
    char map[64];
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "1000 %u 1", uid);
    put("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "1000 %u 1", gid);
    put("/proc/self/gid_map", map);
    build_root();
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
    execv(argv[1], argv + 1);
    must(0, argv[1]);
  }
  int status = 0;
  waitpid((pid_t)pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
