#pragma once

#include <span>
#include <string_view>

#include "tests/escape/host.h"

// The attacks, one row each. To add one: write the attempt in tests/payloads (a line in a program's table, and the
// program's name in its CMakeLists.txt if it is new), then a row here.
namespace alos::escape {

// Plain bubblewrap as people use it: everything readable, the workspace writable, nothing unshared that need not be.
inline constexpr std::string_view kPlain = "--ro-bind / / --bind {workspace} {workspace} --dev /dev --proc /proc";

// Whether the attempt gets through under the row's bubblewrap. Most do, where bubblewrap was not told to build that
// wall: it is how we know that the payload attacks at all. `why` says for the others: `stopped`, which wall even plain
// bubblewrap has; `depends`, what of the kernel decides. Where that is against the attempt nothing is shown, and the
// test says so by a skip.
enum class Plain : uint8_t { escapes, stopped, depends };

// What shows that an attempt got through.
enum class Proof : uint8_t {
  said,          // the payload, with evidence in hand
  left,          // `place` exists on the host afterwards
  file_changed,  // the victim's file is not empty any more
  signalled,     // the victim noted a signal
  datagram,      // a service outside received one
  alive,         // a process spoke after the sandbox had ended
  marked,        // the payload's mark is in, or is the name of, a file of what confines it
};

enum class Terminal : uint8_t { no, yes };  // started from a terminal of its own
enum class Careless : uint8_t { no, yes };  // started with descriptors of the host left open

struct How {
  std::string_view why = {};  // but for Plain::escapes
  std::string_view bwrap = kPlain;
  Proof proof = Proof::said;
  std::string_view place = {};  // for Proof::left, below the host's directory
  Who who = Who::user;
  Terminal terminal = Terminal::no;
  Careless careless = Careless::no;
  // What the box is allowed at most of what is attacked: a number, bytes, or thousandths of a core.
  long limit = 0;
};

struct Row {
  std::string_view attempt;     // threat and letter, unique together with `how.who`
  std::string_view payload;     // program in tests/payloads
  std::string_view stopped_by;  // the layers that alos has against it, strongest first
  Plain plain;
  How how = {};
};

std::span<const Row> table();

}  // namespace alos::escape
