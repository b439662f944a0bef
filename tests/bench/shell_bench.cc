// shell_bench [ROUNDS]: a shell.run of true by an agent in its box, with everything that belongs to it, beside the
// least that a box can cost and beside true alone, which is a dynamic program; interleaved in one run, the order drawn
// anew each round. Only the ratios mean anything on a machine that others use.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/child.h"
#include "base/sys.h"

namespace {

namespace fs = std::filesystem;
using alos::UniqueFd;

double now_us() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "shell_bench: {}\n", why);
  std::exit(1);
}

// Microseconds from fork to the end.
double whole(std::vector<std::string> words) {
  const std::vector<char*> argv = alos::sys::pointers_to(words);
  const double begun = now_us();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(98);
  }
  const auto status = alos::sys::wait_for(pid);
  if (!status || !WIFEXITED(*status) || WEXITSTATUS(*status) != 0) give_up(words[0] + " failed");
  return now_us() - begun;
}

// An agent in a box of the policy coding, told by a pipe.
class Agent {
 public:
  Agent() {
    char name[] = "/var/tmp/alos-bench-XXXXXX";
    if (!::mkdtemp(name)) give_up("mkdtemp");
    root_ = name;
    ::chmod(name, 0755);
    fs::create_directory(root_ + "/work");
    fs::copy_file(ALOS_SHELL_CLIENT, root_ + "/work/client");
    auto in = alos::sys::pipe(), out = alos::sys::pipe();
    if (!in || !out) give_up("pipe");
    std::vector<std::string> words{ALOS_PROGRAMS_DIRECTORY "/alos",
                                   "run",
                                   "--policy",
                                   "coding",
                                   "--workspace",
                                   root_ + "/work",
                                   "--degrade",
                                   "memory,cpus,cpu-time",
                                   "--",
                                   root_ + "/work/client"};
    std::vector<std::string> environment{"PATH=/usr/bin:/bin", "HOME=" + root_, "ALOS_STATE_DIR=" + root_ + "/alos"};
    const std::vector<char*> argv = alos::sys::pointers_to(words), envp = alos::sys::pointers_to(environment);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in->a.get(), 0);
      ::dup2(out->b.get(), 1);
      ::execve(argv[0], argv.data(), envp.data());
      ::_exit(98);
    }
    to_ = std::move(in->b);
    from_ = std::move(out->a);
  }
  ~Agent() {
    to_.reset();
    (void)alos::sys::wait_for(pid_);
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  double shell_run() {
    if (::write(to_.get(), "x", 1) != 1) give_up("the agent is gone");
    std::string line;
    for (char one = 0; ::read(from_.get(), &one, 1) == 1 && one != '\n';) line.push_back(one);
    if (line.empty() || line == "failed") give_up("shell.run failed");
    return std::stod(line);
  }

 private:
  std::string root_;
  pid_t pid_ = -1;
  UniqueFd to_, from_;
};

struct Contender {
  std::string name;
  std::function<double()> once;
  std::vector<double> took{};
  double at(double share) const { return took[static_cast<size_t>(share * static_cast<double>(took.size() - 1))]; }
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 200;
  const std::string floors = ALOS_FLOORS_DIRECTORY, yes = "/usr/bin/true";
  Agent agent;
  std::vector<Contender> all{{"true", [&] { return whole({yes}); }},
                             {"floor: one shot", [&] { return whole({floors + "/floor_oneshot", yes}); }},
                             {"floor: minimal box", [&] { return whole({floors + "/floor_minimal_box", yes}); }},
                             {"shell.run", [&] { return agent.shell_run(); }}};
  for (Contender& one : all) one.once();
  std::mt19937 order(static_cast<unsigned>(::getpid()));
  std::vector<Contender*> turn;
  for (Contender& one : all) turn.push_back(&one);
  for (int round = 0; round < rounds; ++round) {
    std::ranges::shuffle(turn, order);
    for (Contender* one : turn) one->took.push_back(one->once());
  }
  for (Contender& one : all) std::ranges::sort(one.took);
  const double floor = all[2].at(0.5);
  fmt::print("shell.run of /usr/bin/true, {} rounds, interleaved\n\n{:<22}{:>11}{:>9}{:>9}{:>16}\n", rounds, "",
             "median us", "p10", "p99", "x minimal box");
  for (const Contender& one : all)
    fmt::print("{:<22}{:>11.0f}{:>9.0f}{:>9.0f}{:>16.2f}\n", one.name, one.at(0.5), one.at(0.1), one.at(0.99),
               one.at(0.5) / floor);
  return 0;
}
