#include "tests/escape/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <span>
#include <sstream>
#include <stdexcept>

#include "base/child.h"
#include "base/sys.h"
#include "supervisor/box/seccomp.h"

namespace alos::escape {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::vector<std::string> words(std::string_view text, const Host& host) {
  std::vector<std::string> all;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word; all.push_back(word)) {
    if (word == "{workspace}") word = host.workspace();
    if (word == "{home}") word = host.path("home");
  }
  return all;
}

std::vector<std::string> command(const Sandbox& sandbox, const Row& row, const Host& host) {
  std::vector<std::string> all = sandbox.prefix(row, host);
  all.push_back(host.install(std::string(row.payload)));
  for (const std::string& target : host.targets()) all.push_back(target);
  // The later one of a name counts.
  if (sandbox.targets)
    for (std::string& target : sandbox.targets(row, host)) all.push_back(std::move(target));
  all.push_back("ESCAPE_LIMIT=" + std::to_string(row.how.limit));
  all.emplace_back(row.attempt);
  return all;
}

// In the child, before exec: without allocating, for the host's services are a thread of this process, whatever locks
// it held at fork.
[[noreturn]] void become_the_starter(char* const* argv, const char* workspace, std::span<const int> careless, uid_t uid,
                                     int output, int terminal) {
  ::setsid();
  const int input = terminal >= 0 ? terminal : ::open("/dev/null", O_RDONLY);
  if (terminal >= 0) ::ioctl(terminal, TIOCSCTTY, 0);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  for (const int fd : careless) ::fcntl(fd, F_SETFD, 0);
  const bool good = ::chdir(workspace) == 0 &&
                    (uid == ::geteuid() || (::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0));
  if (good) ::execvp(argv[0], argv);
  ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], ::strerror(errno));
  ::_exit(127);
}

struct Spoken {
  std::string before, after;  // the end of the sandbox
};

// Reads until everybody has closed the output, or `patience` after the end of the sandbox.
Spoken listen(int output, pid_t child) {
  constexpr milliseconds kLimit{20'000}, kPatience{2'500};
  Spoken spoken;
  const UniqueFd pidfd = std::move(*sys::pidfd_open(child));
  auto deadline = Clock::now() + kLimit;
  bool ended = false, open = true;
  while (!ended || open) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
    pollfd both[] = {{open ? output : -1, POLLIN, 0}, {ended ? -1 : pidfd.get(), POLLIN, 0}};
    if (left <= 0 || ::poll(both, 2, static_cast<int>(left)) <= 0) {
      if (ended) break;
      (void)sys::pidfd_signal(pidfd.get(), SIGKILL);
      spoken.before += "(ended by the test after 20 s)\n";
      deadline = Clock::now() + kPatience;
    }
    if (both[0].revents != 0) {
      char bytes[4096];
      const ssize_t n = ::read(output, bytes, sizeof bytes);
      open = n > 0;
      if (n > 0) (ended ? spoken.after : spoken.before).append(bytes, static_cast<size_t>(n));
    } else if (both[1].revents != 0) {
      ended = true;
      ::waitpid(child, nullptr, 0);
      deadline = Clock::now() + kPatience;
    }
  }
  return spoken;
}

bool proven(const Row& row, const Host& host, const Outcome& outcome) {
  switch (row.how.proof) {
    case Proof::said:
      return outcome.line.contains("-> escaped ");
    case Proof::left:
      return host.left_behind(std::string(row.how.place));
    case Proof::file_changed:
      return host.victim_file_changed();
    case Proof::signalled:
      return host.victim_was_signalled();
    case Proof::datagram:
      ::usleep(100'000);
      return host.a_datagram_arrived();
    case Proof::alive:
      return outcome.spoke_after_the_end;
    case Proof::marked:
      return host.own_files_marked();
  }
  return true;
}

}  // namespace

Sandbox plain_bwrap() {
  return {.name = "bwrap",
          .prefix =
              [](const Row& row, const Host& host) {
                host.pretend_own_files();
                std::vector<std::string> all{"bwrap"};
                for (std::string& word : words(row.how.bwrap, host)) all.push_back(std::move(word));
                return all;
              },
          .expected = [](const Row& row) { return row.plain; }};
}

Sandbox bwrap_with_filter() {
  // bwrap --seccomp reads the bare program from a descriptor.
  const auto filter = seccomp::export_filter({.internet = seccomp::Internet::allowed});
  if (!filter) throw std::runtime_error(filter.error().text());
  const std::string_view bytes(reinterpret_cast<const char*>(filter->data()), filter->size() * sizeof(sock_filter));
  const auto file = std::make_shared<UniqueFd>(std::move(*sys::memfd("filter", bytes, true)));
  Sandbox sandbox = plain_bwrap();
  sandbox.name = "bwrap_with_filter";
  sandbox.prefix = [plain = sandbox.prefix, file](const Row& row, const Host& host) {
    ::lseek(file->get(), 0, SEEK_SET);
    ::fcntl(file->get(), F_SETFD, 0);
    std::vector<std::string> all = plain(row, host);
    all.insert(all.end(), {"--seccomp", std::to_string(file->get())});
    return all;
  };
  sandbox.expected = [](const Row&) { return Plain::stopped; };
  return sandbox;
}

Outcome run(const Sandbox& sandbox, const Row& row, Host& host) {
  std::vector<std::string> all = command(sandbox, row, host);
  const std::vector<char*> argv = sys::pointers_to(all);
  sys::Pair output = std::move(*sys::pipe());
  UniqueFd master, slave;
  if (row.how.terminal == Terminal::yes) {
    int a = -1, b = -1;
    if (::openpty(&a, &b, nullptr, nullptr, nullptr) != 0) throw std::runtime_error("openpty");
    master.reset(a);
    slave.reset(b);
    // The sandbox's user opens it again by /dev/tty.
    if (::fchown(b, host.uid(), static_cast<gid_t>(-1)) != 0) throw std::runtime_error("fchown");
    ::fcntl(a, F_SETFD, FD_CLOEXEC);
    ::fcntl(b, F_SETFD, FD_CLOEXEC);
  }
  const std::string workspace = host.workspace();
  const std::span<const int> careless =
      row.how.careless == Careless::yes ? std::span<const int>(host.careless_descriptors()) : std::span<const int>();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) become_the_starter(argv.data(), workspace.c_str(), careless, host.uid(), output.b.get(), slave.get());
  output.b.reset();
  slave.reset();
  const Spoken spoken = listen(output.a.get(), child);
  Outcome outcome;
  outcome.spoke_after_the_end = spoken.after.contains("ALIVE");
  std::istringstream lines(spoken.before + spoken.after);
  for (std::string line; std::getline(lines, line);)
    (line.starts_with("ATTEMPT ") ? outcome.line : outcome.output) += line + "\n";
  outcome.escaped = proven(row, host, outcome);
  return outcome;
}

}  // namespace alos::escape
