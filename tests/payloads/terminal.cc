// Threat 28: typing into the terminal that the sandbox was started from.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

// Pushes one byte and reads it back as the next reader of the terminal, such as the shell outside, would.
Outcome type_into(int terminal, unsigned long request) {
  if (terminal < 0) return stopped_by_errno("open");
  termios settings{};
  if (::tcgetattr(terminal, &settings) != 0) return stopped_by_errno("tcgetattr");
  ::cfmakeraw(&settings);
  settings.c_cc[VMIN] = 0;
  settings.c_cc[VTIME] = 5;
  ::tcsetattr(terminal, TCSANOW, &settings);
  char typed = 'E', got = 0;
  if (::syscall(SYS_ioctl, terminal, request, &typed) != 0) return stopped_by_errno("ioctl");
  return ::read(terminal, &got, 1) == 1 && got == typed ? escaped("typed into the terminal")
                                                        : stopped("nothing arrived");
}

Outcome paste() {
  char paste_selection[2] = {3, 0};  // TIOCL_PASTESEL
  return judge_call(::ioctl(STDIN_FILENO, TIOCLINUX, paste_selection), "ioctl TIOCLINUX", "pasted into the console");
}

Outcome discipline() {
  int plain = 0;  // N_TTY: the one that is already there
  return judge_call(::ioctl(STDIN_FILENO, TIOCSETD, &plain), "ioctl TIOCSETD", "chose a line discipline");
}

constexpr Attempt kAttempts[] = {
    {"28.a", "type by TIOCSTI", [] { return type_into(STDIN_FILENO, TIOCSTI); }},
    {"28.b", "type by TIOCSTI + 2^32", [] { return type_into(STDIN_FILENO, TIOCSTI + (1ul << 32)); }},
    {"28.c", "type by TIOCSTI on /dev/tty", [] { return type_into(::open("/dev/tty", O_RDWR | O_CLOEXEC), TIOCSTI); }},
    {"28.d", "paste by TIOCLINUX", paste},
    {"28.e", "change the line discipline", discipline},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
