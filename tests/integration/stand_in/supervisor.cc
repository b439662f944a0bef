// In the place of alos-supervisor: carries out the lines of ALOS_SCRIPT, words separated by tabs, and says what came of
// each. So launcher, box and file ring are used as the supervisor uses them, with its ids and nothing else.
//
//   identity                      the launcher registers the agent
//   open|mkdir|unlink|list|rename WHERE PATH [FLAGS]
//                                 on the ring as the agent, WHERE being box or view; FLAGS of open: r w c t n; to
//                                 leave the personality out, WHERE ends in '!'
//   run N COMMAND CWD WORD...     a further box, and its output; COMMAND -1 for the agent's own
//   start N COMMAND CWD WORD...   the same, left running
//   begin N ..., rest N           the two halves of run: its order, and the answer with what comes of it
//   freeze|thaw
//   connect N                     whether somebody connects to the listener of run N, 0 the first box's
//   end N, await N                ends it; waits for its end
//   wait                          until the first box ended by itself

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

#include "base/file_ring.h"
#include "base/sys.h"
#include "shim/init/protocol.h"
#include "supervisor/box/protocol.h"
#include "supervisor/box/spec.h"
#include "supervisor/host/order.h"

namespace {

using namespace alos;
using box::LauncherOrder;
using box::LauncherReport;
using Words = std::vector<std::string>;

[[noreturn]] void give_up(const std::string& why) {
  fmt::print("gave up: {}\n", why);
  std::fflush(stdout);
  std::exit(3);
}

template <class T>
T need(Result<T> result) {
  if (!result) give_up(result.error().text());
  return std::move(*result);
}

struct Box {
  UniqueFd pidfd, control, listener, output;
};

struct Told {
  LauncherReport report;
  std::vector<UniqueFd> fds;
};

class StandIn {
 public:
  explicit StandIn(host::SupervisorOrder order) : order_(std::move(order)), launcher_(order_.launcher) {
    if (order_.ring < 0) return;
    auto params = std::bit_cast<io_uring_params>(order_.ring_params);
    if (::io_uring_queue_mmap(order_.ring, &params, &ring_) != 0) give_up("io_uring_queue_mmap");
    for (unsigned i = 0; i < params.sq_entries; ++i) ring_.sq.array[i] = i;
  }

  void carry_out(const std::string& script) {
    Told told = hear();
    if (told.report.kind != LauncherReport::Kind::started) give_up(told.report.text.data());
    boxes_[0] = box_of(std::move(told), {});
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream in(line);
      Words words;
      for (std::string word; std::getline(in, word, '\t');) words.push_back(word);
      if (!words.empty()) obey(words);
      std::fflush(stdout);
    }
    // It may have ended by then, as its box has; what it said last is still to be heard.
    const LauncherOrder kill{.kind = LauncherOrder::Kind::kill};
    (void)sys::send_message(launcher_.get(), std::as_bytes(std::span(&kill, 1)));
    while (hear().report.kind != LauncherReport::Kind::ended) {
    }
    fmt::print("ended\n");
    for (const auto& [number, box] : boxes_)
      if (!reaped(box, 1000)) fmt::print("box {} is still there\n", number);
    std::filesystem::remove_all(order_.run_directory);
  }

 private:
  void order(const LauncherOrder& what, const std::vector<int>& fds = {}) {
    if (!sys::send_message(launcher_.get(), std::as_bytes(std::span(&what, 1)), fds)) give_up("launcher is gone");
  }

  // The next report, or the next of those kinds: others wait for their turn.
  Told hear(const std::vector<LauncherReport::Kind>& wanted = {}) {
    const auto fits = [&](const Told& told) {
      return wanted.empty() || std::ranges::find(wanted, told.report.kind) != wanted.end();
    };
    for (auto at = early_.begin(); at != early_.end(); ++at)
      if (fits(*at)) {
        Told out = std::move(*at);
        early_.erase(at);
        return out;
      }
    for (;;) {
      Told out = receive();
      if (fits(out)) return out;
      early_.push_back(std::move(out));
    }
  }

  Told receive() {
    pollfd ready{.fd = launcher_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 20'000) != 1) give_up("the launcher does not answer");
    Told out;
    auto got = need(sys::receive_message(launcher_.get(), std::as_writable_bytes(std::span(&out.report, 1)), 8));
    if (got.size != sizeof out.report) give_up("the launcher is gone");
    out.fds = std::move(got.fds);
    return out;
  }

  static Box box_of(Told told, UniqueFd output) {
    Box out;
    if (told.fds.size() != (told.report.has_listener ? 3 : 2)) give_up("descriptors");
    out.pidfd = std::move(told.fds[0]);
    out.control = std::move(told.fds[1]);
    if (told.report.has_listener) out.listener = std::move(told.fds[2]);
    out.output = std::move(output);
    const init::Order go;
    (void)sys::send_message(out.control.get(), std::as_bytes(std::span(&go, 1)));
    return out;
  }

  static bool reaped(const Box& box, int most_ms) {
    pollfd gone{.fd = box.pidfd.get(), .events = POLLIN, .revents = 0};
    if (::poll(&gone, 1, most_ms) != 1) return false;
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(box.pidfd.get()), &info, WEXITED | __WALL);
    return true;
  }

  void obey(const Words& words) {
    const std::string& what = words[0];
    if (what == "identity") return identity();
    if (what == "run" || what == "start" || what == "begin") return run(words);
    if (what == "rest") return rest(what, words[1], std::move(begun_));
    if (what == "freeze") return order({.kind = LauncherOrder::Kind::freeze});
    if (what == "thaw") return order({.kind = LauncherOrder::Kind::thaw});
    if (what == "connect") return connected(words[1]);
    if (what == "end")
      return order({.kind = LauncherOrder::Kind::end_run, .run = static_cast<uint32_t>(std::stoul(words[1]))});
    if (what == "await") {
      fmt::print("await {}: {}\n", words[1], reaped(boxes_[std::stoul(words[1])], 5000) ? "ended" : "runs");
      return;
    }
    if (what == "wait") {
      reaped(boxes_[0], 10'000);
      return;
    }
    const int result = on_the_ring(words);
    fmt::print("{}: {}\n", fmt::join(words, " "), result >= 0 ? "ok" : strerrorname_np(-result));
    if (result > 0) ::close(result);
  }

  void identity() {
    order({.kind = LauncherOrder::Kind::identity});
    Told told = hear({LauncherReport::Kind::identity, LauncherReport::Kind::identity_failed});
    if (told.report.kind != LauncherReport::Kind::identity) {
      fmt::print("identity failed: {}: {}\n", box::name(told.report.step), told.report.text.data());
      return;
    }
    personality_ = static_cast<unsigned short>(told.report.personality);
    if (told.fds.empty()) give_up("no trees");
    box_ = std::move(told.fds[0]);
    if (told.fds.size() > 1) view_ = std::move(told.fds[1]);
    fmt::print("identity{}\n", view_ ? " with a view" : "");
  }

  int on_the_ring(const Words& words) {
    std::string where = words[1];
    const bool plain = where.ends_with('!');
    if (plain) where.pop_back();
    const int root = where == "view" ? view_.get() : box_.get();
    const std::string path = words[2].substr(words[2].starts_with('/') ? 1 : 0);
    const std::string to = path + ".renamed";
    const std::string flags = words.size() > 3 ? words[3] : "r";
    const auto has = [&](char c) { return flags.find(c) != flags.npos; };
    open_how how{};
    how.flags = O_CLOEXEC | O_NOFOLLOW;
    how.flags |= words[0] == "list" ? O_RDONLY | O_DIRECTORY : has('w') ? O_WRONLY : O_RDONLY;
    if (has('c')) how.flags |= O_CREAT;
    if (has('t')) how.flags |= O_TRUNC;
    how.mode = has('c') ? 0600 : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    if (words[0] == "mkdir")
      ::io_uring_prep_mkdirat(entry, root, path.c_str(), 0700);
    else if (words[0] == "unlink")
      ::io_uring_prep_unlinkat(entry, root, path.c_str(), 0);
    else if (words[0] == "rename")
      ::io_uring_prep_renameat(entry, root, path.c_str(), root, to.c_str(), 0);
    else
      ::io_uring_prep_openat2(entry, root, path.c_str(), &how);
    entry->personality = plain ? 0 : personality_;
    ::io_uring_submit(&ring_);
    io_uring_cqe* done = nullptr;
    if (::io_uring_wait_cqe(&ring_, &done) != 0) give_up("io_uring_wait_cqe");
    const int out = done->res;
    ::io_uring_cqe_seen(&ring_, done);
    return out;
  }

  void run(const Words& words) {
    UniqueFd output = begin(words);
    if (words[0] != "begin")
      rest(words[0], words[1], std::move(output));
    else
      begun_ = std::move(output);
  }

  UniqueFd begin(const Words& words) {
    const auto number = static_cast<uint32_t>(std::stoul(words[1]));
    box::CommandRequest request;
    request.cwd = words[3];
    request.argv.assign(words.begin() + 4, words.end());
    request.env = {"PATH=/usr/bin:/bin", "HOME=/home/agent", "GIVEN=1", "ALOS_SOCKET=/dev/alos"};
    const UniqueFd text = need(sys::memfd("run", encode(request), true));
    sys::Pair output = need(sys::pipe());
    const UniqueFd nothing = need(sys::open("/dev/null", O_RDWR));
    order({.kind = LauncherOrder::Kind::run, .run = number, .command = std::stoi(words[2])},
          {text.get(), nothing.get(), output.b.get(), output.b.get()});
    return std::move(output.a);
  }

  void rest(const std::string& what, const std::string& of, UniqueFd output) {
    const auto number = static_cast<uint32_t>(std::stoul(of));
    Told told = hear({LauncherReport::Kind::run_started, LauncherReport::Kind::run_failed});
    if (told.report.kind != LauncherReport::Kind::run_started) {
      if (told.report.pid != 0) ::waitpid(told.report.pid, nullptr, __WALL);
      fmt::print("{} {} {}: {}: {}\n", what, number, told.report.refused != 0 ? "refused" : "failed",
                 box::name(told.report.step), told.report.text.data());
      return;
    }
    if (told.report.run != number) give_up("another run's answer");
    boxes_[number] = box_of(std::move(told), std::move(output));
    if (what == "start") return;
    const std::string said = need(sys::read_file(boxes_[number].output.get(), 1 << 20));
    fmt::print("run {}: {}", number, said);
    if (!reaped(boxes_[number], 5000)) fmt::print("run {} does not end\n", number);
  }

  void connected(const std::string& number) {
    const int listener = boxes_[std::stoul(number)].listener.get();
    pollfd ready{.fd = listener, .events = POLLIN, .revents = 0};
    const bool somebody = ::poll(&ready, 1, 5000) == 1;
    const UniqueFd peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    char word[16] = {};
    const bool spoke = somebody && peer && ::recv(peer.get(), word, sizeof word - 1, 0) > 0;
    fmt::print("connect {}: {}\n", number, spoke ? word : "nobody");
  }

  host::SupervisorOrder order_;
  UniqueFd launcher_, box_, view_, begun_;
  io_uring ring_{};
  unsigned short personality_ = 0;
  std::map<size_t, Box> boxes_;
  std::vector<Told> early_;
};

}  // namespace

int main() {
  const UniqueFd from(4);
  const char* script = ::getenv("ALOS_SCRIPT");
  const std::string text = need(sys::read_file(from.get(), 16 << 20));
  StandIn(need(decode<host::SupervisorOrder>(text, "order"))).carry_out(script ? script : "");
  return 0;
}
