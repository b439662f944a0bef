#include "supervisor/cli/main.h"

#include <fcntl.h>
#include <string.h>

#include <cerrno>
#include <cstdio>
#include <exception>

#include "base/print.h"

namespace alos::cli {
namespace {

constexpr int kCannotTell = 3;

// A file that is opened later would have the number of a closed stream, and be written to in its place: the audit log,
// a file of the workspace. Opened the wrong way round, so that using it fails as on the closed one (EBADF).
void open_closed_streams() {
  for (const int fd : {0, 1, 2})
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int guarded(std::string_view name, int argc, char** argv, int (*body)(int, char**)) {
  try {
    return body(argc, argv);
  } catch (const std::exception& error) {  // of fmt, CLI11, nlohmann json or the standard library: a full disk, memory
    if (!std::ferror(stdout)) alos::print_error("{}: {}\n", name, error.what());
    return kCannotTell;
  }
}

}  // namespace

int guarded_main(std::string_view name, int argc, char** argv, int (*body)(int, char**)) {
  open_closed_streams();
  const int code = guarded(name, argc, argv, body);
  errno = 0;
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
  const int why = errno;  // none when it was lost earlier, and what is left could be written
  alos::print_error("{}: cannot write to standard output{}{}\n", name, why ? ": " : "",
                    why ? strerrordesc_np(why) : "");
  return kCannotTell;
}

}  // namespace alos::cli
