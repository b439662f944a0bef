#include "policy/pattern.h"

#include <fmt/format.h>
#include <limits.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "base/paths.h"

namespace alos::policy {
namespace {

using Segment = Pattern::Segment;

std::unexpected<Error> refuse(std::string_view text, std::string_view hint, int code = EINVAL) {
  return fail("pattern", printable_text(text), code, hint);
}

// Stands for "*" among the characters of a component.
constexpr char16_t kStar = 0x100;

std::u16string symbols(const Segment& segment) {
  std::u16string out;
  for (size_t i = 0; i < segment.pieces.size(); ++i) {
    if (i > 0) out += kStar;
    for (const char c : segment.pieces[i]) out += static_cast<unsigned char>(c);
  }
  return out;
}

// The two questions about a pair of sequences with stars, the same for characters of a component and for components of
// a path; tables instead of recursion, so that no pair is expensive.
template <class Sequence, class Star, class Element>
bool sequence_includes(const Sequence& outer, const Sequence& inner, Star is_star, Element element_includes) {
  const size_t n = outer.size(), m = inner.size();
  std::vector<char> table((n + 1) * (m + 1), 0);
  const auto at = [&](size_t i, size_t j) -> char& { return table[i * (m + 1) + j]; };
  at(n, m) = 1;
  for (size_t i = n; i-- > 0;)
    for (size_t j = m + 1; j-- > 0;) {
      if (is_star(outer[i]))
        at(i, j) = at(i + 1, j) || (j < m && at(i, j + 1));
      else
        at(i, j) = j < m && !is_star(inner[j]) && element_includes(outer[i], inner[j]) && at(i + 1, j + 1);
    }
  return at(0, 0);
}

template <class Sequence, class Star, class Element>
bool sequence_overlaps(const Sequence& a, const Sequence& b, Star is_star, Element element_overlaps) {
  const size_t n = a.size(), m = b.size();
  std::vector<char> table((n + 1) * (m + 1), 0);
  const auto at = [&](size_t i, size_t j) -> char& { return table[i * (m + 1) + j]; };
  for (size_t i = n + 1; i-- > 0;)
    for (size_t j = m + 1; j-- > 0;) {
      const bool more_a = i < n, more_b = j < m;
      if (!more_a && !more_b)
        at(i, j) = 1;
      else if (more_a && is_star(a[i]))
        at(i, j) = at(i + 1, j) || (more_b && at(i, j + 1));
      else if (more_b && is_star(b[j]))
        at(i, j) = at(i, j + 1) || (more_a && at(i + 1, j));
      else
        at(i, j) = more_a && more_b && element_overlaps(a[i], b[j]) && at(i + 1, j + 1);
    }
  return at(0, 0);
}

bool is_char_star(char16_t c) {
  return c == kStar;
}
bool is_tree(const Segment& s) {
  return s.any_depth();
}

bool component_includes(const Segment& outer, const Segment& inner) {
  return sequence_includes(symbols(outer), symbols(inner), is_char_star, std::equal_to<>());
}

bool component_overlaps(const Segment& a, const Segment& b) {
  return sequence_overlaps(symbols(a), symbols(b), is_char_star, std::equal_to<>());
}

// Walks the components of a canonical path.
class Components {
 public:
  explicit Components(std::string_view path) : path_(path == "/" ? std::string_view() : path) { measure(); }
  bool end() const { return at_ >= path_.size(); }
  std::string_view now() const { return path_.substr(at_ + 1, size_); }
  void next() {
    at_ += size_ + 1;
    measure();
  }

 private:
  void measure() {
    if (end()) return;
    size_ = std::min(path_.find('/', at_ + 1), path_.size()) - at_ - 1;
  }
  std::string_view path_;
  size_t at_ = 0, size_ = 0;
};

Result<Segment> parse_component(std::string_view part, std::string_view whole) {
  if (part.empty()) return refuse(whole, "an empty component: write one '/' between names and none at the end");
  if (part == ".." || part == ".") return refuse(whole, "'.' and '..' are not followed: write the path itself");
  if (part == "**") return Segment{};
  Segment out{{""}};
  for (size_t i = 0; i < part.size(); ++i) {
    const char c = part[i];
    if (c == '*') {
      if (i + 1 < part.size() && part[i + 1] == '*')
        return refuse(whole, "'**' stands alone between slashes: write '**/*name*' for names at any depth");
      out.pieces.emplace_back();
    } else if (c == '?' || c == '[' || c == '{') {
      return refuse(whole, fmt::format("'{0}' is no wildcard here: write '\\{0}' for the character, '*' or several "
                                       "paths otherwise",
                                       c));
    } else if (c == '\\' && ++i == part.size()) {
      return refuse(whole, "'\\' at the end of a component escapes nothing: write '\\\\' for the character");
    } else {
      out.pieces.back() += part[i];
    }
  }
  if (out.literal() && (out.pieces[0] == "." || out.pieces[0] == ".."))
    return refuse(whole, "'.' and '..' are not followed: write the path itself");
  size_t least = 0;
  for (const std::string& piece : out.pieces) least += piece.size();
  if (least > NAME_MAX) return refuse(whole, "no file name is longer than 255 bytes", ENAMETOOLONG);
  return out;
}

}  // namespace

bool Segment::matches(std::string_view name) const {
  if (any_depth()) return true;
  const std::string &front = pieces.front(), &back = pieces.back();
  if (literal()) return name == front;
  if (name.size() < front.size() + back.size() || !name.starts_with(front) || !name.ends_with(back)) return false;
  name = name.substr(front.size(), name.size() - front.size() - back.size());
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {  // leftmost is enough: stars on both sides take the rest
    const size_t found = name.find(pieces[i]);
    if (found == name.npos) return false;
    name.remove_prefix(found + pieces[i].size());
  }
  return true;
}

Result<Pattern> Pattern::parse(std::string_view text) {
  if (!text.starts_with('/')) return refuse(text, "paths are absolute or begin with a variable, as in $workspace/**");
  if (text.find('\0') != text.npos) return refuse(text, "no path holds a NUL");
  if (text.size() >= PATH_MAX) return refuse(text, "no path is longer than 4095 bytes", ENAMETOOLONG);
  Pattern out;
  if (text == "/") {
    out.text_ = text;
    return out;
  }
  for (size_t at = 1; at <= text.size();) {
    const size_t end = std::min(text.find('/', at), text.size());
    const std::string_view part = text.substr(at, end - at);
    at = end + 1;
    Segment segment = TRY(parse_component(part, text));
    if (segment.any_depth() && !out.segments_.empty() && out.segments_.back().any_depth()) continue;
    out.segments_.push_back(std::move(segment));
    out.text_.append("/").append(part);
  }
  const auto wild = std::ranges::find_if(out.segments_, [](const Segment& s) { return !s.literal(); });
  if (wild == out.segments_.end())
    out.shape_ = Shape::literal;
  else
    out.shape_ = wild + 1 == out.segments_.end() && wild->any_depth() ? Shape::tree : Shape::glob;
  return out;
}

std::string Pattern::escape(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    if (c == '*' || c == '\\' || c == '?' || c == '[' || c == '{') out += '\\';
    out += c;
  }
  return out;
}

bool Pattern::matches(std::string_view path) const {
  if (!path.starts_with('/')) return false;
  Components at(path), retry(path);
  std::optional<size_t> after_tree;
  for (size_t next = 0;;) {
    if (next < segments_.size() && segments_[next].any_depth()) {
      after_tree = ++next;
      retry = at;
      if (next == segments_.size()) return true;
    } else if (at.end()) {
      return next == segments_.size();
    } else if (next < segments_.size() && segments_[next].matches(at.now())) {
      ++next;
      at.next();
    } else {
      if (!after_tree) return false;
      retry.next();
      at = retry;
      next = *after_tree;
    }
  }
}

bool Pattern::may_match_below(std::string_view dir) const {
  Components at(dir);
  for (const Segment& segment : segments_) {
    if (segment.any_depth() || at.end()) return true;
    if (!segment.matches(at.now())) return false;
    at.next();
  }
  return false;
}

std::string Pattern::Segment::text() const {
  if (any_depth()) return "**";
  std::string out = escape(pieces.front());
  for (size_t i = 1; i < pieces.size(); ++i) out.append("*").append(escape(pieces[i]));
  return out;
}

std::set<std::string> Pattern::left_below(std::string_view dir) const {
  std::set<std::string> out;
  const auto add_from = [&](size_t first) {
    std::string text;
    for (size_t i = first; i < segments_.size(); ++i) text.append(text.empty() ? "" : "/").append(segments_[i].text());
    out.insert(std::move(text));
  };
  Pattern begin;
  for (size_t i = 0;; ++i) {
    if (begin.matches(dir)) {
      add_from(i);
      if (i > 0 && segments_[i - 1].any_depth()) add_from(i - 1);  // "**" goes on
    }
    if (i == segments_.size()) return out;
    begin.segments_.push_back(segments_[i]);
  }
}

bool Pattern::includes(const Pattern& other) const {
  return sequence_includes(segments_, other.segments_, is_tree, component_includes);
}

bool Pattern::overlaps(const Pattern& other) const {
  return sequence_overlaps(segments_, other.segments_, is_tree, component_overlaps);
}

bool Pattern::expandable() const {
  return std::ranges::none_of(segments_.begin(), segments_.empty() ? segments_.end() : segments_.end() - 1, is_tree);
}

std::string Pattern::literal_prefix() const {
  std::string out;
  for (const Segment& segment : segments_) {
    if (!segment.literal()) break;
    out.append("/").append(segment.pieces[0]);
  }
  return out.empty() ? "/" : out;
}

}  // namespace alos::policy
