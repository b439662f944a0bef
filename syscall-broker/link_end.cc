#include "syscall-broker/link_end.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/print.h"
#include "base/sys.h"
#include "policy/elevation.h"
#include "syscall-broker/record_parts.h"

namespace alos::broker {
namespace {

std::string_view body_of(const std::string& buffer, size_t size) {
  return std::string_view(buffer).substr(1, size - 1);
}

// The time may be moved from outside before anything is served.
void start_later(Begin& begin, const Advance& to) {
  const int64_t by = std::max<int64_t>(to.now_ns - begin.now_ns, 0);
  begin.now_ns += by;
  begin.wall_ns += by;
}

}  // namespace

Result<LinkEnd::Start> LinkEnd::receive_start() {
  std::string buffer(kLongestMessage, '\0');
  auto got = TRY(sys::receive_message(socket_.get(), std::as_writable_bytes(std::span(buffer)), 3));
  if (got.size == 0) return fail("receive", "supervisor", EPIPE);
  if (buffer[0] != Begin::kTag) return fail("receive", "supervisor", EBADMSG);
  Start out;
  out.begin = TRY(decode<Begin>(body_of(buffer, got.size), "supervisor's first words"));
  if (got.fds.size() != (out.begin.scripted ? 3U : 2U)) return fail("receive", "supervisor", EBADMSG);
  out.listener = std::move(got.fds[0]);
  out.rules = TRY(sys::read_file(got.fds[1].get(), 16 << 20));
  if (out.begin.scripted) out.script = TRY(sys::read_file(got.fds[2].get(), 16 << 20));
  TRY(receive_identity(out));
  return out;
}

Result<void> LinkEnd::receive_identity(Start& out) {
  const std::string want = message(WantIdentity{});
  TRY(sys::send_message(socket_.get(), std::as_bytes(std::span(want))));
  std::string buffer(kLongestMessage, '\0');
  sys::Message got;
  for (;;) {
    got = TRY(sys::receive_message(socket_.get(), std::as_writable_bytes(std::span(buffer)), 2));
    if (got.size == 0) return fail("receive", "supervisor", EPIPE);
    if (buffer[0] == Finish::kTag) ::_exit(0);  // before anything was served
    if (buffer[0] != Advance::kTag) break;
    start_later(out.begin, TRY(decode<Advance>(body_of(buffer, got.size), "time")));
  }
  if (buffer[0] != Identity::kTag) return fail("receive", "supervisor", EBADMSG);
  const auto identity = TRY(decode<Identity>(body_of(buffer, got.size), "identity"));
  if (identity.error != 0 || got.fds.empty()) {
    out.identity = fail("identity", identity.text, identity.error != 0 ? identity.error : EBADMSG);
    return {};
  }
  out.identity = Personalities{.agent = identity.personality, .of_files = identity.personality_of_files};
  out.trees.mask_device = identity.mask_device;
  out.trees.mask = identity.mask;
  out.trees.box = std::move(got.fds[0]);
  if (got.fds.size() > 1) out.trees.brokered = std::move(got.fds[1]);
  return {};
}

uint64_t LinkEnd::write(const Entry& entry) {
  Record out = record_of(entry);
  out.number = ++number_;
  pending_.records.push_back(std::move(out));
  if (!std::exchange(flushing_, true)) broker_->reactor().at_end_of_turn([this] { flush(); });
  return number_;
}

void LinkEnd::when_written(uint64_t number, std::function<void(Result<void>)> then) {
  waiting_[number] = std::move(then);
  // Numbers follow each other.
  if (pending_.records.empty() || number < pending_.records.front().number) return;
  pending_.records[number - pending_.records.front().number].waited_for = true;
}

void LinkEnd::flush() {
  flushing_ = false;
  for (const Records& part : parts_of(std::exchange(pending_.records, {}))) put(message(part));
}

void LinkEnd::want_run(Run run) {
  std::vector<UniqueFd> fds;
  for (UniqueFd& fd : run.stdio) fds.push_back(std::move(fd));
  WantRun wanted;
  wanted.run = run.number;
  wanted.command = run.command;
  wanted.program = std::move(run.program);
  wanted.argv = std::move(run.argv);
  wanted.env = std::move(run.env);
  wanted.cwd = std::move(run.cwd);
  std::string words = message(wanted);
  if (words.size() <= kLongestMessage) return put(std::move(words), std::move(fds));
  broker_->reactor().at_end_of_turn(
      [this, number = run.number] { broker_->run_started(number, give_up("run", "argv and env", E2BIG)); });
}

void LinkEnd::end_run(uint32_t number) {
  put(message(EndRun{.run = number}));
}

void LinkEnd::rests(Rest rest) {
  put(message(Rests{.state = rest.state, .next_ns = rest.next_ns, .clients = std::move(rest.clients)}));
}

void LinkEnd::slept(uint64_t total_ms) {
  put(message(Slept{.total_ms = total_ms}));
}

void LinkEnd::put(std::string text, std::vector<UniqueFd> fds) {
  outbox_.put(std::move(text), std::move(fds));
  if (outbox_.size() == 1) send();
}

void LinkEnd::send() {
  const Sent sent = send_what_goes();
  if (sent == Sent::waits_for_room) broker_->reactor().watch(socket_.get(), POLLOUT, writable_);
  if (sent == Sent::waits_for_memory)
    broker_->reactor().real_timers().set(retry_, boot_ns() + int64_t{kRetryMs} * 1'000'000);
}

LinkEnd::Sent LinkEnd::send_what_goes() {
  for (;;) {
    const auto sent = outbox_.send(socket_.get());
    if (sent) return outbox_.empty() ? Sent::all : Sent::waits_for_room;
    const int why = sent.error().code;
    if (why == ENOMEM || why == ENOBUFS) return Sent::waits_for_memory;
    if (why != ETOOMANYREFS) return cannot_send(sent.error()), Sent::to_nobody;
    // There is no command whose streams cannot be sent; nothing else takes descriptors along.
    const std::string words = outbox_.drop();
    const auto wanted = decode<WantRun>(body_of(words, words.size()), "command");
    if (!wanted) return cannot_send(sent.error()), Sent::to_nobody;
    broker_->reactor().at_end_of_turn([this, number = wanted->run] {
      broker_->run_started(number, give_up("run", "its streams", ETOOMANYREFS,
                                           "too many descriptors of this user are sent and not received"));
    });
  }
}

// That the supervisor is gone is noticed in the other direction. Otherwise what was to be recorded will not be: the
// supervisor is to know that by the way this process ends.
void LinkEnd::cannot_send(const Error& why) {
  if (why.code == EPIPE || why.code == ECONNRESET) return;
  print_error("alos-broker: what it did cannot be told to its supervisor: {}\n", why.text());
  ::_exit(1);
}

void LinkEnd::serve(Broker& broker) {
  broker_ = &broker;
  ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  broker.reactor().watch(socket_.get(), POLLIN, readable_);
}

// What has begun on a file is not left in its middle: a name that a write is made in would stay behind.
void LinkEnd::finish() {
  finish_by_ns_ = boot_ns() + kFinishNs;
  broker_->leave();
  broker_->reactor().at_end_of_turn([this] { end_when_done(); });
}

void LinkEnd::end_when_done() {
  const int64_t now = boot_ns();
  if (broker_->under_way() == 0) end(0);
  if (now >= finish_by_ns_) {
    // What came of them is not known: not to be taken for an end at which everything was said.
    print_error("alos-broker: {} calls had not ended 2 s after their run\n", broker_->under_way());
    end(1);
  }
  broker_->reactor().real_timers().set(again_, now + kLookAgainNs);
}

void LinkEnd::end(int code) {
  flush();
  pollfd room{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
  for (;;) {
    const Sent sent = send_what_goes();
    if (sent == Sent::all || sent == Sent::to_nobody) ::_exit(sent == Sent::all ? code : 1);
    ::poll(&room, sent == Sent::waits_for_room ? 1 : 0, sent == Sent::waits_for_room ? -1 : kRetryMs);
  }
}

void LinkEnd::receive() {
  std::string buffer(kLongestMessage, '\0');
  auto got = sys::receive_message(socket_.get(), std::as_writable_bytes(std::span(buffer)), 4);
  // Woken for a message that was taken before: a poll of io_uring completes by what it is woken with, and does not look
  // again (io_uring/poll.c, io_poll_check_events()); and whoever sends may wake long after the message is there.
  const bool goes_on = got ? got->size > 0 && take(std::string_view(buffer).substr(0, got->size), std::move(got->fds))
                           : got.error().code == EAGAIN;
  if (!goes_on) end(0);  // without a supervisor nothing can be recorded, so nothing may be done
  broker_->reactor().watch(socket_.get(), POLLIN, readable_);
}

bool LinkEnd::take(std::string_view text, std::vector<UniqueFd> fds) {
  const std::string_view body = text.substr(1);
  if (text[0] == AllRecorded::kTag) {
    const auto all = decode<AllRecorded>(body, "records");
    if (!all) return false;
    for (const Recorded& recorded : all->records)
      if (auto found = waiting_.extract(recorded.number); !found.empty())
        found.mapped()(recorded.error == 0 ? Result<void>{} : fail("record", recorded.text, recorded.error));
    return true;
  }
  if (text[0] == RunStarted::kTag) {
    const auto started = decode<RunStarted>(body, "run");
    if (!started) return false;
    if (started->refused)
      broker_->run_started(started->run, std::unexpected(refused("", started->text, policy::kHandOwnFile)));
    else if (started->error != 0)
      broker_->run_started(started->run, give_up("run", started->text, started->error));
    else
      broker_->run_started(started->run, fds.empty() ? UniqueFd() : std::move(fds[0]));
    return true;
  }
  if (text[0] == RunEnded::kTag) {
    const auto ended = decode<RunEnded>(body, "run");
    if (ended) broker_->run_ended(ended->run, ended->executed, ended->status);
    return ended.has_value();
  }
  if (text[0] == Finish::kTag) {
    finish();
    return true;
  }
  if (text[0] == Advance::kTag) {
    const auto advance = decode<Advance>(body, "time");
    if (advance && broker_->advance(advance->state, advance->now_ns) && advance->state != 0)
      put(message(Advanced{.state = advance->state}));
    return advance.has_value();
  }
  return false;
}

}  // namespace alos::broker
