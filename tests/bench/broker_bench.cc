// broker_bench [ROUNDS [trips|throughput|reads|sleeps]]: what the broker costs beside the least that could do the same,
// in one process and one run, the order drawn anew each round. The broker is whole but for its journal, which forgets.
// Only the ratios mean anything on a machine that others use.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>
#include <queue>
#include <random>
#include <thread>

#include "base/clock.h"
#include "base/sys.h"
#include "syscall-broker/frame.h"
#include "syscall-broker/serve.h"
#include "tests/unit/broker/served.h"

namespace {

using namespace alos;
using namespace alos::broker;

constexpr size_t kServer = 0;  // the processor of every server

void must(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

void stay_on(size_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  must(::sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

double now_us() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

double share_of(std::vector<double> all, double share) {
  std::ranges::sort(all);
  return all.empty() ? 0 : all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))];
}

// ---- contenders ----

struct Contender {
  std::string name;
  std::function<void()> once;
  int times;          // in a row, of which the mean counts
  std::string floor;  // what it is held against; itself none
  double reach = 0;   // the ratio that is wanted
  std::vector<double> took{};
};

void compare(const std::string& title, std::vector<Contender> all, int rounds, double per = 1,
             const char* unit = "us") {
  std::mt19937 order(static_cast<unsigned>(::getpid()));
  std::vector<Contender*> turn;
  for (Contender& one : all) turn.push_back(&one);
  for (Contender& one : all)
    for (int i = 0; i < one.times; ++i) one.once();
  for (int round = 0; round < rounds; ++round) {
    std::ranges::shuffle(turn, order);
    for (Contender* one : turn) {
      const double begin = now_us();
      for (int i = 0; i < one->times; ++i) one->once();
      one->took.push_back((now_us() - begin) / one->times / per);
    }
  }
  fmt::print("\n{}, {} rounds, interleaved\n\n{:<34}{:>10}{:>10}{:>10}{:>9}{:>9}\n", title, rounds, "",
             fmt::format("median {}", unit), "p10", "p90", "x floor", "reach");
  for (const Contender& one : all) {
    fmt::print("{:<34}{:>10.2f}{:>10.2f}{:>10.2f}", one.name, share_of(one.took, 0.5), share_of(one.took, 0.1),
               share_of(one.took, 0.9));
    for (const Contender& floor : all)
      if (floor.name == one.floor)
        fmt::print("{:>9.2f}{:>9}", share_of(one.took, 0.5) / share_of(floor.took, 0.5),
                   one.reach > 0 ? fmt::format("{}", one.reach) : "");
    fmt::print("\n");
  }
  std::fflush(stdout);
}

// ---- what is asked, and who answers ----

policy::Policy many_rules() {
  std::vector<policy::FileRule> files{test::rule(policy::Effect::allow, policy::kAll, {"/w/**"}, "work")};
  for (int i = 0; i < 1000; ++i)
    files.push_back(test::rule(policy::Effect::deny, policy::kAll, {fmt::format("/w/private{}/**", i)},
                               fmt::format("private{}", i)));
  policy::Policy out = test::rules(std::move(files));
  out.clock.each_ms = uint64_t{24} * 3600 * 1000;
  return out;
}

// The thread of the broker stays where the one that makes it is.
std::unique_ptr<test::Served> serve() {
  stay_on(kServer);
  auto out = std::make_unique<test::Served>(test::Setting{.policy = many_rules(), .forgets = true});
  out->make_directory("/w");
  return out;
}

UniqueFd connect_to(const std::string& path) {
  UniqueFd out(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  for (int i = 0; i < 1000; ++i) {
    if (::connect(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return out;
    ::usleep(1000);
  }
  must(false, "connect");
  return out;
}

std::string frame_of(wire::Request request) {
  request.set_id(1);
  return request.SerializeAsString();
}
std::string now_frame() {
  wire::Request out;
  out.mutable_clock_now();
  return frame_of(out);
}
std::string stat_frame(const std::string& path) {
  wire::Request out;
  out.mutable_fs_stat()->set_path(path);
  return frame_of(out);
}
std::string open_frame(const std::string& path) {
  wire::Request out;
  out.mutable_fs_open()->set_path(path);
  return frame_of(out);
}

class Caller {
 public:
  explicit Caller(UniqueFd socket) : socket_(std::move(socket)) {}
  // One message each way, not looked at.
  void call(const std::string& frame) {
    put(frame);
    take();
  }
  void put(const std::string& frame) const { must(::send(socket_.get(), frame.data(), frame.size(), 0) > 0, "send"); }
  size_t take() {
    const ssize_t n = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
    must(n > 0, "recv");
    return static_cast<size_t>(n);
  }
  // Whole, as a program would have it.
  void read(const std::string& frame, std::string& into) {
    into.clear();
    put(frame);
    do {
      must(reply_.ParseFromArray(buffer_.data(), static_cast<int>(take())), "a reply");
      into += reply_.has_output() ? reply_.output().data() : reply_.fs_read().content();
    } while (reply_.has_output());
    must(reply_.has_fs_read(), "fs.read");
  }
  UniqueFd open(const std::string& frame) {
    put(frame);
    auto got = sys::receive_message(socket_.get(), std::as_writable_bytes(std::span(buffer_)), 1);
    must(got && got->fds.size() == 1, "fs.open");
    return std::move(got->fds[0]);
  }
  int socket() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::vector<char> buffer_ = std::vector<char>(kMaxFrame);
  wire::Reply reply_;
};

// A thread that gives back what it gets.
class Echo {
 public:
  Echo() {
    int ends[2];
    must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    caller.emplace(UniqueFd(ends[0]));
    stay_on(kServer);
    thread_ = std::thread([fd = ends[1]] {
      char buffer[4096];
      for (;;) {
        const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0 || ::send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) < 0) break;
      }
      ::close(fd);
    });
  }
  ~Echo() {
    caller.reset();
    thread_.join();
  }
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;
  std::optional<Caller> caller;

 private:
  std::thread thread_;
};

void round_trips(int rounds) {
  const auto served = serve();
  served->write("/w/file", "content");
  Echo echo;
  Caller caller(connect_to(served->socket_path()));
  const std::string now = now_frame(), stat = stat_frame("/w/file");
  for (const size_t processor : {kServer, kServer + 1}) {
    stay_on(processor);
    compare(processor == kServer ? "round trip, client and server on one processor" : "round trip, across processors",
            {{"floor: echo", [&] { echo.caller->call(now); }, 200, "", 0},
             {"clock.now", [&] { caller.call(now); }, 200, "floor: echo", 1.5},
             {"fs.stat", [&] { caller.call(stat); }, 200, "floor: echo", 1.8}},
            rounds);
  }
}

// ---- throughput ----

class RingEcho {
 public:
  RingEcho() : path_(fmt::format("/tmp/alos-bench-{}.socket", ::getpid())) {
    stay_on(kServer);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::execl(ALOS_FLOORS_DIRECTORY "/floor_ring_echo", "ring_echo", path_.c_str(), nullptr);
    ::_exit(127);
  }
  ~RingEcho() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::unlink(path_.c_str());
  }
  RingEcho(const RingEcho&) = delete;
  RingEcho& operator=(const RingEcho&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  pid_t pid_ = -1;
};

void throughput(int rounds) {
  constexpr int kClients = 64;
  const auto served = serve();
  served->write("/w/file", "content");
  const RingEcho echo;
  std::vector<Caller> to_broker, to_echo;
  for (int i = 0; i < kClients; ++i) {
    to_broker.emplace_back(connect_to(served->socket_path()));
    to_echo.emplace_back(connect_to(echo.path()));
  }
  const auto all = [](std::vector<Caller>& callers, const std::string& frame) {
    for (const Caller& one : callers) one.put(frame);
    for (Caller& one : callers) one.take();
  };
  const std::string now = now_frame(), stat = stat_frame("/w/file");
  stay_on(kServer + 1);
  compare("throughput of 64 clients, time for each message (0.5 x the rate is 2 x the time)",
          {{"floor: ring echo", [&] { all(to_echo, now); }, 20, "", 0},
           {"clock.now", [&] { all(to_broker, now); }, 20, "floor: ring echo", 2},
           {"fs.stat", [&] { all(to_broker, stat); }, 20, "floor: ring echo", 2}},
          rounds, kClients);
}

// ---- content ----

void reads(int rounds) {
  const auto served = serve();
  Caller caller(connect_to(served->socket_path()));
  stay_on(kServer + 1);
  std::string content;
  const std::string now = now_frame();
  const auto direct = [&](const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st{};
    ::fstat(fd.get(), &st);
    content.resize(static_cast<size_t>(st.st_size));
    must(::read(fd.get(), content.data(), content.size()) == st.st_size, "read");
  };
  const auto passed = [&](const std::string& frame) {
    const UniqueFd fd = caller.open(frame);
    struct stat st{};
    ::fstat(fd.get(), &st);
    content.resize(static_cast<size_t>(st.st_size));
    must(::read(fd.get(), content.data(), content.size()) == st.st_size, "read");
  };
  for (const auto& [name, size, times] :
       {std::tuple("4 KiB", size_t{4} << 10, 100), {"1 MiB", size_t{1} << 20, 10}, {"64 MiB", size_t{64} << 20, 1}}) {
    served->write("/w/file", std::string(size, 'x'));
    const std::string frame = frame_of(test::read_request("/w/file")), open = open_frame("/w/file");
    const std::string path = served->root() + "/w/file";
    compare(
        fmt::format("reading {}", name),
        {{"floor: open, read, close", [&] { direct(path); }, times, "", 0},
         {"ping (clock.now)", [&] { caller.call(now); }, times, "", 0},
         {"fs.read", [&] { caller.read(frame, content); }, times,
          size < 65536 ? "ping (clock.now)" : "floor: open, read, close", size < 65536 ? 1.15 : 1.11},
         {"fs.open, read, close", [&] { passed(open); }, times, "floor: open, read, close", size < 65536 ? 0 : 1.05}},
        size > 10'000'000 ? std::min(rounds, 20) : rounds);
  }
}

// ---- sleeps ----

constexpr int kSleeps = 100'000;
constexpr uint64_t kFirst = 4000, kWithin = 5000;  // ms: when they end

void print_lateness(const char* name, const std::vector<double>& late) {
  fmt::print("{:<34}{:>10.0f}{:>10.0f}\n", name, share_of(late, 0.5), share_of(late, 0.99));
}

std::vector<double> heap_of_sleeps() {
  std::mt19937 random(1);
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> heap;
  const int64_t begin = boot_ns();
  for (int i = 0; i < kSleeps; ++i)
    heap.push(begin + static_cast<int64_t>(random() % (kWithin * 1000)) * 1000 + 100'000'000);
  std::vector<double> late;
  while (!heap.empty()) {
    const int64_t now = boot_ns();
    for (; !heap.empty() && heap.top() <= now; heap.pop()) late.push_back(static_cast<double>(now - heap.top()) / 1e3);
    if (heap.empty()) break;
    const timespec until{.tv_sec = heap.top() / 1'000'000'000, .tv_nsec = heap.top() % 1'000'000'000};
    ::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr);
  }
  return late;
}

// From when each was sent to when its answer was there: the way there and back is part of it.
std::vector<double> sleeps_of_broker() {
  const auto served = serve();
  Caller caller(connect_to(served->socket_path()));
  stay_on(kServer + 1);
  std::mt19937 random(1);
  std::vector<int64_t> due(kSleeps + 2);
  wire::Request request;
  std::vector<char> buffer(kMaxFrame);
  wire::Reply reply;
  std::vector<double> late;
  const auto receive = [&] {
    const ssize_t n = ::recv(caller.socket(), buffer.data(), buffer.size(), 0);
    const int64_t now = boot_ns();
    must(n > 0 && reply.ParseFromArray(buffer.data(), static_cast<int>(n)), "a reply");
    must(reply.has_clock_sleep() || reply.has_clock_now(), "a sleep");
    if (reply.has_clock_sleep()) late.push_back(static_cast<double>(now - due[reply.id()]) / 1e3);
    return reply.has_clock_now();
  };
  wire::Request now;
  now.set_id(kSleeps + 1);
  now.mutable_clock_now();
  const std::string ping = now.SerializeAsString();
  for (int i = 1; i <= kSleeps; ++i) {
    const uint64_t ms = kFirst + random() % kWithin;
    request.set_id(static_cast<uint64_t>(i));
    request.mutable_clock_sleep()->set_duration_ms(ms);
    due[static_cast<size_t>(i)] = boot_ns() + static_cast<int64_t>(ms) * 1'000'000;
    caller.put(request.SerializeAsString());
    if (i % 4 != 0) continue;
    // None waits in the socket, or that would be taken for lateness.
    caller.put(ping);
    while (!receive()) {
    }
  }
  while (late.size() < kSleeps) receive();
  return late;
}

void sleeps() {
  fmt::print("\n{} sleeps outstanding, us late\n\n{:<34}{:>10}{:>10}\n", kSleeps, "", "median", "p99");
  stay_on(kServer);
  const auto floor = heap_of_sleeps();
  print_lateness("floor: heap and one timeout", floor);
  const auto ours = sleeps_of_broker();
  print_lateness("clock.sleep, there and back", ours);
  fmt::print("{:<34}{:>10.2f}{:>10.2f}   reach 1.5\n", "x floor", share_of(ours, 0.5) / share_of(floor, 0.5),
             share_of(ours, 0.99) / share_of(floor, 0.99));
}

}  // namespace

int main(int argc, char** argv) {
  alos::broker::join_freed_at_once();
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
  const std::string only = argc > 2 ? argv[2] : "";
  if (only.empty() || only == "trips") round_trips(rounds);
  if (only.empty() || only == "throughput") throughput(rounds);
  if (only.empty() || only == "reads") reads(rounds);
  if (only.empty() || only == "sleeps") sleeps();
  return 0;
}
