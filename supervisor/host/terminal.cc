#include "supervisor/host/terminal.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/sys.h"

namespace alos::host {

// 1049 would also put the cursor where it was saved, which after an ordinary run is nowhere.
const std::string_view kNeutral =
    "\x18\x1b\\"                                                          // CAN, ST
    "\x1b[?1047l\x1b[?47l"                                                // the ordinary screen
    "\x1b[?9l\x1b[?1000l\x1b[?1001l\x1b[?1002l\x1b[?1003l"                // mouse
    "\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l"                        // and its forms
    "\x1b[?1004l\x1b[?2004l\x1b[?2026l\x1b[?2031l\x1b[?2048l\x1b[?9001l"  // focus, pastes, drawing, reports
    "\x1b[>4;0m\x1b[=0;1u"                                                // keyboard protocols
    "\x1b[!p\x1b[?5l\x1b[?7h\x1b[20l\x1b[0m\x0f\x1b(B";                   // modes, colours, character set

Terminal::Terminal() {
  termios modes{};
  if (::tcgetattr(STDIN_FILENO, &modes) == 0) modes_ = modes;
}

void Terminal::restore() const {
  // In the background the terminal is somebody else's.
  if (!modes_ || ::tcgetpgrp(STDIN_FILENO) != ::getpgrp()) return;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &*modes_);
  const char* type = ::getenv("TERM");
  pollfd room{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  const bool understands = type && std::string_view(type) != "dumb" && ::isatty(STDERR_FILENO);
  if (understands && ::poll(&room, 1, 1000) == 1) (void)sys::write_all(STDERR_FILENO, kNeutral);
  ::tcflush(STDIN_FILENO, TCIFLUSH);
}

bool Terminal::has_person() {
  return ::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO);
}

std::optional<std::string> Terminal::ask(const std::string& question) const {
  std::fflush(stdout);  // what the question is about
  restore();
  (void)sys::write_all(STDERR_FILENO, question);
  char line[64];
  const auto before = ::signal(SIGINT, SIG_DFL);
  const bool read = std::fgets(line, sizeof line, stdin) != nullptr;
  ::signal(SIGINT, before);
  if (!read) return std::nullopt;
  std::string answer = line;
  if (answer.ends_with('\n')) answer.pop_back();
  return answer;
}

}  // namespace alos::host
