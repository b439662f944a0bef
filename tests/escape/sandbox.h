#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/escape/host.h"
#include "tests/escape/table.h"

namespace alos::escape {

// Something that runs payloads. Another one is added by a prefix of its own and what is expected of it.
struct Sandbox {
  std::string name;
  // The command line up to the payload: {"bwrap", "--ro-bind", "/", "/"}.
  std::function<std::vector<std::string>(const Row&, const Host&)> prefix;
  std::function<Plain(const Row&)> expected;
  // Targets that are others here than those of the host: "NAME=VALUE".
  std::function<std::vector<std::string>(const Row&, const Host&)> targets = {};
  // The limit that this sandbox cannot hold here and therefore names, refusing to start; empty for all other rows.
  std::function<std::string(const Row&)> refuses = {};
  // Why it cannot be had here; empty if it can.
  std::function<std::string()> unavailable = {};
};

Sandbox plain_bwrap();
// The same command lines with the strict filter of a box added: what "seccomp" stands for in the table is stopped by it
// alone.
Sandbox bwrap_with_filter();
// `alos run` with a policy of the tests, started by root or by an ordinary user; every attempt is to be stopped. `who`
// of a row is the sandbox's own.
Sandbox alos_run(Who starter);

// What came of one attempt.
struct Outcome {
  std::string line;    // "ATTEMPT 1.a ... -> escaped read the token"; empty if the payload printed none
  std::string output;  // everything else
  bool escaped = false;
  bool spoke_after_the_end = false;
};

// Runs the row's payload in the sandbox, as the row's user, for 20 seconds at most, and looks at the host for what the
// row's proof asks.
Outcome run(const Sandbox& sandbox, const Row& row, Host& host);

}  // namespace alos::escape
