#pragma once

#include <sys/types.h>
#include <termios.h>

#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace alos::host {

// Between the caller's terminal and the box's pty. The box never holds the caller's terminal itself: whatever it writes
// passes here, and nothing it does to its own terminal (TIOCSTI, modes) reaches the caller's.
//
// While it lives the caller's terminal is raw, when it is read from; modes are put back on destruction, and by
// suspend().
class Relay {
 public:
  static constexpr size_t kLogBytes = 4 << 20;  // of what the box wrote, from its beginning

  // `mask`: bits 0 to 2 say which of stdin, stdout, stderr are terminals that the pty stands for.
  Relay(UniqueFd master, uint8_t mask, int log);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  int master() const { return master_.get(); }
  int input() const { return reads_ ? 0 : -1; }
  bool wants_input() const { return reads_ && to_box_.size() < kRoom; }
  // A terminal that nobody reads stops the box's output, never the supervisor: its limits go on being kept.
  bool wants_output() const { return to_terminal_.size() < kRoom; }
  int output() const { return to_terminal_.empty() ? -1 : out_; }
  bool wants_write() const { return !to_box_.empty(); }

  void from_terminal();  // stdin is readable
  bool from_box();       // the master is readable; false at its end
  void to_box();         // the master is writable
  void to_terminal();    // output() is writable
  void drain();          // what the box wrote before it ended: what a pty holds, whoever writes on
  void resize();         // SIGWINCH
  void suspend();        // the caller's modes back, before the supervisor stops itself
  void resume();

 private:
  static constexpr size_t kRoom = 65536;
  ssize_t carry(size_t most);  // one read of the master
  void keep(const char* data, size_t size);

  UniqueFd master_;
  int out_ = -1;
  int log_ = -1;
  size_t logged_ = 0;
  bool reads_ = false;
  std::optional<termios> modes_;
  std::string to_box_, to_terminal_;
  UniqueFd own_out_;
};

}  // namespace alos::host
