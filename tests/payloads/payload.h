#pragma once

#include <cerrno>
#include <span>
#include <string>
#include <string_view>

// What all payloads share. A payload is run as `NAME ATTEMPT`, inside a sandbox only, makes one attempt for real and
// prints
//
//   ATTEMPT 1.a read a secret by path -> escaped read the token
//
// escaped: with evidence in hand, such as the secret's content. stopped: with the errno or what else stood in the way.
// left: something was written or started, and only the host can tell whether it is really there.
// What to attack comes by ESCAPE_* targets (tests/escape/host.h). Every attempt is bounded in time and in what it uses,
// and leaves alone what it was not pointed at.
namespace payload {

struct Outcome {
  enum class Verdict { escaped, stopped, left } verdict;
  std::string detail;
};
Outcome escaped(std::string_view evidence);
Outcome stopped(std::string_view reason);
Outcome stopped_by_errno(std::string_view operation, int error = errno);
Outcome left(std::string_view what);

struct Attempt {
  std::string_view id;  // threat number and a letter
  std::string_view what;
  Outcome (*make)();
};

// main() of a payload. The attempt is made in a child with 8 seconds, so that a killing filter is seen and reported
// ("killed by SIGSYS"). Returns 0 when a line was printed.
int run(int argc, char** argv, std::span<const Attempt> attempts);

// A variable that names a target; the payload ends with status 2 where it is not set.
std::string target(const char* variable);

// The beginning of what every secret holds.
inline constexpr std::string_view kToken = "alos-escape-token-";
Outcome judge_content(std::string_view content);  // escaped if the token is in it
Outcome judge_descriptor(int fd);                 // reads it; -1: stopped by errno of the open
Outcome read_and_judge(const std::string& path);

// "escaped `evidence`" if a call answered well, else stopped by its errno.
Outcome judge_call(long answer, std::string_view operation, std::string_view evidence);

// Runs `attempt` as root of a user namespace (and `more` namespaces) of its own, where capabilities are to be had.
Outcome in_nested_namespace(int more, Outcome (*attempt)());

}  // namespace payload
