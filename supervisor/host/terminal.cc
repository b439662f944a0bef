#include "supervisor/host/terminal.h"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

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

}  // namespace alos::host
