#include "tests/integration/harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/child.h"

namespace alos::test {
namespace {

namespace fs = std::filesystem;

// An ordinary user for tests that run as root: no account is needed, only an id that is nobody's.
constexpr uid_t kOrdinary = 61'983;

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

const std::vector<std::string>& hard_to_hold() {
  static const std::vector<std::string> limits{"memory", "cpus", "cpu-time"};
  return limits;
}

}  // namespace

std::string name(Mode mode) {
  return mode == Mode::root ? "root" : "rootless";
}

const nlohmann::json& Outcome::end() const {
  static const nlohmann::json none = nlohmann::json::object();
  return events.empty() ? none : events.back();
}

std::string World::programs() {
  const char* given = ::getenv("ALOS_PROGRAMS");
  return given ? given : ALOS_PROGRAMS_DIRECTORY;
}

std::string World::unavailable(Mode mode) {
  if (mode == Mode::root && ::geteuid() != 0) return "needs root";
  if (mode == Mode::rootless && ::geteuid() == 0) {
    // The programs must be reachable for the ordinary user.
    for (fs::path at = programs(); at != at.root_path(); at = at.parent_path()) {
      struct stat st{};
      if (::stat(at.c_str(), &st) != 0 || (st.st_mode & 0001) == 0) return at.string() + " is closed to ordinary users";
    }
  }
  return "";
}

World::World(Mode mode) : mode_(mode) {
  uid_ = mode == Mode::root ? 0 : ::geteuid() == 0 ? kOrdinary : ::geteuid();
  char name[] = "/var/tmp/alos-test-XXXXXX";
  if (!::mkdtemp(name)) throw std::runtime_error("mkdtemp");
  root_ = name;
  own(root_);
  ::chmod(root_.c_str(), 0755);
  workspace_ = root_ + "/workspace";
  for (const std::string& dir : {workspace_, root_ + "/home"}) {
    fs::create_directory(dir);
    own(dir);
  }
}

World::~World() {
  std::error_code ignored;
  // Modes that a box's files may have do not keep root out; as an ordinary user they are opened first.
  if (::geteuid() != 0)
    ::nftw(
        root_.c_str(),
        [](const char* path, const struct stat*, int type, FTW*) {
          if (type == FTW_D || type == FTW_DNR) ::chmod(path, 0700);
          return 0;
        },
        32, FTW_PHYS);
  fs::remove_all(root_, ignored);
}

void World::own(const std::string& path) const {
  if (::geteuid() == 0 && ::lchown(path.c_str(), uid_, uid_) != 0) throw std::runtime_error("chown " + path);
}

std::string World::at(const std::string& path) const {
  return path.starts_with('/') ? path : workspace_ + "/" + path;
}

void World::write(const std::string& path, const std::string& content, mode_t file_mode) const {
  const fs::path file = at(path);
  for (fs::path dir = file.parent_path(); !fs::exists(dir);) {
    fs::path top = dir;
    while (!fs::exists(top.parent_path())) top = top.parent_path();
    fs::create_directory(top);
    own(top);
  }
  std::ofstream(file, std::ios::binary) << content;
  ::chmod(file.c_str(), file_mode);
  own(file);
}

std::string World::read(const std::string& path) const {
  return slurp(at(path));
}

bool World::exists(const std::string& path) const {
  struct stat st{};
  return ::lstat(at(path).c_str(), &st) == 0;
}

std::string World::policy(const std::string& name, const std::string& yaml) const {
  const std::string path = root_ + "/policies/" + name + ".yaml";
  write(path, yaml);
  return path;
}

// What a child of ours becomes, made before the fork: a test may have threads, and a child of such a process must not
// allocate.
struct World::Command {
  std::vector<std::string> words, variables{};
  std::vector<char*> argv{}, envp{};
  std::string cwd;
  uid_t uid;

  [[noreturn]] void exec() const {
    if (::geteuid() == 0 && uid != 0) {
      ::setgroups(0, nullptr);
      if (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0) ::_exit(200);
    }
    if (::chdir(cwd.c_str()) != 0) ::_exit(201);
    // As from a shell's foreground: one that starts these tests in its background has them ignore the terminal's.
    for (const int ignored : {SIGPIPE, SIGINT, SIGQUIT}) ::signal(ignored, SIG_DFL);
    // Nothing of the test's own may be inherited, or the box would be blamed for it.
    ::syscall(SYS_close_range, 3, ~0U, 0);
    environ = const_cast<char**>(envp.data());  // execvp searches the PATH of this one
    ::execvp(argv[0], argv.data());
    ::_exit(202);
  }
};

World::Command World::command(const std::vector<std::string>& argv, const Options& options) const {
  std::map<std::string, std::string> env{{"PATH", programs() + ":/usr/local/bin:/usr/bin:/bin"},
                                         {"HOME", root_ + "/home"},
                                         {"ALOS_STATE_DIR", root_ + "/alos"},
                                         {"LANG", "C.UTF-8"},
                                         {"TERM", "xterm"}};
  for (const char* kept : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "ALOS_FAIL_STEP"})
    if (const char* value = ::getenv(kept)) env[kept] = value;
  for (const auto& [key, value] : options.env) env[key] = value;
  Command made{.words = argv, .cwd = options.cwd.empty() ? workspace_ : options.cwd, .uid = uid_};
  for (const auto& [key, value] : env) made.variables.push_back(key + "=" + value);
  made.argv = sys::pointers_to(made.words);
  made.envp = sys::pointers_to(made.variables);
  return made;
}

Outcome World::call(std::vector<std::string> argv, const Options& options) const {
  int in[2], out[2], err[2];
  if (::pipe2(in, O_CLOEXEC) || ::pipe2(out, O_CLOEXEC) || ::pipe2(err, O_CLOEXEC)) throw std::runtime_error("pipe");
  const Command command = this->command(argv, options);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(err[1], 2);
    command.exec();
  }
  UniqueFd to(in[1]), from_out(out[0]), from_err(err[0]);
  ::close(in[0]), ::close(out[1]), ::close(err[1]);
  Outcome result;
  std::string_view rest = options.input;
  if (rest.empty()) to.reset();
  const auto until = std::chrono::steady_clock::now() + options.timeout;
  bool late = false;
  for (;;) {
    pollfd fds[3] = {{from_out ? from_out.get() : -1, POLLIN, 0},
                     {from_err ? from_err.get() : -1, POLLIN, 0},
                     {to ? to.get() : -1, POLLOUT, 0}};
    if (!from_out && !from_err) break;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0 && !late) {
      late = true;
      ::kill(pid, SIGKILL);
    }
    if (late && left.count() < -5000) break;
    ::poll(fds, 3, 200);
    for (auto& [fd, text, index] :
         {std::tuple<UniqueFd&, std::string&, int>{from_out, result.out, 0}, {from_err, result.err, 1}}) {
      if (!(fds[index].revents & (POLLIN | POLLHUP))) continue;
      char buffer[65536];
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n <= 0)
        fd.reset();
      else
        text.append(buffer, static_cast<size_t>(n));
    }
    if (fds[2].revents & (POLLOUT | POLLERR)) {
      const ssize_t n = ::write(to.get(), rest.data(), std::min<size_t>(rest.size(), 4096));
      if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
      if (n < 0 || rest.empty()) to.reset();
    }
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (late) result.err += "\n(the test ended it: timeout)";
  return result;
}

std::vector<std::string> World::run_arguments(const std::string& policy, const std::vector<std::string>& flags) const {
  std::vector<std::string> argv{"alos", "run", "--policy", policy};
  if (mode_ == Mode::rootless)
    for (const std::string& limit : hard_to_hold()) argv.insert(argv.end(), {"--degrade", limit});
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

Outcome World::run(const std::string& policy, std::vector<std::string> command, const Options& options,
                   std::vector<std::string> flags) const {
  const std::string events = root_ + "/events-" + std::to_string(serial_++);
  flags.insert(flags.end(), {"--events", events});
  auto argv = run_arguments(policy, flags);
  argv.emplace_back("--");
  argv.insert(argv.end(), command.begin(), command.end());
  Outcome result = call(std::move(argv), options);
  std::istringstream lines(slurp(events));
  for (std::string line; std::getline(lines, line);) {
    auto event = nlohmann::json::parse(line, nullptr, false);
    result.events.push_back(event.is_discarded() ? nlohmann::json{{"unreadable", line}} : std::move(event));
  }
  return result;
}

Outcome World::shell(const std::string& policy, const std::string& script, const Options& options,
                     std::vector<std::string> flags) const {
  return run(policy, {"/bin/bash", "-c", script}, options, std::move(flags));
}

World::Running World::start(std::vector<std::string> argv, const Options& options) const {
  int out[2];
  if (::pipe2(out, O_CLOEXEC)) throw std::runtime_error("pipe");
  const Command command = this->command(argv, options);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    command.exec();
  }
  ::close(out[1]);
  return {pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), UniqueFd(out[0])};
}

nlohmann::json info_of(const std::string& run) {
  return {{"v", 1},
          {"id", run},
          {"name", "before"},
          {"policy", "plain"},
          {"policy_hash", ""},
          {"about", ""},
          {"workspace", ""},
          {"workspace_mode", "none"},
          {"argv", {"x"}},
          {"started_ns", 1'000'000'000},
          {"supervisor", 1},
          {"box", 2},
          {"wall_ms", 0},
          {"degraded", nlohmann::json::array()}};
}

bool wait_for(const World::Running& running, const std::string& words) {
  std::string seen;
  char buffer[4096];
  while (seen.find(words) == seen.npos) {
    const ssize_t n = ::read(running.output.get(), buffer, sizeof buffer);
    if (n <= 0) return false;
    seen.append(buffer, static_cast<size_t>(n));
  }
  return true;
}

std::string World::leftovers() const {
  std::string found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    const std::string environ = slurp(entry.path() / "environ");
    if (environ.find(root_) != environ.npos && environ.find("ALOS") != environ.npos)
      found += "process " + pid + " (" + slurp(entry.path() / "comm") + "); ";
  }
  if (slurp("/proc/self/mountinfo").find(root_) != std::string::npos) found += "a mount; ";
  for (const auto& entry : fs::directory_iterator(runtime() + "/runs", ignored))
    found += "run directory " + entry.path().string() + "; ";
  return found;
}

long part() {
  const char* const less = ::getenv("ALOS_TESTS_PART");
  return ALOS_PART * (less != nullptr ? std::max(1L, std::atol(less)) : 1);
}

}  // namespace alos::test
