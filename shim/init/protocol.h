#pragma once

#include <cstdint>

namespace alos::init {

// Fixed structs between alos-init and the supervisor, over a SEQPACKET socket that init holds as descriptor 3. A
// message of another size ends the box.

// Supervisor -> init. End of file ends the box.
struct Order {
  enum class Kind : uint8_t {
    go,
    signal,      // value: its number, for the program's process group
    signal_all,  // value: its number, for every process of the box but init
  };
  Kind kind = Kind::go;
  int32_t value = 0;
};

// Init -> supervisor.
struct Report {
  enum class Kind : uint8_t {
    started,      // value: the program's pid in the box
    not_started,  // value: errno of the last attempt to execute it, or ELIBACC where the file is there and its
                  // interpreter is not; never executed
    stopped,      // value: the signal
    continued,
    ended,  // value: wait status (waitpid(2)); sent once, init ends after it
  };
  Kind kind = Kind::started;
  int32_t value = 0;
};

}  // namespace alos::init
