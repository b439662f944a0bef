// alos-init: process 1 of every box. Starts the program when the supervisor says so, forwards signals, reaps, reports
// the program's end once, and is the end of the box: when process 1 of a pid namespace goes, everything in it is killed
// (pid_namespaces(7)). It goes when the program ends and when its socket to the supervisor closes.
//
//   alos-init FLAGS PROGRAM NAME [ARG...]     FLAGS: 't' a pty is among 0 to 2, 'n' descriptor 4 notifies renames;
//                                             PROGRAM is executed with the words from NAME on

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/find_program.h"
#include "base/unique_fd.h"
#include "shim/init/protocol.h"
#include "shim/init/rename.h"

namespace alos::init {
namespace {

constexpr int kControl = 3;
constexpr int kNotify = 4;

void tell(Report::Kind kind, int value) {
  const Report report{.kind = kind, .value = value};
  ::send(kControl, &report, sizeof report, MSG_NOSIGNAL);
}

// False at the end of the supervisor, or when it says something that init does not know.
bool receive(Order& order) {
  return ::recv(kControl, &order, sizeof order, 0) == sizeof order;
}

// The file that execvp(3) would have started, whatever it then lacked.
bool is_there(const char* program) {
  const char* path = ::getenv("PATH");
  char found[PATH_MAX];
  return find_program(program, path ? path : "/bin:/usr/bin", found);
}

// `words`: the file to execute, then its argv.
[[noreturn]] void become_program(char** words, bool terminal, int failure) {
  ::setsid();
  // The controlling terminal: of a session leader that has none (tty_ioctl(4)).
  if (terminal)
    for (int fd = 0; fd < 3; ++fd)
      if (::isatty(fd) && ::ioctl(fd, TIOCSCTTY, 0) == 0) break;
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGXFSZ, SIG_IGN);  // a file that is too large is told by EFBIG, and ends nobody
  ::umask(022);
  ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  ::execvp(words[0], words + 1);
  const int error = errno == ENOENT && is_there(words[0]) ? ELIBACC : errno;
  [[maybe_unused]] const ssize_t n = ::write(failure, &error, sizeof error);
  ::_exit(error == ENOENT ? 127 : 126);
}

// The program's pid, or 0 when it could not be executed and that was reported.
pid_t start(char** words, bool terminal) {
  int gate[2];
  if (::pipe2(gate, O_CLOEXEC) != 0) return tell(Report::Kind::not_started, errno), 0;
  UniqueFd read_end(gate[0]);
  UniqueFd write_end(gate[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return tell(Report::Kind::not_started, errno), 0;
  if (pid == 0) {
    ::close(kControl);
    ::close(kNotify);
    become_program(words, terminal, write_end.get());
  }
  write_end.reset();
  int error = 0;
  if (::read(read_end.get(), &error, sizeof error) == sizeof error) return tell(Report::Kind::not_started, error), 0;
  tell(Report::Kind::started, pid);
  return pid;
}

// False when the program has ended.
bool reap(pid_t program) {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
    if (pid <= 0) return true;
    if (pid != program) continue;
    if (WIFSTOPPED(status)) {
      tell(Report::Kind::stopped, WSTOPSIG(status));
    } else if (WIFCONTINUED(status)) {
      tell(Report::Kind::continued, 0);
    } else {
      tell(Report::Kind::ended, status);
      return false;
    }
  }
}

void run(char** words, bool terminal, std::optional<RenameHelper> renames) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  const UniqueFd signals(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));

  Order order;
  if (!receive(order) || order.kind != Order::Kind::go) return;
  // Notifications first: the program's own start could rename nothing, but its loader must never wait for nobody.
  const pid_t program = start(words, terminal);
  if (program == 0) return;
  for (;;) {
    pollfd fds[3] = {{.fd = kControl, .events = POLLIN, .revents = 0},
                     {.fd = signals.get(), .events = POLLIN, .revents = 0},
                     {.fd = renames ? renames->listener() : -1, .events = POLLIN, .revents = 0}};
    if (::poll(fds, 3, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) {
      signalfd_siginfo info;
      while (::read(signals.get(), &info, sizeof info) == sizeof info) {
      }
      if (!reap(program)) return;
    }
    if (fds[0].revents != 0) {
      if (!receive(order)) return;
      if (order.kind == Order::Kind::signal) ::killpg(program, order.value);
      // None is missed: a fork that meets it is started anew once the signal was taken (kill(2), kernel/fork.c).
      if (order.kind == Order::Kind::signal_all) ::kill(-1, order.value);
    }
    if ((fds[2].revents & POLLIN) != 0)
      renames->serve();
    else if (fds[2].revents != 0)
      renames.reset();  // nobody is left whom the filter governs
  }
}

}  // namespace
}  // namespace alos::init

int main(int argc, char** argv) {
  // Out of reach of the agent, which has the same uid: /proc/1 belongs to root then, and nobody may trace it (proc(5)).
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (argc < 4) return 125;
  ::fcntl(alos::init::kControl, F_SETFD, FD_CLOEXEC);
  const bool terminal = argv[1][0] == 't';
  std::optional<alos::init::RenameHelper> renames;
  if (argv[1][0] != '\0' && argv[1][1] == 'n') {
    ::fcntl(alos::init::kNotify, F_SETFD, FD_CLOEXEC);
    renames.emplace(alos::init::kNotify);
  }
  alos::init::run(argv + 2, terminal, std::move(renames));
  return 0;
}
