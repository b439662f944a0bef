#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "base/child.h"
#include "base/sys.h"

namespace alos::test {

// A program that a test has started, by its words. Where it takes a shell to say what is meant, they are the shell's.
class Program {
 public:
  explicit Program(std::vector<std::string> words) {
    auto pipe = sys::pipe();
    if (!pipe) throw std::runtime_error(pipe.error().text());
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (const int stream : {1, 2}) ::posix_spawn_file_actions_adddup2(&actions, pipe->b.get(), stream);
    const std::vector<char*> argv = sys::pointers_to(words);
    const int error = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("posix_spawnp " + words[0] + ": " + std::to_string(error));
    streams_ = std::move(pipe->a);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (pid_ > 0) (void)ended();
  }

  // Its standard output and error, as they come.
  const UniqueFd& streams() const { return streams_; }
  std::string rest() const {
    std::string out;
    char buffer[4096];
    for (ssize_t n; (n = ::read(streams_.get(), buffer, sizeof buffer)) > 0;)
      out.append(buffer, static_cast<size_t>(n));
    return out;
  }
  // Its exit code, or 128 and its signal.
  int ended() {
    streams_.reset();
    const int status = sys::wait_for(std::exchange(pid_, -1)).value();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  UniqueFd streams_;
  pid_t pid_ = -1;
};

struct Ran {
  int code;
  std::string out;  // both streams
};

inline Ran run_program(std::vector<std::string> words) {
  Program program(std::move(words));
  std::string out = program.rest();
  return {program.ended(), std::move(out)};
}

inline Ran run_shell(const std::string& script) {
  return run_program({"/bin/sh", "-c", script});
}

}  // namespace alos::test
