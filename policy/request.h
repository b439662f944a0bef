#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/rules.h"

namespace alos::policy {

// What is decided on: one operation on one resource, canonical by construction, because a path that could be spelled in
// two ways would meet an allow by one and miss a deny by the other.
class Request {
 public:
  enum class Kind : uint8_t { file, network, command, now, sleep };

  // `asked` is the name used, `reached` the file that it leads to: a deny matches either, an allow needs `reached`.
  // Both absolute; made canonical lexically. Errors: {"request", path, EINVAL or ENAMETOOLONG}.
  static Result<Request> file(Right right, std::string_view asked, std::string_view reached);
  static Result<Request> file(Right right, std::string_view path) { return file(right, path, path); }
  // A run of the program at `argv[0]`: the file, absolute, whatever it was called by; whoever asks has followed links
  // and searched PATH before. Errors: as of file; EINVAL for no program and for a NUL.
  static Result<Request> command(std::vector<std::string> argv);
  static Request now();
  static Request sleep(uint64_t milliseconds);  // nothing counts as 1

  // One request line, as in explain, tests, denials and the audit:
  //   fs.read PATH           and the other operations on files; the path is all that follows the first space
  //   net.connect HOST:PORT
  //   shell.run WORD ...     the program's path, its arguments; within '...' every character is itself, outside of it
  //                          after a backslash; no other quotes, and no shell
  //   clock.now
  //   clock.sleep DURATION   as in 6h, 90s
  // Errors: {"request", line, EINVAL, what may be written}; ENOTSUP for kinds of request that belong to the language
  // and are not decided by this version.
  static Result<Request> parse(std::string_view line);
  // What parse() reads as this request.
  std::string text() const;
  // The same for people and records: on one line, with nothing that deceives or is not seen, and another for each.
  // Where a name has such, or a backslash, this is not what parse() reads: it escapes nothing in a path.
  std::string shown() const;

  Kind kind() const { return kind_; }
  // Of a file.
  Right right() const { return right_; }
  const std::string& asked() const { return asked_; }
  const std::string& reached() const { return reached_; }
  // Of a command.
  const std::vector<std::string>& argv() const { return argv_; }
  const std::string& program() const { return argv_[0]; }
  std::span<const std::string> arguments() const { return std::span(argv_).subspan(1); }
  // Of clock.sleep.
  uint64_t milliseconds() const { return milliseconds_; }

 private:
  explicit Request(Kind kind) : kind_(kind) {}
  std::string with_names(std::string (*as)(std::string_view)) const;  // of files, hosts and words

  Kind kind_;
  Right right_ = Right::read;
  std::string asked_;  // of a network request: HOST:PORT
  std::string reached_;
  std::vector<std::string> argv_;
  uint64_t milliseconds_ = 0;
};

// "fs.read" for Right::read, and so on.
std::string_view operation(Right right);
// One word of a command in a request line, in quotes where it needs them.
std::string quote_word(std::string_view word);

}  // namespace alos::policy
