#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/pattern.h"

namespace alos::policy {

// A pattern below a literal path: what a deny says of the place that a symbolic link leads to. "/w/**/.ssh/id*" through
// the link "/w/a/.ssh" to "/w/keys" is "id*" at "/w/keys". The path may be of any length and hold any bytes.
class PatternAt {
 public:
  // What remains of a pattern when "**" has taken the link as one of the components that it stands for.
  enum class AnyDepth : uint8_t {
    skip,   // nothing: such a pattern matches where the link leads by itself, if it lies in the pattern's reach
    carry,  // "**" with all after it
  };

  explicit PatternAt(const Pattern& pattern) : PatternAt("", pattern) {}
  // Exactly `path`.
  static PatternAt exactly(std::string path) { return {std::move(path), std::nullopt}; }

  // As of Pattern.
  bool matches(std::string_view path) const;
  bool may_match_below(std::string_view dir) const;
  std::string literal_prefix() const;
  bool literal() const { return !rest_ || rest_->shape() == Pattern::Shape::literal; }
  // "d/**": what it matches may be matched for no name of its own, only for where it lies.
  bool ends_in_tree() const { return rest_ && !rest_->segments().empty() && rest_->segments().back().any_depth(); }

  // What this says of paths that begin with `link`, said of `target`, which the link leads to. Nothing of the link
  // alone: that is matches(link).
  std::vector<PatternAt> through(std::string_view link, std::string_view target, AnyDepth any_depth) const;
  // Whether through(link, ..., AnyDepth::skip) is more than nothing; cheap, for each link of a tree.
  bool leads_through(std::string_view link) const;

  // Two that are equal by this match the same.
  std::string text() const { return root_ + (rest_ ? "\n" + rest_->text() : ""); }

 private:
  PatternAt(std::string root, std::optional<Pattern> rest);
  // The part of `path` that the rest is matched with; nothing: it does not lie at the root.
  std::optional<std::string_view> below_root(std::string_view path) const;

  std::string root_;             // "" for "/"
  std::optional<Pattern> rest_;  // of "/" and what is below the root; none: the root alone
  std::vector<Pattern> begins_;  // of the rest: its first component, its first two, ..., without the last
};

}  // namespace alos::policy
