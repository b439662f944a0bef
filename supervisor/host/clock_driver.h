#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "supervisor/host/events.h"
#include "supervisor/host/run_clock.h"
#include "syscall-broker/link.h"

namespace alos::host {

// Moves a run's given clock: by orders from outside, and to the next time that is waited for when everything in the run
// waits in a primitive. The broker says that it has nothing to do until then; whether its clients have neither is
// looked for here, and the broker has the last word, because what they have just sent may not have reached it. Each
// move is an event. One thread.
class ClockDriver {
 public:
  ClockDriver(RunClock& clock, Events& events) : clock_(clock), events_(events) {}

  // The orders that can be read now, carried out. True: the clock was moved, and the broker is to be told.
  bool follow_orders();

  // The broker's last word: it rests, or has more to do (or is gone).
  void rests(broker::Rests rests);
  void works() { rests_.reset(), asked_.reset(); }

  // When to look whether all wait, as CLOCK_BOOTTIME; none: not at all.
  std::optional<int64_t> next_look_ns() const;
  // Looks. `inits`: the first process of each box, 0 of one that is still being made; `wall_end_ns`: when the run is
  // over. What to ask the broker, if they do.
  std::optional<broker::Advance> look(std::vector<pid_t> inits, std::optional<int64_t> wall_end_ns);
  // It is still so, says the broker.
  void advanced(uint64_t state);

 private:
  void move(int64_t to_ns, std::string_view by);

  RunClock& clock_;
  Events& events_;
  std::optional<broker::Rests> rests_;    // the broker's last word, if it was that
  std::optional<broker::Advance> asked_;  // of it, and not answered
  int64_t look_ns_ = 0, share_ns_ = 0;    // the earliest next look; the same after other news
  bool blind_ = false;                    // whether processes wait cannot be seen here
  uint64_t moves_ = 0;
};

}  // namespace alos::host
