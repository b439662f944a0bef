#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace alos::broker {

// One word of a command as a script writes it, compared as fnmatch(3) does without flags: `*`, also over '/' and a
// leading dot, `?`, `[a-z]`, `[!a-z]`, and `\c` for the character itself. A character is a UTF-8 sequence, or a byte
// that is part of none.
class WordPattern {
 public:
  static constexpr size_t kMaxBytes = 4096;

  // Errors: {"pattern", text, EINVAL or ENAMETOOLONG, what to write}: a set without its end, or of nothing; a backslash
  // at the end; NUL, which no argument holds.
  static Result<WordPattern> parse(std::string_view text);

  // At most characters of the pattern times characters of the word comparisons, whatever both are: the words are an
  // agent's.
  bool matches(std::string_view word) const;
  // The one word that it matches, where it is one.
  std::optional<std::string> literal() const;
  const std::string& text() const { return text_; }

 private:
  struct Piece {
    enum class Kind : uint8_t { rest, any, set, literal };
    Kind kind = Kind::literal;
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges{};  // of a literal: the one character

    bool fits(char32_t c) const;
  };
  static Result<Piece> parse_set(std::string_view text, size_t& at);

  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace alos::broker
