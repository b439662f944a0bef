// Threat 47: what confines the box: its policy, audit log, state, layer, cache and programs, and its process 1. The
// mark is what the host looks for; programs are opened for writing and never written, should that be possible.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

constexpr std::string_view kMark = "alos-escape-mark";

std::string policy() {
  return target("ESCAPE_POLICY");
}
std::string state() {
  return target("ESCAPE_STATE");
}
std::string programs() {
  return target("ESCAPE_PROGRAMS");
}

Outcome write_mark(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0644);
  if (fd < 0) return stopped_by_errno("open " + path);
  const bool written = ::write(fd, kMark.data(), kMark.size()) == static_cast<ssize_t>(kMark.size());
  ::close(fd);
  return written ? left("marked " + path) : stopped_by_errno("write " + path);
}

// Marks the regular files of a tree; what stood in the way at its top, if nothing could be marked.
Outcome mark_below(const std::string& directory) {
  DIR* all = ::opendir(directory.c_str());
  if (!all) return stopped_by_errno("open " + directory);
  Outcome outcome = stopped("nothing to mark in " + directory);
  while (const dirent* entry = ::readdir(all)) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    const std::string path = directory + "/" + entry->d_name;
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0 || S_ISLNK(st.st_mode)) continue;
    Outcome one = S_ISDIR(st.st_mode) ? mark_below(path) : write_mark(path, 0);
    if (outcome.verdict != Outcome::Verdict::left) outcome = std::move(one);
  }
  ::closedir(all);
  return outcome;
}

Outcome replace_policy() {
  const std::string other = policy() + ".new";
  Outcome made = write_mark(other, O_CREAT);
  if (made.verdict != Outcome::Verdict::left) return made;
  if (::rename(other.c_str(), policy().c_str()) != 0) return stopped_by_errno("rename");
  return left("replaced " + policy());
}

Outcome open_programs() {
  DIR* all = ::opendir(programs().c_str());
  if (!all) return stopped_by_errno("open " + programs());
  Outcome outcome = stopped("no program there");
  while (const dirent* entry = ::readdir(all)) {
    if (entry->d_type != DT_REG) continue;
    const std::string path = programs() + "/" + entry->d_name;
    const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    outcome = fd < 0 ? stopped_by_errno("open " + path) : escaped("opened " + path + " for writing");
    if (fd >= 0) break;
  }
  ::closedir(all);
  return outcome;
}

Outcome put_state_away() {
  if (::rename(state().c_str(), (state() + "-gone").c_str()) != 0) return stopped_by_errno("rename " + state());
  return left("renamed " + state());
}

// Its socket to the supervisor would let anybody speak as the box itself.
Outcome descriptor_of_process_1() {
  const long process = ::syscall(SYS_pidfd_open, 1, 0);
  if (process < 0) return stopped_by_errno("pidfd_open");
  for (const int number : {3, 0})
    if (const long fd = ::syscall(SYS_pidfd_getfd, process, number, 0); fd >= 0)
      return escaped("took descriptor " + std::to_string(number) + " of process 1");
  return stopped_by_errno("pidfd_getfd");
}

Outcome memory_of_process_1() {
  const int fd = ::open("/proc/1/mem", O_RDWR | O_CLOEXEC);
  return judge_call(fd, "open /proc/1/mem", "opened the memory of process 1 for writing");
}

constexpr Attempt kAttempts[] = {
    {"47.a", "edit the policy", [] { return write_mark(policy(), 0); }},
    {"47.b", "put another policy in its place", replace_policy},
    {"47.c", "edit the audit log", [] { return mark_below(state() + "/audit"); }},
    {"47.d", "edit the layer", [] { return mark_below(state() + "/layers"); }},
    {"47.e", "edit the compiled policy", [] { return mark_below(target("ESCAPE_CACHE")); }},
    {"47.f", "open the programs that confine it for writing", open_programs},
    {"47.g", "put a program beside them", [] { return write_mark(programs() + "/" + std::string(kMark), O_CREAT); }},
    {"47.h", "rename the state away", put_state_away},
    {"47.i", "take a descriptor of its process 1", descriptor_of_process_1},
    {"47.j", "write the memory of its process 1", memory_of_process_1},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
