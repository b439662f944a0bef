#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace alos::policy {

// One absolute path pattern of the language (policy.md, "Paths"). Usable alone: by the launcher's walk for what is to
// be masked, and by apply for what may leave a layer, so that all of them mean the same by the same text.
//
//   *    any characters within one component, also none, also a leading dot; never '/'
//   **   as a whole component: zero or more components, so "d/**" includes d
//   \c   the character c itself
//
// '?', '[' and '{' are refused unless escaped: who writes them expects shell globbing, and a deny that silently matched
// only the literal text would fail open. Comparison is by bytes: no case folding, no Unicode normalisation.
class Pattern {
 public:
  enum class Shape : uint8_t { literal, tree, glob };  // "/a/b", "/a/b/**", anything else

  // One component: no piece is "**", one piece is literal text, more are the texts between the stars.
  struct Segment {
    std::vector<std::string> pieces;

    bool any_depth() const { return pieces.empty(); }
    bool literal() const { return pieces.size() == 1; }
    bool matches(std::string_view component) const;
    std::string text() const;
  };

  // Errors: {"pattern", text, EINVAL or ENAMETOOLONG, what is wrong and what to write}: relative, "." or ".." or an
  // empty component, trailing slash or backslash, "**" beside other characters, NUL, a component that no name can have.
  static Result<Pattern> parse(std::string_view text);
  // Text that matches exactly `literal` where it is put into a pattern.
  static std::string escape(std::string_view literal);

  // `path` is canonical (base/paths.h). At most segments x components comparisons, whatever the pattern: "**" only ever
  // returns to the last one before.
  bool matches(std::string_view path) const;
  // Some path strictly below the canonical directory `dir` may match: a walk may skip `dir`'s contents otherwise.
  bool may_match_below(std::string_view dir) const;
  // What is left of it to be matched below the canonical directory `dir`, as texts; "" where `dir` itself matches. Two
  // directories of which that is the same are told apart by nothing in them.
  std::set<std::string> left_below(std::string_view dir) const;
  // Every path that `other` matches is matched by this. Never wrongly true; may be false for unusual pairs of globs
  // whose inclusion needs a case distinction.
  bool includes(const Pattern& other) const;
  // Some canonical path is matched by both; exact.
  bool overlaps(const Pattern& other) const;

  // The pattern as written, "**/**" folded.
  const std::string& text() const { return text_; }
  Shape shape() const { return shape_; }
  // No "**" but a final one: expanding it on a directory tree reads one directory a component.
  bool expandable() const;
  // The longest leading path without a wildcard, unescaped: "/a/b" for all of "/a/b", "/a/b/**" and "/a/b/*.c".
  std::string literal_prefix() const;
  const std::vector<Segment>& segments() const { return segments_; }

 private:
  std::string text_;
  std::vector<Segment> segments_;
  Shape shape_ = Shape::literal;
};

}  // namespace alos::policy
