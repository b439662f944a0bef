#pragma once

#include <cstdint>
#include <string_view>

namespace alos::init {

// What a directory is gathered under that is being renamed, with two numbers: ".rename-7-0". One is left in the layer
// when that is ended in its middle.
inline constexpr std::string_view kRenamePrefix = ".rename-";

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
