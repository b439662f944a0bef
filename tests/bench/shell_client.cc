// In a box, for shell_bench: for each byte of standard input one shell.run of true; says how many microseconds it took,
// or "failed".

#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "shim/client/client.h"

namespace {

double now_us() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

}  // namespace

int main() {
  auto client = alos::client::Client::connect();
  if (!client) return 1;
  alos::wire::ShellRun call;
  call.add_argv("/usr/bin/true");
  for (char one = 0; ::read(0, &one, 1) == 1;) {
    const double begun = now_us();
    auto done = client->shell_run(call);
    const double took = now_us() - begun;
    if (done && done->result.code() == 0)
      std::printf("%.1f\n", took);
    else
      std::puts("failed");
    std::fflush(stdout);
  }
  return 0;
}
