#include "base/find_program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace alos {
namespace {

bool can_execute(const char* path) {
  struct stat st{};
  return ::stat(path, &st) == 0 && S_ISREG(st.st_mode) && ::access(path, X_OK) == 0;
}

bool names_program(std::string_view directory, std::string_view program, char (&found)[PATH_MAX]) {
  if (directory.size() + 1 + program.size() >= sizeof found) return false;
  char* end = std::ranges::copy(directory, found).out;
  if (!directory.empty()) *end++ = '/';
  *std::ranges::copy(program, end).out = '\0';
  return can_execute(found);
}

}  // namespace

bool find_program(std::string_view program, std::string_view path, char (&found)[PATH_MAX]) {
  if (program.find('/') != program.npos) return names_program("", program, found);
  for (;;) {
    const size_t end = std::min(path.find(':'), path.size());
    const std::string_view directory = path.substr(0, end);
    if (names_program(directory.empty() ? "." : directory, program, found)) return true;
    if (end == path.size()) return false;
    path.remove_prefix(end + 1);
  }
}

}  // namespace alos
