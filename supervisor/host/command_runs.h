#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "supervisor/box/protocol.h"
#include "syscall-broker/link.h"

namespace alos::host {

// The further boxes of a run, one for each command that its agent has run: asked of the launcher, waited for here (they
// are this process's children), told to the broker. A broker numbers its own; the launcher is told numbers of this
// run's, which no second broker begins again. One thread.
class CommandRuns {
 public:
  struct Told {
    // Nobody can have connected to `listener` yet. Errors: it cannot be told of one that has begun, which is none then.
    std::function<Result<void>(const broker::RunStarted&, UniqueFd listener)> started;
    std::function<void(const broker::RunEnded&)> ended;
  };
  explicit CommandRuns(Told told) : told_(std::move(told)) {}

  // At a time: more than a broker asks for, and few enough that the launcher's socket takes an order for each. One that
  // waited for room in it would meet a launcher that waits to answer.
  static constexpr size_t kMost = 64;

  // Errors of asking are told as those of starting: EEXIST of a number that is under way, EBUSY.
  void want(const UniqueFd& launcher, const broker::WantRun& wanted, std::vector<UniqueFd> stdio);
  void end(const UniqueFd& launcher, uint32_t run);
  // Everything that is under way, because nobody is left to tell: nothing of it is told to who asks next.
  void end_all(const UniqueFd& launcher);
  // Nothing more will be heard of those that have not started: they are told as such.
  void abandon();
  // A report of the launcher's of kind run_started or run_failed.
  void heard(const box::LauncherReport& report, std::vector<UniqueFd> fds);

  // For poll(2), and what it found, in the same order; what was heard in between may have ended some.
  void add_to(std::vector<pollfd>& fds);
  void look(std::span<const pollfd> fds);
  // The first process of each, 0 of one that is still being made.
  std::vector<pid_t> inits() const;

 private:
  struct Run {
    std::optional<uint32_t> asked;  // the broker's number; none once that broker is gone
    UniqueFd pidfd, control;        // none before it has started
    // `released`: its first process was told to start the program.
    bool elevated = false, released = false, executed = false, over = false, told = false;
    int status = 0;
    pid_t init = 0;
  };
  static bool from_init(Run& run);  // whether there was a word
  void reap(uint32_t number, Run& run);
  std::map<uint32_t, Run>::iterator find(uint32_t asked);
  void end(const UniqueFd& launcher, uint32_t number, Run& run);
  void tell_failed(const Run& run, int error, std::string text, bool refused = false);

  Told told_;
  std::map<uint32_t, Run> runs_;  // by the launcher's numbers
  uint32_t last_ = 0;
  std::vector<uint32_t> polled_;  // whose two entries each are polled
};

}  // namespace alos::host
