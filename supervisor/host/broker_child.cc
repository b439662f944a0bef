#include "supervisor/host/broker_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/child.h"
#include "base/let_go.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/host/reap.h"

namespace alos::host {
namespace {

using broker::kInheritedRing;
using broker::kLink;

// Answers that it has not read, and their bytes: more than it can have asked for at a time.
constexpr size_t kMostUnread = 4096, kMostUnreadBytes = 64 << 20;
// Bytes that it may say to people.
constexpr size_t kMostComplaints = 256 << 10;
// For the end of one that was killed.
constexpr int64_t kEndMs = 2000;

// Of the caller's environment, in which there may be keys, what is alos's own or a sanitizer's.
std::vector<char*> broker_environment() {
  std::vector<char*> out;
  for (char** line = environ; *line; ++line) {
    const std::string_view name = std::string_view(*line).substr(0, std::string_view(*line).find('='));
    if (name.starts_with("ALOS") || name.ends_with("SAN_OPTIONS")) out.push_back(*line);
  }
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void become_broker(const char* program, char* const* environment, int socket, int ring, int complaints,
                                pid_t parent) {
  constexpr int kAbove = 16;
  socket = ::fcntl(socket, F_DUPFD, kAbove);
  ring = ::fcntl(ring, F_DUPFD, kAbove);
  complaints = ::fcntl(complaints, F_DUPFD, kAbove);
  const int nothing = ::open("/dev/null", O_RDWR);
  // It has nothing that is the caller's: a terminal is read and controlled by whoever may write to it.
  if (socket >= 0 && ring >= 0 && nothing >= 0 && ::dup2(nothing, 0) == 0 && ::dup2(nothing, 1) == 1 &&
      ::dup2(complaints, 2) == 2 && ::dup2(socket, kLink) == kLink && ::dup2(ring, kInheritedRing) == kInheritedRing &&
      ::syscall(SYS_close_range, kInheritedRing + 1, ~0U, 0) == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();  // a terminal's signals are the supervisor's
    // It leaves by itself when the supervisor is gone, unless it is in wrong hands. Its parent has one thread.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::getppid() != parent) ::_exit(127);
    ::execle(program, "alos-broker", nullptr, environment);
  }
  ::_exit(127);
}

}  // namespace

Result<BrokerChild> BrokerChild::start(const broker::Begin& begin, const std::string& rules, const std::string& script,
                                       const UniqueFd& listener, const UniqueFd& ring) {
  const std::string program = TRY(program_directory()) + "/alos-broker";
  sys::Pair pair = TRY(sys::socketpair(SOCK_SEQPACKET));
  // This end alone: the other is another open file.
  if (::fcntl(pair.a.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl", "alos-broker");
  sys::Pair complaints = TRY(sys::pipe());
  if (::fcntl(complaints.a.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl", "alos-broker");
  const UniqueFd text = TRY(sys::memfd("rules", rules, true));
  UniqueFd lines;
  if (begin.scripted) lines = TRY(sys::memfd("script", script, true));
  const std::vector<char*> environment = broker_environment();
  BrokerChild out;
  const pid_t self = ::getpid();
  out.pid_ = ::fork();
  if (out.pid_ < 0) return fail_errno("fork", "alos-broker");
  if (out.pid_ == 0)
    become_broker(program.c_str(), environment.data(), pair.b.get(), ring.get(), complaints.b.get(), self);
  out.socket_ = std::move(pair.a);
  out.complaints_ = std::move(complaints.a);
  pair.b.reset();
  auto pidfd = sys::pidfd_open(out.pid_);
  if (!pidfd) {  // at the end of its link it leaves: nothing else was said to it, and nobody else has it
    out.socket_.reset();
    (void)sys::wait_for(out.pid_);
    return std::unexpected(std::move(pidfd).error());
  }
  out.pidfd_ = std::move(*pidfd);
  const int all[] = {listener.get(), text.get(), lines.get()};
  const std::span<const int> fds(all, begin.scripted ? 3 : 2);
  const std::string words = broker::message(begin);
  if (auto sent = sys::send_message(out.socket_.get(), std::as_bytes(std::span(words)), fds); !sent) {
    (void)out.end();
    return std::unexpected(std::move(sent).error());
  }
  return out;
}

bool BrokerChild::receive(const Events& events) {
  std::string buffer(broker::kLongestMessage, '\0');
  auto got = sys::receive_message(socket_.get(), std::as_writable_bytes(std::span(buffer)), 3);
  if (!got) return got.error().code == EAGAIN;
  // alos-broker sends pipes and files along.
  if (std::ranges::any_of(got->fds, is_socket)) {
    let_go(std::move(got->fds));
    return false;
  }
  if (got->size == 0) {
    has_said_all_ = true;
    return false;
  }
  const std::string_view body = std::string_view(buffer).substr(1, got->size - 1);
  switch (buffer[0]) {
    case broker::Records::kTag: {
      auto records = decode<broker::Records>(body, "broker's records");
      if (!records) return false;
      events.records(std::move(*records));
      return is_heard();
    }
    case broker::WantIdentity::kTag:
      events.want_identity();
      return is_heard();
    case broker::WantRun::kTag: {
      const auto wanted = decode<broker::WantRun>(body, "broker's command");
      if (!wanted) return false;
      events.want_run(*wanted, std::move(got->fds));
      return is_heard();
    }
    case broker::EndRun::kTag: {
      const auto ended = decode<broker::EndRun>(body, "broker's command");
      if (ended) events.end_run(ended->run);
      return ended.has_value();
    }
    case broker::Rests::kTag: {
      auto rests = decode<broker::Rests>(body, "broker's rest");
      if (!rests) return false;
      events.rests(std::move(*rests));
      return true;
    }
    case broker::Advanced::kTag: {
      const auto advanced = decode<broker::Advanced>(body, "broker's time");
      if (advanced) events.advanced(advanced->state);
      return advanced.has_value();
    }
    case broker::Slept::kTag: {
      const auto slept = decode<broker::Slept>(body, "broker's sleeps");
      if (slept) events.slept(slept->total_ms);
      return slept.has_value();
    }
    default:
      return false;
  }
}

std::string BrokerChild::read_complaints() {
  std::string out;
  char buffer[4096];
  ssize_t n = 0;
  while (complaints_ && (n = ::read(complaints_.get(), buffer, sizeof buffer)) > 0) {
    out.append(buffer, static_cast<size_t>(n));
    complained_ += static_cast<size_t>(n);
    if (complained_ > kMostComplaints) complaints_.reset();
  }
  if (n == 0) complaints_.reset();
  return out;
}

short BrokerChild::events() const {
  return unread_.empty() || waits_for_kernel() ? POLLIN : POLLIN | POLLOUT;
}

void BrokerChild::put(std::string words, std::vector<UniqueFd> fds) {
  if (is_stuck_ || unread_.size() >= kMostUnread || unread_.bytes() + words.size() > kMostUnreadBytes) {
    is_stuck_ = true;
    return;
  }
  unread_.put(std::move(words), std::move(fds));
  if (unread_.size() == 1) is_stuck_ = !send();
}

bool BrokerChild::send() {
  if (is_stuck_) return false;
  const auto sent = unread_.send(socket_.get());
  const int why = sent ? 0 : sent.error().code;
  short_of_ = why == ETOOMANYREFS || why == ENOMEM || why == ENOBUFS ? why : 0;
  return sent || waits_for_kernel();
}

void BrokerChild::answer(const broker::AllRecorded& recorded) {
  put(broker::message(recorded));
}

void BrokerChild::answer(const broker::Identity& identity, std::vector<UniqueFd> trees) {
  put(broker::message(identity), std::move(trees));
}

Result<void> BrokerChild::answer(const broker::RunStarted& started, UniqueFd listener) {
  std::vector<UniqueFd> fds;
  if (listener) fds.push_back(std::move(listener));
  put(broker::message(started), std::move(fds));
  if (unread_.size() != 1 || short_of_ != ETOOMANYREFS) return {};
  unread_.drop();
  short_of_ = 0;
  return fail("sendmsg", "listener of a command", ETOOMANYREFS,
              "too many descriptors of this user are sent and not received");
}

void BrokerChild::answer(const broker::RunEnded& ended) {
  put(broker::message(ended));
}

void BrokerChild::advance(const broker::Advance& to) {
  put(broker::message(to));
}

void BrokerChild::finish() {
  is_finishing_ = true;
  put(broker::message(broker::Finish{}));
}

bool BrokerChild::end() {
  std::vector<UniqueFd> sockets = unread_.take_fds();
  sockets.push_back(std::move(socket_));
  let_go(std::move(sockets));
  if (!pidfd_) return false;
  (void)sys::pidfd_signal(pidfd_.get(), SIGKILL);  // one that is ending keeps the status that it has
  // What it closes then may keep it in the kernel for long, and an agent chooses what a broker has.
  int status = -1;
  const bool reaped = ended_within(pidfd_.get(), kEndMs) && ::waitpid(pid_, &status, 0) == pid_;
  pidfd_.reset();
  return is_finishing_ && has_said_all_ && reaped && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace alos::host
