#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/archive.h"
#include "syscall-broker/word_pattern.h"

// What stands for the real providers in a test: answers to commands that do not run, and errors of files. It comes with
// the order of the run, never from its box, and decides nothing: a call is checked, decided on, reserved and recorded
// as ever before its script is asked.
namespace alos::broker {

// What a line can answer: commands, and every primitive of files.
inline constexpr std::string_view kScriptedRun = "shell.run";
inline constexpr std::array<std::string_view, 10> kScriptedFiles{"fs.read", "fs.write", "fs.append", "fs.list",
                                                                 "fs.stat", "fs.mkdir", "fs.remove", "fs.rename",
                                                                 "fs.copy", "fs.open"};

// The hint of an error that is its.
inline constexpr std::string_view kScriptSaysSo = "the script of this run says so";

struct ScriptLine {
  std::string call;
  std::vector<WordPattern> argv;        // of a command: its program, and each of its arguments
  bool any_rest = false;                // whatever further words there are
  std::optional<policy::Pattern> path;  // of a file: what is reached
  int32_t fails = 0;                    // errno; 0: it does not fail, and ends with
  int32_t status = 0;                   // this, as of waitpid(2)
  std::string out, err;
  uint64_t takes_ms = 0;
  uint32_t times = 0;  // how often it answers; 0: without end
};

template <class A>
void fields(A& a, WordPattern& pattern) {
  policy::as_text(a, pattern);
}
template <class A>
void fields(A& a, ScriptLine& line) {
  a(line.call, line.argv, line.any_rest, line.path, line.fails, line.status, line.out, line.err, line.takes_ms,
    line.times);
}

// The lines of one run, tried in order: the first that fits and is not used up answers. Lines are named by their place,
// from 0. What is used up is known to this process alone: a broker that is started again in the same run begins anew.
class Script {
 public:
  explicit Script(std::vector<ScriptLine> lines = {});
  bool empty() const { return lines_.empty(); }

  // A program: as it was asked for, the path that this leads to, and the file that is there after links. The first
  // pattern of a line is compared with the base names of word and file; one with a '/' with path and file.
  struct Program {
    std::string_view word, path, file;
  };
  std::optional<size_t> line_for(const Program& program, std::span<const std::string> arguments) const;
  // `call`: "fs.write".
  std::optional<size_t> line_for(std::string_view call, std::string_view reached) const;
  const ScriptLine& use(size_t line);

  // Where a program that the box does not have is taken to be: the first pattern that is a path without wildcards and
  // is what was asked for, or has the name that was; used up or not. Empty: nowhere.
  std::string place_of(std::string_view asked) const;

 private:
  bool is_left(size_t line) const { return lines_[line].times == 0 || used_[line] < lines_[line].times; }

  std::vector<ScriptLine> lines_;
  std::vector<uint32_t> used_;
};

}  // namespace alos::broker
