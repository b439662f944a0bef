#pragma once

#include <sys/types.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/outbox.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "syscall-broker/link.h"

namespace alos::host {

// The process that serves an agent's primitives (syscall-broker/broker_main.cc), as its supervisor sees it: started
// when something in the box first connects, so that a run that asks for nothing does not pay for it, and in a process
// of its own, so that what reads an agent's bytes has neither the audit log nor the launcher. What it says is taken as
// an agent's words. One thread.
class BrokerChild {
 public:
  struct Events {
    std::function<void(broker::Records)> records;
    std::function<void()> want_identity;
    std::function<void(const broker::WantRun&, std::vector<UniqueFd> stdio)> want_run;
    std::function<void(uint32_t)> end_run;
    std::function<void(broker::Rests)> rests;
    std::function<void(uint64_t state)> advanced;
    std::function<void(uint64_t total_ms)> slept;
  };
  // `listener` stays the caller's; `ring` is inherited; `script` counts where `begin` says so. Errors: it could not be
  // started.
  static Result<BrokerChild> start(const broker::Begin& begin, const std::string& rules, const std::string& script,
                                   const UniqueFd& listener, const UniqueFd& ring);

  int fd() const { return socket_.get(); }
  // What of fd() to poll for.
  short events() const;
  // To be called when fd() is readable. False: it is gone.
  bool receive(const Events& events);
  // To be called when fd() can be written. False: it reads nothing of what it asks for, and is to be ended.
  bool send();
  // The kernel takes nothing for now, for want of memory or for descriptors in flight: send() again in a while.
  bool waits_for_kernel() const { return short_of_ != 0; }
  // What it says to people, on its standard error: read whenever complaints() is readable, and once more after end().
  // Bounded; its words are an agent's.
  int complaints() const { return complaints_ ? complaints_.get() : -1; }
  std::string read_complaints();

  // Answers never wait for it: what it does not read yet is kept, up to a bound.
  void answer(const broker::AllRecorded& recorded);
  void answer(const broker::Identity& identity, std::vector<UniqueFd> trees);
  // Errors: ETOOMANYREFS; it was told nothing then.
  Result<void> answer(const broker::RunStarted& started, UniqueFd listener);
  void answer(const broker::RunEnded& ended);
  void advance(const broker::Advance& to);

  // It is to give up what is under way, to send what it has to say and to end. Answered meanwhile as before.
  void finish();
  // Ends it, and waits until it has, 2 s at most. True: it had ended as finish() told it to, having said all that it
  // had to say.
  bool end();

 private:
  bool is_heard() const { return !is_stuck_ || is_finishing_; }
  void put(std::string words, std::vector<UniqueFd> fds = {});

  UniqueFd socket_, complaints_, pidfd_;
  size_t complained_ = 0;
  pid_t pid_ = -1;
  Outbox unread_;
  // It reads nothing any more. That is an end, unless it was told to end: then it says what it has to say first.
  bool is_stuck_ = false;
  int short_of_ = 0;  // errno
  bool is_finishing_ = false, has_said_all_ = false;
};

}  // namespace alos::host
