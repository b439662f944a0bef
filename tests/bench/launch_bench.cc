// launch_bench [ROUNDS]: whole processes from start to end, interleaved in one run, the order drawn anew each round.
// Only the ratios mean anything on a machine that others use. Then where one launch spends its time, by step.

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr uid_t kOrdinary = 61'987;

double now_ms() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) * 1e3 + static_cast<double>(at.tv_nsec) / 1e6;
}

enum class As { caller, ordinary };

struct Contender {
  std::string name;
  std::vector<std::string> argv;
  As as = As::caller;
  std::vector<double> took{};
  int failed = 0;

  double at(double share) const {
    if (took.empty()) return 0;
    std::vector<double> sorted = took;
    std::ranges::sort(sorted);
    return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
  }
};

class Bench {
 public:
  Bench() {
    char name[] = "/var/tmp/alos-bench-XXXXXX";
    if (!::mkdtemp(name)) std::abort();
    root_ = name;
    ::chmod(name, 0755);
    for (const std::string who : {"/root", "/ordinary"})
      for (const std::string dir : {"", "/home", "/work", "/pending"}) {
        fs::create_directory(root_ + who + dir);
        if (::geteuid() == 0 && who == "/ordinary" && ::chown((root_ + who + dir).c_str(), kOrdinary, kOrdinary) != 0)
          std::abort();
      }
  }
  ~Bench() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  std::string home(As as) const { return root_ + (as == As::caller ? "/root" : "/ordinary"); }

  // Milliseconds, or less than 0 when it did not end with 0.
  double once(const Contender& one, const std::string& times = "") const {
    std::vector<std::string> env{"PATH=/usr/bin:/bin", "HOME=" + home(one.as) + "/home",
                                 "ALOS_STATE_DIR=" + home(one.as) + "/alos", "TERM=xterm"};
    if (!times.empty()) env.push_back("ALOS_LAUNCH_TIMES=" + times);
    const auto pointers = [](const std::vector<std::string>& words) {
      std::vector<char*> out;
      for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
      out.push_back(nullptr);
      return out;
    };
    const auto args = pointers(one.argv), envp = pointers(env);
    const double start = now_ms();
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (one.as == As::ordinary && ::geteuid() == 0 &&
          (::setgroups(0, nullptr) != 0 || ::setresgid(kOrdinary, kOrdinary, kOrdinary) != 0 ||
           ::setresuid(kOrdinary, kOrdinary, kOrdinary) != 0))
        ::_exit(99);
      const int quiet = ::open("/dev/null", O_RDWR);
      for (int fd = 0; fd < 3; ++fd) ::dup2(quiet, fd);
      ::execve(args[0], args.data(), envp.data());
      ::_exit(98);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? now_ms() - start : -1;
  }

  void run(std::vector<Contender>& all, int rounds) const {
    std::mt19937 order(static_cast<unsigned>(::getpid()));
    std::vector<Contender*> turn;
    for (Contender& one : all) turn.push_back(&one);
    for (Contender& one : all) once(one);  // caches and compiled policies
    for (int round = 0; round < rounds; ++round) {
      std::ranges::shuffle(turn, order);
      for (Contender* one : turn) {
        const double took = once(*one);
        took < 0 ? static_cast<void>(++one->failed) : one->took.push_back(took);
      }
    }
  }

 private:
  std::string root_;
};

double median_of(const std::vector<Contender>& all, std::string_view name) {
  for (const Contender& one : all)
    if (one.name == name) return one.at(0.5);
  return 0;
}

void print(const std::vector<Contender>& all, int rounds) {
  const double unit = median_of(all, "true"), peer = median_of(all, "bwrap");
  fmt::print("launch of /usr/bin/true, {} rounds, interleaved\n\n", rounds);
  fmt::print("{:<28}{:>10}{:>10}{:>10}{:>9}{:>9}\n", "", "median ms", "p10", "p90", "x true", "x bwrap");
  for (const Contender& one : all) {
    if (one.took.empty()) {
      fmt::print("{:<28}  did not run here ({} times)\n", one.name, one.failed);
      continue;
    }
    fmt::print("{:<28}{:>10.2f}{:>10.2f}{:>10.2f}{:>9.2f}{:>9.2f}{}\n", one.name, one.at(0.5), one.at(0.1), one.at(0.9),
               one.at(0.5) / unit, peer > 0 ? one.at(0.5) / peer : 0,
               one.failed ? fmt::format("   failed {} times", one.failed) : "");
  }
}

// Medians of the gaps between the marks of ALOS_LAUNCH_TIMES, which are of several processes that run at once: a mark's
// gap is to the one before it in time, whosever that was.
void print_steps(const Bench& bench, const Contender& one, int rounds) {
  std::map<std::string, std::vector<double>> at;
  for (int round = 0; round < rounds; ++round) {
    const std::string file = bench.home(one.as) + "/times";
    fs::remove(file);
    if (bench.once(one, file) < 0) continue;
    std::ifstream in(file);
    std::map<std::string, double> marks;
    std::string name;
    for (double ns = 0; in >> name >> ns;) marks[name] = ns / 1e3;
    if (!marks.contains("front.main")) continue;
    for (const auto& [mark, us] : marks) at[mark].push_back(us - marks["front.main"]);
  }
  if (at.empty()) return;
  std::vector<std::pair<double, std::string>> order;
  for (auto& [mark, all] : at) {
    std::ranges::sort(all);
    order.emplace_back(all[all.size() / 2], mark);
  }
  std::ranges::sort(order);
  fmt::print("\n{}: microseconds since the front's main\n\n{:<32}{:>9}{:>9}\n", one.name, "", "at", "gap");
  double before = 0;
  for (const auto& [us, mark] : order) {
    fmt::print("{:<32}{:>9.0f}{:>9.0f}\n", mark, us, us - before);
    before = us;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 200;
  const Bench bench;
  const std::string alos = ALOS_PROGRAMS_DIRECTORY "/alos", floors = ALOS_FLOORS_DIRECTORY;
  const std::vector<std::string> given_up{"--degrade", "memory,cpus,cpu-time"};
  const auto launch = [&](As as, const std::string& policy, const std::string& workspace, bool fresh,
                          std::string command) {
    std::vector<std::string> out{alos, "run", "--policy", policy};
    if (as == As::ordinary) out.insert(out.end(), given_up.begin(), given_up.end());
    if (!workspace.empty()) out.insert(out.end(), {"--workspace", bench.home(as) + workspace});
    if (fresh) out.emplace_back("--fresh");
    out.emplace_back("--");
    if (command.empty()) {
      out.emplace_back("/usr/bin/true");
    } else {
      out.insert(out.end(), {"/bin/sh", "-c", command});
    }
    return out;
  };
  const std::string yes = "/usr/bin/true";
  std::vector<Contender> all{{"true", {yes}},
                             {"floor: one shot", {floors + "/floor_oneshot", yes}},
                             {"floor: minimal box", {floors + "/floor_minimal_box", yes}},
                             {"unshare", {"/usr/bin/unshare", "-Urmpniuf", yes}},
                             {"bwrap",
                              {"/usr/bin/bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev",
                               "/dev", "--tmpfs", "/tmp", yes}}};
  for (const As as : {As::caller, As::ordinary}) {
    if (as == As::ordinary && ::geteuid() != 0) break;
    const std::string who = as == As::caller ? ::geteuid() == 0 ? "root" : "rootless" : "rootless";
    all.push_back({"alos strict, " + who, launch(as, "strict", "", false, ""), as});
    all.push_back({"alos coding new, " + who, launch(as, "coding", "/work", true, ""), as});
    all.push_back({"alos coding pending, " + who, launch(as, "coding", "/pending", false, ""), as});
    bench.once({"", launch(as, "coding", "/pending", false, "seq 1000 | split -l 10 - part"), as});
  }
  bench.run(all, rounds);
  print(all, rounds);
  for (const Contender& one : all)
    if (one.name.starts_with("alos strict") || one.name.starts_with("alos coding pending"))
      print_steps(bench, one, rounds / 4 + 5);
  return 0;
}
