#include "alos/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/unique_fd.h"

namespace alos::kit {
namespace {

namespace fs = std::filesystem;

std::string program() {
  const char* const given = ::getenv("ALOS_PROGRAM");
  return given ? given : "alos";
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::vector<std::string> with_workspace(std::vector<std::string> words, const std::string& directory) {
  words.insert(words.end(), {"--workspace", directory});
  return words;
}

int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A child of this process, which goes on once `pidfd` is there to end it by. As fork(2): 0 in the child.
pid_t fork_held(UniqueFd& pidfd) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    write_end.reset();
    char word = 0;
    ssize_t n = 0;
    while ((n = ::read(read_end.get(), &word, 1)) < 0 && errno == EINTR) {
    }
    if (n != 1) ::_exit(125);
  } else if (pid > 0) {
    pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pidfd && ::write(write_end.get(), "", 1) == 1) return pid;
    const int error = errno;
    write_end.reset();
    reap(pid);
    errno = error;
    return -1;
  }
  return pid;
}

// Waits so long, then asks alos to end the run at once (SIGRTMIN), and after a while ends alos itself.
int wait_for(pid_t pid, const UniqueFd& pidfd, std::chrono::seconds timeout, bool& late) {
  pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  const auto within = [&](std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (auto left = time; left.count() >= 0;
         left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now())) {
      const int found = ::poll(&ended, 1, static_cast<int>(left.count()));
      if (found >= 0 || errno != EINTR) return found == 1;  // a signal of the test's own is no time that has passed
    }
    return false;
  };
  late = !within(timeout);
  const auto tell = [&](int signal) { ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0); };
  if (late) tell(SIGRTMIN);
  if (late && !within(std::chrono::seconds(15))) tell(SIGKILL);
  return reap(pid);
}

// Modes that a layer's directories may have keep their own user out.
void remove(const std::string& directory) {
  std::error_code ignored;
  if (::geteuid() != 0) {
    std::vector<fs::path> left{directory};
    while (!left.empty()) {
      const fs::path at = std::move(left.back());
      left.pop_back();
      fs::permissions(at, fs::perms::owner_all, ignored);
      for (const auto& entry : fs::directory_iterator(at, ignored))
        if (!entry.is_symlink(ignored) && entry.is_directory(ignored)) left.push_back(entry.path());
    }
  }
  fs::remove_all(directory, ignored);
}

// Why what was denied is not known, by one of the events; empty: by this one it is.
std::string not_told(const nlohmann::json& event) {
  if (!event.is_object()) return "a line of its events is torn";
  if (event.value("calls_unknown", false)) return "a broker of it ended before it had said everything";
  if (event.contains("dropped")) return "lines of its events could not be written";
  return "";
}

// Why it is not known what was denied; empty: it is.
std::string read_events(const std::string& path, Result& out) {
  std::istringstream lines(read(path));
  std::string why, last;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    out.events.push_back(line);
    const auto event = nlohmann::json::parse(line, nullptr, false);
    if (why.empty()) why = not_told(event);
    if (!event.is_object()) continue;
    last = event.value("event", "");
    if (last != "denied") continue;
    out.denied.push_back(
        {event.value("request", ""), event.value("rule", ""), event.value("source", ""), event.value("reason", "")});
  }
  if (why.empty() && last != "end") why = "its events have no end";
  return why;
}

}  // namespace

Box::Box(std::string policy, Settings settings) : policy_(std::move(policy)), settings_(std::move(settings)) {
  char base[] = "/tmp/alos-box-XXXXXX";
  if (!::mkdtemp(base)) return;  // every run says so
  base_ = base;
  ::chmod(base, 0711);  // as root others than root must be able to pass through
  workspace_ = settings_.workspace.empty() ? base_ + "/workspace" : settings_.workspace;
  ::mkdir(workspace_.c_str(), 0755);
  if (policy_.find('\n') != policy_.npos) {
    write(base_ + "/policy.yaml", policy_);
    policy_ = base_ + "/policy.yaml";
  }
  if (settings_.script.starts_with('[')) {
    write(base_ + "/script.json", settings_.script);
    settings_.script = base_ + "/script.json";
  } else if (!settings_.script.empty()) {
    settings_.script = fs::absolute(settings_.script);
  }
  // An array of names; what cannot be told is left to the run to refuse.
  const auto found = nlohmann::json::parse(call({"doctor", "--json"}, "").out, nullptr, false);
  if (found.is_object() && found.contains("degrade"))
    for (const auto& limit : found["degrade"]) settings_.degrade.push_back(limit.get<std::string>());
}

Box::~Box() {
  if (!base_.empty()) remove(base_);
}

Result Box::run(const std::vector<std::string>& argv, const std::string& input, const std::vector<std::string>& flags) {
  const std::string events = base_ + "/events";
  std::vector<std::string> words{"run", "--policy", policy_, "--events", events};
  if (!settings_.workspace.empty()) words = with_workspace(std::move(words), workspace_);
  for (const auto& [name, value] : settings_.vars) words.insert(words.end(), {"--var", name + "=" + value});
  for (const std::string& limit : settings_.degrade) words.insert(words.end(), {"--degrade", limit});
  if (settings_.virtual_clock) words.insert(words.end(), {"--clock", "virtual"});
  if (!settings_.script.empty()) words.insert(words.end(), {"--script", settings_.script});
  words.insert(words.end(), flags.begin(), flags.end());
  words.emplace_back("--");
  words.insert(words.end(), argv.begin(), argv.end());
  ::unlink(events.c_str());
  Result out = call(std::move(words), input);
  const std::string why = read_events(events, out);
  const bool executed = !out.events.empty() && out.events.back().find("\"executed\":true") != std::string::npos;
  if (!out.error.empty()) return out;
  if (out.code == 125 && !executed)
    out.error = out.err;
  else if (!why.empty())
    out.error = "what this run denied is not known: " + why;
  return out;
}

std::vector<std::pair<std::string, std::string>> Box::written() {
  const Result told = call(with_workspace({"diff", "--json"}, workspace_), "");
  const auto found = nlohmann::json::parse(told.out, nullptr, false);
  const bool is_known = told.error.empty() && (told.code == 0 || told.code == 1) && found.is_object();
  if (!is_known) return {{"error", told.error.empty() ? told.err : told.error}};
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& change : found.value("changes", nlohmann::json::array()))
    out.emplace_back(change.value("kind", ""), change.value("path", ""));
  return out;
}

void Box::undo() {
  call(with_workspace({"undo", "--yes"}, workspace_), "");
}

// Streams go by files: nothing waits for anything.
Result Box::call(std::vector<std::string> words, const std::string& input) {
  Result out;
  words.insert(words.begin(), program());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string streams[] = {base_ + "/in", base_ + "/out", base_ + "/err"};
  write(streams[0], input);
  const std::string state = base_ + "/alos";
  UniqueFd pidfd;
  const pid_t pid = base_.empty() ? -1 : fork_held(pidfd);
  if (pid < 0) {
    out.error = std::string("no box for a test: ") + std::strerror(errno);
    return out;
  }
  if (pid == 0) {
    for (int fd = 0; fd < 3; ++fd) {
      const int file = ::open(streams[fd].c_str(), fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (file < 0 || (file != fd && ::dup2(file, fd) < 0)) ::_exit(125);
    }
    if (::chdir(workspace_.c_str()) != 0) {
      ::dprintf(2, "chdir %s: %s\n", workspace_.c_str(), std::strerror(errno));
      ::_exit(125);
    }
    if (::setenv("ALOS_STATE_DIR", state.c_str(), 1) != 0) ::_exit(125);
    ::syscall(SYS_close_range, 3, ~0U, 0);
    ::execvp(argv[0], argv.data());
    ::dprintf(2, "%s: %s; ALOS_PROGRAM names another\n", argv[0], std::strerror(errno));
    ::_exit(125);
  }
  bool late = false;
  out.code = wait_for(pid, pidfd, settings_.timeout, late);
  out.out = read(streams[1]);
  out.err = read(streams[2]);
  if (late) out.error = "it took longer than the test allows, and was ended\n" + out.err;
  return out;
}

}  // namespace alos::kit
