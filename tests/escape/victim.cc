// A process of the host that payloads go after: `escape_victim NOTES TOKEN`. The token is in its command line,
// environment and memory, and in the file behind descriptor 9. It prints the token's address, and writes a line to
// NOTES for every SIGUSR1.

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace {
int notes = -1;
void note(int) {
  if (::write(notes, "signalled\n", 10) < 0) ::_exit(1);
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  // Without capabilities a root box may look into it wherever no user namespace stands between: the hardest case.
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct none[2]{};
  ::syscall(SYS_capset, &header, none);
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::setpgid(0, 0);
  notes = ::open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC);
  ::signal(SIGUSR1, note);
  std::printf("%lx\n", reinterpret_cast<unsigned long>(argv[2]));
  std::fflush(stdout);
  for (;;) ::pause();
}
