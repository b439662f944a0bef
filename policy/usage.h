#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/pattern.h"

namespace alos::policy {

// What a value of a command line may be. None begins with '-'; none is empty or holds control characters.
enum class ArgumentType : uint8_t {
  integer,     // int: digits
  word,        // letters, digits and . _ - + @ = : with a letter, digit, '_' or '.' first; not "." or ".."
  ref,         // a git reference: no "..", no "@{", nothing that names a range or forces
  path_read,   // path:r, relative or absolute: the caller must be allowed to read the file
  path_write,  // path:w: the caller must be allowed to write it
  host,        // host name or address, with or without a port
  glob,        // <name:*.txt>: one component that the glob matches
};
std::string_view name(ArgumentType type);
constexpr bool is_path(ArgumentType type) {
  return type == ArgumentType::path_read || type == ArgumentType::path_write;
}

// A value that an argument gave.
struct Binding {
  std::string name;
  ArgumentType type = ArgumentType::word;
  size_t position = 0;  // of its word in the arguments, from 0
  std::string value;    // without what stands before it in its word, as "--env="
};

// The first word that does not fit; at the number of the arguments: something is missing at the end.
struct Mismatch {
  size_t position = 0;
  std::string reason;
};

// The usage line of a man page: the program, then
//
//  - word: itself; a '\' takes the meaning of the next character
//  - <name:type>: a value: int, word, ref, path:r, path:w, host, or a glob as <name:*.txt>
//  - key=<name:type>: both in one word
//  - [x]: x or nothing
//  - a|b of single words, without spaces; (a b | c) and [a b | c] of several, with spaces: one of them
//  - x...: once or more; [x]...: any number of times
//  - --: ends the options
//
// What begins with '-' is an option: alone, in brackets by itself with its values, as [-n <count:int>] or
// [--from <x:word> | --all], or in parentheses where it must be given. Options come in any order, before "--", and not
// before a plain word that stands before them here (a subcommand). Nothing else may be given: no option that is not
// here, none cut short or joined, none twice without "...".
//
// A lone "..." at the end stands for any words whatever: for denies only (open_ended).
class Usage {
 public:
  static constexpr size_t kMaxBytes = 2048, kMaxDepth = 8, kMaxElements = 128, kMaxArguments = 1024;

  // Errors: {"usage", text, EINVAL, what is wrong, where, and what to write}; E2BIG beyond what is above.
  static Result<Usage> parse(std::string_view text);
  // Text that stands for exactly `literal` where it is put into a usage line.
  static std::string escape(std::string_view literal);

  const std::string& text() const { return text_; }
  const std::string& program() const { return program_; }  // the first word, absolute and canonical
  bool open_ended() const { return open_ended_; }
  // Whether any of its words is a value of this type.
  bool takes(ArgumentType type) const;

  // What an allow asks: `arguments` (without argv[0]) are what the line says, and what its values are bound to; where
  // several ways fit, the first as written. At most arguments x elements steps, whatever is given.
  std::expected<std::vector<Binding>, Mismatch> match(std::span<const std::string> arguments) const;
  // What a deny asks, on the safe side: as match(), but options that the line does not name, and what may be their
  // values, are passed over. More arguments than kMaxArguments are covered.
  bool covers(std::span<const std::string> arguments) const;

 private:
  friend class UsageParser;
  friend class UsageMatcher;
  // One word: literal text, then a value where `valued`.
  struct Word {
    std::string literal;
    bool valued = false;
    std::string name;
    ArgumentType type = ArgumentType::word;
    Pattern::Segment glob{};

    bool fits(std::string_view word) const;
    std::string text() const;
  };
  using Choice = std::vector<Word>;  // one of them
  struct Form {                      // of an option: its name, and the words after it
    Word head;
    std::vector<Choice> values;
  };
  struct Option {
    std::vector<Form> forms;
    bool required = false, repeated = false;
    size_t earliest = 0;  // element that may be reached before it
  };
  // A state of the automaton over what is no option.
  struct State {
    enum class Kind : uint8_t { word, split, any, end };
    Kind kind = Kind::end;
    size_t next = 0, other = 0;
    size_t element = 0;  // of the line's own elements
    Word word{};
  };

  std::string text_, program_;
  std::vector<State> states_;
  size_t start_ = 0;
  std::vector<Option> options_;
  bool open_ended_ = false;
};

}  // namespace alos::policy
