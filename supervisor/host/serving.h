#pragma once

#include <poll.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "supervisor/box/protocol.h"
#include "supervisor/host/broker_child.h"
#include "supervisor/host/call_record.h"
#include "supervisor/host/clock_driver.h"
#include "supervisor/host/command_runs.h"
#include "supervisor/host/order.h"
#include "supervisor/host/run_record.h"

namespace alos::host {

// How a run's primitives are served, as its supervisor sees it: a broker from the first connection on, started again
// when it ends; for it, the agent's identity and boxes for commands of the launcher's, the record of what it does, and
// the time. One thread.
class Serving {
 public:
  // All of them outlive it. `launcher`: without it nothing more is asked for. `ring`: the file ring.
  Serving(const SupervisorOrder& order, const UniqueFd& launcher, UniqueFd ring, RunRecord& record, Events& events,
          RunClock& clock);

  // The box has a socket for primitives. `init`: its first process.
  void begin(UniqueFd listener, pid_t init);

  // For poll(2), and what it found; the same entries.
  void add_to(std::vector<pollfd>& fds);
  void look(std::span<const pollfd> fds);
  // A report of the launcher's that is about primitives.
  void heard(const box::LauncherReport& report, std::vector<UniqueFd> fds);

  // When to call look_at_time(), and that. `wall_end_ns`: when the run is over.
  std::optional<int64_t> next_look_ns() const { return retry_ns_ ? retry_ns_ : driver_.next_look_ns(); }
  void look_at_time(std::optional<int64_t> wall_end_ns);

  // The box is gone: a broker that ends is no event.
  void box_is_gone() { box_gone_ = true; }
  // Its last records are still to come; nothing is served meanwhile, because nobody is left in the box.
  void end();
  // Whether a broker ended otherwise than when it was told to: what it had decided and not yet said is in no record.
  bool lost_records() const { return lost_records_; }
  // None where nothing was ever served.
  const std::optional<CallRecord>& calls() const { return calls_; }

 private:
  void try_again();
  void start_broker();
  void no_broker(const std::string& why);
  void from_broker();
  void broker_gone();
  void say_complaints();
  void want_identity();
  void identity_found(const box::LauncherReport& report, std::vector<UniqueFd> fds);

  const SupervisorOrder& order_;
  const UniqueFd& launcher_;
  UniqueFd ring_;
  RunRecord& record_;
  Events& events_;
  RunClock& clock_;
  ClockDriver driver_;
  UniqueFd listener_;  // of the box
  pid_t init_ = 0;
  bool box_gone_ = false;
  // Whether the launcher was asked for one that was not told yet, and whether this broker has had its own: each gets
  // trees to mount, once.
  bool identity_ordered_ = false;
  bool identity_wanted_ = false, identity_given_ = false, identity_again_ = false;  // by and to this broker
  std::optional<BrokerChild> broker_;
  std::optional<CallRecord> calls_;
  uint64_t broker_starts_ = 0;
  std::optional<int64_t> retry_ns_;  // of what the kernel had no room for; until then no broker is started
  uint64_t slept_ms_ = 0;            // of the policy's total, by all brokers
  bool lost_records_ = false;
  CommandRuns runs_;
};

}  // namespace alos::host
