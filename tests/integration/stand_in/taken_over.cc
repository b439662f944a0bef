// In the place of alos-broker: starts as it does, gives up what it gives up, and then does what somebody would who runs
// code of his own in it: ALOS_ATTACK says what. Prints "NAME -> ANSWER" for each thing tried, to standard error, where
// the broker's complaints go; ALOS_PATHS names what it goes after, colons between.

#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>

#include "base/sys.h"
#include "syscall-broker/confine.h"
#include "syscall-broker/link_end.h"
#include "syscall-broker/private_root.h"

namespace {

using namespace alos;
using namespace alos::broker;

void say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(2, text.data(), text.size()) < 0) ::_exit(9);
}

void tell(const std::string& what, long answer) {
  const int error = errno;
  say(what + " -> " + (answer >= 0 ? "ok" : strerrorname_np(error) ? strerrorname_np(error) : "?"));
}

class Attack {
 public:
  Attack(UniqueFd link, io_uring ring, uint16_t who, View::Roots roots)
      : link_(std::move(link)), ring_(ring), who_(who), roots_(std::move(roots)) {}

  std::vector<std::string> paths() const {
    std::vector<std::string> out;
    std::istringstream in(::getenv("ALOS_PATHS") ? ::getenv("ALOS_PATHS") : "");
    for (std::string one; std::getline(in, one, ':');) out.push_back(one);
    return out;
  }

  void put(const std::string& words, const std::vector<int>& fds = {}) {
    (void)sys::send_message(link_.get(), std::as_bytes(std::span(words)), fds);
  }

  // The next message; empty when the supervisor is gone.
  std::string hear(std::vector<UniqueFd>& fds) {
    std::string buffer(kLongestMessage, '\0');
    auto got = sys::receive_message(link_.get(), std::as_writable_bytes(std::span(buffer)), 4);
    if (!got) return "";
    buffer.resize(got->size);
    fds = std::move(got->fds);
    return buffer;
  }

  int open_on_the_ring(uint16_t who, int dir, const std::string& path, uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_openat2(entry, dir, path.c_str(), &how);
    entry->personality = who;
    return submit();
  }
  int unlink_on_the_ring(uint16_t who, int dir, const std::string& path) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_unlinkat(entry, dir, path.c_str(), 0);
    entry->personality = who;
    return submit();
  }
  // From a root of the agent's view: what is mounted on a name (a mask) is no matter of a path that ends there.
  int rename_on_the_ring(int root, const std::string& from, const std::string& to) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_renameat(entry, root, from.c_str() + 1, root, to.c_str() + 1, 0);
    entry->personality = who_;
    return submit();
  }
  int do_on_the_ring(uint8_t operation) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    std::memset(entry, 0, sizeof *entry);
    entry->opcode = operation;
    entry->fd = AT_FDCWD;
    return submit();
  }

  // Every system call by its number, where serving does not take it.
  void calls();
  void processes();
  void files();
  void ring();
  void supervisor();
  void flood();
  void runs();
  void identities();
  void silent();
  void fork_away();
  void lingering();

  std::vector<UniqueFd> given;  // what came with the first frame of the agent's, for lingering()

 private:
  int submit() {
    ::io_uring_submit(&ring_);
    io_uring_cqe* done = nullptr;
    while (::io_uring_peek_cqe(&ring_, &done) != 0)
      ::syscall(SYS_io_uring_enter, ring_.ring_fd, 0, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
    const int out = done->res;
    ::io_uring_cqe_seen(&ring_, done);
    if (out < 0) errno = -out;
    return out;
  }

  UniqueFd link_;
  io_uring ring_;
  uint16_t who_ = 0;
  View::Roots roots_;
};

// Those that serving takes; what can be done with their arguments is tried by name.
constexpr long kServing[] = {SYS_read,
                             SYS_write,
                             SYS_close,
                             SYS_close_range,
                             SYS_fstat,
                             SYS_fcntl,
                             SYS_recvmsg,
                             SYS_sendmsg,
                             SYS_sendto,
                             SYS_recvfrom,
                             SYS_shutdown,
                             SYS_getsockopt,
                             SYS_getdents64,
                             SYS_ftruncate,
                             SYS_copy_file_range,
                             SYS_eventfd2,
                             SYS_pipe2,
                             SYS_poll,
                             SYS_ppoll,
                             SYS_io_uring_enter,
                             SYS_readlink,
                             SYS_readlinkat,
                             SYS_mmap,
                             SYS_munmap,
                             SYS_mremap,
                             SYS_mprotect,
                             SYS_madvise,
                             SYS_brk,
                             SYS_futex,
                             SYS_set_robust_list,
                             SYS_rseq,
                             SYS_sched_yield,
                             SYS_sched_getaffinity,
                             SYS_gettid,
                             SYS_getpid,
                             SYS_exit,
                             SYS_exit_group,
                             SYS_rt_sigprocmask,
                             SYS_rt_sigaction,
                             SYS_rt_sigreturn,
                             SYS_sigaltstack,
                             SYS_tgkill,
                             SYS_restart_syscall,
                             SYS_clock_gettime,
                             SYS_clock_nanosleep,
                             SYS_nanosleep,
                             SYS_gettimeofday,
                             SYS_getrandom};

void Attack::calls() {
  // 335 and 336 are those of the kernel's own probes: no filter sees them, and they end whoever makes them.
  for (long number = 0; number < 470; ++number) {
    if (std::ranges::find(kServing, number) != std::end(kServing) || number == 335 || number == 336) continue;
    errno = 0;
    const long answer = ::syscall(number, 0, 0, 0, 0, 0, 0);
    if (answer == -1 && (errno == EPERM || (number == SYS_clone3 && errno == ENOSYS))) continue;
    tell(fmt::format("call {}", number), answer);
  }
  struct stat st{};
  ::syscall(SYS_fstat, 2, &st);  // the C library makes another call of it
  const bool is_pipe = S_ISFIFO(st.st_mode) && (::fcntl(2, F_GETFL) & O_ACCMODE) == O_WRONLY;
  say(fmt::format("standard error: {}", is_pipe ? "a pipe to write to" : "something of the caller's"));
  tell("ioctl TIOCSTI", ::syscall(SYS_ioctl, 2, 0x5412, "x"));
  tell("ioctl FIONREAD", ::syscall(SYS_ioctl, 3, 0x541b, nullptr));
}

void Attack::processes() {
  clone_args child{};
  child.exit_signal = SIGCHLD;
  long pid = ::syscall(SYS_clone3, &child, sizeof child);
  if (pid == 0) ::_exit(0);
  tell("clone3", pid);
  child.flags = CLONE_NEWUSER | CLONE_NEWNET;
  pid = ::syscall(SYS_clone3, &child, sizeof child);
  if (pid == 0) ::_exit(0);
  tell("clone3 into namespaces", pid);
  pid = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) ::_exit(0);
  tell("clone", pid);
  std::istringstream in(::getenv("ALOS_PIDS") ? ::getenv("ALOS_PIDS") : "");
  for (int other = 0; in >> other;) {
    tell("tgkill another", ::syscall(SYS_tgkill, other, other, SIGUSR1));
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return say("no pipe");
    // A signal by way of a descriptor that becomes ready (fcntl(2), F_SETOWN, F_SETSIG).
    const int owned = ::fcntl(fds[0], F_SETOWN, other);
    tell("fcntl F_SETOWN another", owned);
    tell("fcntl F_SETSIG", ::fcntl(fds[0], F_SETSIG, SIGUSR1));
    (void)::fcntl(fds[0], F_SETFL, O_ASYNC);
    (void)!::write(fds[1], "x", 1);
    char link[64];
    for (const char* what : {"exe", "cwd", "root", "fd/0"})
      tell(fmt::format("readlink {} of another", what),
           ::readlink(fmt::format("/proc/{}/{}", other, what).c_str(), link, sizeof link));
  }
}

void Attack::files() {
  if (who_ == 0) say("no identity");
  for (const std::string& path : paths()) {
    tell("ring, nobody, read " + path, open_on_the_ring(0, AT_FDCWD, path, O_RDONLY));
    tell("ring, nobody, write " + path, open_on_the_ring(0, AT_FDCWD, path, O_WRONLY));
    tell("ring, nobody, unlink " + path, unlink_on_the_ring(0, AT_FDCWD, path));
    tell("ring, agent, read " + path, open_on_the_ring(who_, AT_FDCWD, path, O_RDONLY));
    tell("ring, agent, write " + path, open_on_the_ring(who_, AT_FDCWD, path, O_WRONLY));
    tell("ring, agent, unlink " + path, unlink_on_the_ring(who_, AT_FDCWD, path));
    // Without a right asked for, which Landlock lets pass; and then as the agent from there.
    tell("ring, nobody, name " + path, open_on_the_ring(0, AT_FDCWD, path, O_PATH));
    tell("ring, agent, name " + path, open_on_the_ring(who_, AT_FDCWD, path, O_PATH));
    const int host = open_on_the_ring(0, AT_FDCWD, "/", O_PATH | O_DIRECTORY);
    tell("ring, from the host's root, read " + path,
         host < 0 ? host : open_on_the_ring(who_, host, path.substr(1), O_RDONLY));
    const int own = open_on_the_ring(0, AT_FDCWD, "/proc/self", O_PATH);
    tell("ring, from what /proc tells of itself, read " + path,
         own < 0 ? own : open_on_the_ring(who_, own, "root" + path, O_RDONLY));
    tell("ring, from above the box's root, read " + path,
         open_on_the_ring(who_, roots_.box.get(), "../../../.." + path, O_RDONLY));
    tell("ring, in the box, read " + path, open_on_the_ring(who_, roots_.box.get(), path.substr(1), O_RDONLY));
    if (path.find("/workspace/") == path.npos || path.ends_with("/file")) continue;
    tell("ring, in the box, rename " + path, rename_on_the_ring(roots_.box.get(), path, path + ".taken"));
    tell("ring, in the box, read what was " + path,
         open_on_the_ring(who_, roots_.box.get(), path.substr(1) + ".taken", O_RDONLY));
    tell("ring, in the box, unlink " + path, unlink_on_the_ring(who_, roots_.box.get(), path.substr(1)));
    const std::string mine = path.substr(0, path.rfind('/')) + "/file";
    tell("ring, in the box, put another over " + path, rename_on_the_ring(roots_.box.get(), mine, path));
  }
}

void Attack::ring() {
  for (uint8_t operation = 0; operation < IORING_OP_LAST; ++operation) {
    const int answer = do_on_the_ring(operation);
    if (answer != -EACCES) tell(fmt::format("operation {}", operation), answer);
  }
}

void Attack::supervisor() {
  const auto told = [&](const std::string& what) {
    for (;;) {
      std::vector<UniqueFd> fds;
      const std::string words = hear(fds);
      if (words.empty()) return say(what + " -> gone");
      if (words[0] == RunStarted::kTag) {
        const auto started = decode<RunStarted>(std::string_view(words).substr(1), "run");
        if (started && started->error != 0) return say(what + " -> " + started->text);
        continue;
      }
      if (words[0] == RunEnded::kTag) {
        const auto ended = decode<RunEnded>(std::string_view(words).substr(1), "run");
        return say(fmt::format("{} -> ended {}", what, ended ? ended->status : -1));
      }
    }
  };
  const auto run = [&](const std::string& what, uint32_t number, int32_t command, std::vector<std::string> argv) {
    WantRun wanted;
    wanted.run = number;
    wanted.command = command;
    wanted.argv = std::move(argv);
    wanted.cwd = "/";
    put(message(wanted), {2, 2, 2});
    told(what);
  };
  run("more files for another program", 1, 0, {"/bin/cat", "/etc/hostname"});
  run("more files by arguments", 2, 0, {"/usr/bin/cat", "-n", "--", "x"});
  run("a rule that is not there", 3, 999, {"/bin/true"});
  run("no program", 4, -1, {});
  run("its own", 5, -1, {"/bin/true"});
  uint32_t number = 6;
  for (const std::string& path : paths()) run("more files by " + path, number++, 1, {"/usr/bin/cat", "--", path});
  Record lie;
  lie.number = 1;
  lie.action = "run.end";
  lie.target = "made up";
  lie.waited_for = true;
  Records records;
  records.records.push_back(lie);
  put(message(records));
  std::vector<UniqueFd> fds;
  const std::string words = hear(fds);
  const auto all = decode<AllRecorded>(std::string_view(words).substr(1), "records");
  say("the record of an end -> " + (all && all->records.size() == 1 ? all->records[0].text : "?"));
}

// Records that are waited for, and no answer ever read.
void Attack::flood() {
  Record one;
  one.action = "fs.read";
  one.target = "x";
  one.waited_for = true;
  for (;;) {
    Records many;
    for (int i = 0; i < 200; ++i) many.records.push_back(one);
    put(message(many));
  }
}

void Attack::runs() {
  for (uint32_t number = 1;; ++number) {
    WantRun wanted;
    wanted.run = number;
    wanted.argv = {"/bin/sleep", "60"};
    wanted.cwd = "/";
    put(message(wanted), {2, 2, 2});
  }
}

void Attack::identities() {
  for (;;) put(message(WantIdentity{}));
}

void Attack::silent() {
  for (;;) ::poll(nullptr, 0, 1000);
}

// A process that stays when the broker is ended.
void Attack::fork_away() {
  clone_args child{};
  child.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &child, sizeof child);
  if (pid == 0) silent();
  tell("clone3", pid);
}

// Descriptors that the agent made, to the supervisor, in a way that ALOS_WAY says.
void Attack::lingering() {
  const std::string way = ::getenv("ALOS_WAY") ? ::getenv("ALOS_WAY") : "";
  std::vector<int> fds;
  for (const UniqueFd& fd : given) fds.push_back(fd.get());
  if (fds.empty()) return;
  say("sends " + way);  // who sends it is ended
  fds.resize(3, fds.back());
  WantRun wanted;
  wanted.run = 1;
  wanted.argv = {"/bin/true"};
  wanted.cwd = "/";
  // While the supervisor writes these down the descriptors are closed here: the last close is its own.
  Record one;
  one.action = "fs.read";
  one.outcome = "done";
  Records before;
  before.records.resize(200, one);
  for (int i = 0; i < 4; ++i) put(message(before));
  if (way == "stdio") put(message(wanted), fds);
  if (way == "records") put(message(Records{}), fds);
  if (way == "empty") put("", fds);
  if (way == "long") put(std::string(kLongestMessage + 1, Records::kTag), fds);
  if (way == "many") {
    while (fds.size() < 200) fds.push_back(fds.back());
    put(message(wanted), fds);
  }
  if (way == "queue")
    for (int i = 0; i < 5; ++i) put("?", fds);
  given.clear();
  silent();
}

std::vector<UniqueFd> first_given(const UniqueFd& listener) {
  const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::string words(64, '\0');
  auto got = sys::receive_message(client.get(), std::as_writable_bytes(std::span(words)), 3);
  return got ? std::move(got->fds) : std::vector<UniqueFd>();
}

int run() {
  ::umask(0);
  if (auto left = enter_private_root(); !left) return say(left.error().text()), 1;
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  LinkEnd link{UniqueFd(::dup(kLink))};
  auto start = link.receive_start();
  if (!start) return say(start.error().text()), 1;
  io_uring_params params{};
  std::memcpy(&params, start->begin.ring.data(), sizeof params);
  io_uring ring{};
  if (::io_uring_queue_mmap(kInheritedRing, &params, &ring) != 0) return say("io_uring_queue_mmap"), 1;
  for (unsigned i = 0; i < ring.sq.ring_entries; ++i) ring.sq.array[i] = i;
  for (char** line = environ; *line; ++line)
    if (!std::string_view(*line).starts_with("ALOS")) say(std::string("it was given ") + *line);
  const std::string what = ::getenv("ALOS_ATTACK") ? ::getenv("ALOS_ATTACK") : "";
  std::vector<UniqueFd> given;
  if (what == "lingering") given = first_given(start->listener);
  auto roots = close_private_root(start->trees);
  if (!roots) return say(roots.error().text()), 1;
  if (auto confined = confine(Landlock::needed); !confined) return say(confined.error().text()), 1;
  Attack attack(UniqueFd(kLink), ring, start->identity.value_or(Personalities()).agent, std::move(*roots));
  attack.given = std::move(given);
  const std::map<std::string, void (Attack::*)()> all{
      {"calls", &Attack::calls},           {"processes", &Attack::processes},
      {"files", &Attack::files},           {"ring", &Attack::ring},
      {"supervisor", &Attack::supervisor}, {"flood", &Attack::flood},
      {"silent", &Attack::silent},         {"runs", &Attack::runs},
      {"identities", &Attack::identities}, {"fork", &Attack::fork_away},
      {"lingering", &Attack::lingering}};
  const auto chosen = all.find(what);
  if (chosen == all.end()) return say("no such attack: " + what), 1;
  (attack.*chosen->second)();
  say("tried all of " + what);
  ::_exit(0);
}

}  // namespace

int main() {
  return run();
}
