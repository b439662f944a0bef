// Threat 27: the same reach by another program: from memory, through the loader, copied, renamed, interpreted. Each
// must meet the walls that the original meets.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <vector>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

// What `exec` prints, judged.
Outcome output_of(void (*exec)()) {
  int ends[2];
  if (::pipe(ends) != 0) return stopped_by_errno("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(5);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    exec();
    ::dprintf(STDOUT_FILENO, "not executed");
    ::_exit(1);
  }
  ::close(ends[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) output.append(buffer, static_cast<size_t>(n));
  int status = 0;
  ::waitpid(child, &status, 0);
  const Outcome outcome = judge_content(output);
  if (outcome.verdict == Outcome::Verdict::escaped) return outcome;
  if (WIFSIGNALED(status)) return stopped(std::string("killed by SIG") + ::sigabbrev_np(WTERMSIG(status)));
  return stopped(output.substr(0, output.find('\n')));
}

void execute(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
}

bool copy(const char* from, int to) {
  const int fd = ::open(from, O_RDONLY | O_CLOEXEC);
  char buffer[65536];
  ssize_t n = -1;
  while (fd >= 0 && (n = ::read(fd, buffer, sizeof buffer)) > 0)
    if (::write(to, buffer, static_cast<size_t>(n)) != n) return false;
  return n == 0;
}

std::string copied(const char* program, const char* name) {
  const std::string path = target("ESCAPE_WORKSPACE") + "/" + name;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (fd < 0 || !copy(program, fd)) ::_exit(1);
  ::close(fd);
  return path;
}

void from_memory() {
  const int program = ::memfd_create("program", 0);
  if (program < 0 || !copy("/bin/cat", program)) return;
  const std::string secret = target("ESCAPE_SECRET");
  char name[] = "cat";
  char* argv[] = {name, const_cast<char*>(secret.c_str()), nullptr};
  char* environment[] = {nullptr};
  ::execveat(program, "", argv, environment, AT_EMPTY_PATH);
}

void by_the_loader() {
  execute({"/lib64/ld-linux-x86-64.so.2", "/bin/cat", target("ESCAPE_SECRET")});
}
void by_a_copy() {
  execute({copied("/bin/cat", "harmless"), target("ESCAPE_SECRET")});
}
void by_an_interpreter() {
  execute({"/bin/sh", "-c", "read line < \"$ESCAPE_SECRET\"; echo \"$line\""});
}

void by_a_script() {
  const std::string path = target("ESCAPE_WORKSPACE") + "/script";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  ::dprintf(fd, "#!/bin/cat %s\n", target("ESCAPE_SECRET").c_str());
  ::close(fd);
  execute({path});
}

// A fresh program image starts with the filters of the old one.
void new_image_unshares() {
  execute(
      {copied("/usr/bin/unshare", "renamed"), "--user", "/bin/echo", std::string(kToken) + "from a user namespace"});
}

constexpr Attempt kAttempts[] = {
    {"27.a", "read the secret by a program in a memfd", [] { return output_of(from_memory); }},
    {"27.b", "read it by the loader run by hand", [] { return output_of(by_the_loader); }},
    {"27.c", "read it by a copied program with another name", [] { return output_of(by_a_copy); }},
    {"27.d", "read it by a shell", [] { return output_of(by_an_interpreter); }},
    {"27.e", "read it by a script's interpreter line", [] { return output_of(by_a_script); }},
    {"27.f", "a refused call by a copied program", [] { return output_of(new_image_unshares); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
