#include "syscall-broker/word_pattern.h"

#include <algorithm>

#include "base/paths.h"

namespace alos::broker {
namespace {

// The character at `at`, which moves behind it. Bytes that are no UTF-8 lie beyond all characters.
char32_t take_character(std::string_view text, size_t& at) {
  constexpr char32_t kBytes = 0x110000;
  char32_t out = 0;
  const size_t size = decode_utf8(text.substr(at), out);
  if (size == 0) out = kBytes + static_cast<unsigned char>(text[at]);
  at += std::max<size_t>(size, 1);
  return out;
}

std::unexpected<Error> refuse(std::string_view text, std::string_view hint, int code = EINVAL) {
  return fail("pattern", printable(text), code, hint);
}

}  // namespace

bool WordPattern::Piece::fits(char32_t c) const {
  if (kind == Kind::any) return true;
  const bool found =
      std::ranges::any_of(ranges, [c](const auto& range) { return range.first <= c && c <= range.second; });
  return found != negated;
}

// `at`: behind the '['.
Result<WordPattern::Piece> WordPattern::parse_set(std::string_view text, size_t& at) {
  constexpr std::string_view kOpen =
      "'[' begins a set of characters: close it by ']', or write '\\[' for the character";
  Piece out;
  out.kind = Piece::Kind::set;
  if (at < text.size() && (text[at] == '!' || text[at] == '^')) out.negated = true, ++at;
  const auto character = [&]() -> Result<char32_t> {
    if (at < text.size() && text[at] == '\\') ++at;
    if (at >= text.size()) return refuse(text, kOpen);
    return take_character(text, at);
  };
  for (bool first = true; first || at >= text.size() || text[at] != ']'; first = false) {
    if (text.substr(std::min(at, text.size())).starts_with("[:"))
      return refuse(text, "classes as [:alpha:] are not known: write their characters, as in [a-z]");
    const char32_t from = TRY(character());
    char32_t to = from;
    if (at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']') ++at, to = TRY(character());
    if (to < from) return refuse(text, "a range goes upwards, as in [a-z]");
    out.ranges.emplace_back(from, to);
  }
  ++at;
  return out;
}

Result<WordPattern> WordPattern::parse(std::string_view text) {
  if (text.size() > kMaxBytes) return refuse(text.substr(0, 64), "at most 4096 bytes", ENAMETOOLONG);
  if (text.find('\0') != text.npos) return refuse(text, "no argument holds a NUL");
  WordPattern out;
  out.text_ = text;
  for (size_t at = 0; at < text.size();) {
    Piece piece;
    if (text[at] == '*') {
      piece.kind = Piece::Kind::rest;
      ++at;
      if (!out.pieces_.empty() && out.pieces_.back().kind == Piece::Kind::rest) continue;
    } else if (text[at] == '?') {
      piece.kind = Piece::Kind::any;
      ++at;
    } else if (text[at] == '[') {
      piece = TRY(parse_set(text, ++at));
    } else {
      if (text[at] == '\\') ++at;
      if (at == text.size()) return refuse(text, "write '\\\\' for a backslash");
      const char32_t c = take_character(text, at);
      piece.ranges.emplace_back(c, c);
    }
    out.pieces_.push_back(std::move(piece));
  }
  return out;
}

// What did not fit after a '*' is tried again one character later; an earlier '*' need not be gone back to.
bool WordPattern::matches(std::string_view word) const {
  size_t at = 0, piece = 0;
  std::optional<size_t> rest;  // the piece after the last '*', and where in the word it was tried
  size_t tried = 0;
  while (at < word.size() || piece < pieces_.size()) {
    if (piece < pieces_.size() && pieces_[piece].kind == Piece::Kind::rest) {
      rest = ++piece;
      tried = at;
      continue;
    }
    if (piece < pieces_.size() && at < word.size()) {
      size_t next = at;
      if (pieces_[piece].fits(take_character(word, next))) {
        at = next;
        ++piece;
        continue;
      }
    }
    if (!rest || tried == word.size()) return false;
    (void)take_character(word, tried);
    at = tried;
    piece = *rest;
  }
  return true;
}

std::optional<std::string> WordPattern::literal() const {
  std::string out;
  for (size_t at = 0; at < text_.size(); ++at) {
    if (std::string_view("*?[").find(text_[at]) != std::string_view::npos) return std::nullopt;
    if (text_[at] == '\\') ++at;
    out += text_[at];
  }
  return out;
}

}  // namespace alos::broker
