#pragma once

#include <termios.h>

#include <optional>
#include <string>
#include <string_view>

namespace alos::host {

// The caller's terminal, before a run where there is one, for whoever asks a person something after it. What an agent
// printed may have changed screen, modes and keyboard, and may have made the terminal send answers that look typed; a
// supervisor that was killed leaves it raw.
class Terminal {
 public:
  Terminal();  // remembers the modes of stdin, if it is a terminal

  // Modes as they were, a neutral state written, and whatever is waiting to be read thrown away. Nothing in the
  // background.
  void restore() const;

  // Whether somebody can be asked: stdin and stderr are terminals.
  static bool has_person();
  // The line that answers `question`, asked on stderr of a restored terminal: what was typed before is no answer. None
  // when stdin ends. SIGINT ends the program meanwhile, whatever it does otherwise.
  std::optional<std::string> ask(const std::string& question) const;

 private:
  std::optional<termios> modes_;
};

// Ends strings that were left open, shows the ordinary screen and cursor, turns reports of mouse, focus and pastes off,
// and resets keyboard, character sets, colours and margins (ECMA-48; xterm's ctlseqs for the private modes). Moves no
// cursor.
extern const std::string_view kNeutral;

}  // namespace alos::host
