#include "policy/pattern_at.h"

#include <utility>

#include "base/paths.h"

namespace alos::policy {
namespace {

// The components of a pattern's text. No '/' is ever escaped: it ends a component wherever it stands.
std::vector<std::string> components(const Pattern& pattern) {
  std::vector<std::string> out;
  const std::string& text = pattern.text();
  for (size_t at = 1; at < text.size();) {
    const size_t end = std::min(text.find('/', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// What was a pattern is one also in parts.
Pattern joined(const std::vector<std::string>& parts, size_t first, size_t last) {
  std::string text;
  for (size_t i = first; i < last; ++i) text.append("/").append(parts[i]);
  return *Pattern::parse(text);
}

std::string_view last_component(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

PatternAt::PatternAt(std::string root, std::optional<Pattern> rest) : root_(std::move(root)), rest_(std::move(rest)) {
  if (root_ == "/") root_.clear();
  if (!rest_) return;
  const std::vector<std::string> parts = components(*rest_);
  for (size_t i = 1; i < parts.size(); ++i) begins_.push_back(joined(parts, 0, i));
}

std::optional<std::string_view> PatternAt::below_root(std::string_view path) const {
  if (root_.empty()) return path;
  if (!lies_below(path, root_)) return std::nullopt;
  return path.size() == root_.size() ? "/" : path.substr(root_.size());
}

bool PatternAt::matches(std::string_view path) const {
  if (!rest_) return path == (root_.empty() ? "/" : root_);
  // Most names fail by their end, whatever is before it: in a deep tree that is long.
  const auto& segments = rest_->segments();
  if (!segments.empty() && !segments.back().any_depth() && !segments.back().matches(last_component(path))) return false;
  const auto rest = below_root(path);
  return rest && rest_->matches(*rest);
}

bool PatternAt::may_match_below(std::string_view dir) const {
  if (const auto rest = below_root(dir); rest) return rest_ && rest_->may_match_below(*rest);
  return lies_below(root_, dir);
}

std::string PatternAt::literal_prefix() const {
  std::string prefix = root_;
  if (rest_ && rest_->literal_prefix() != "/") prefix += rest_->literal_prefix();
  return prefix.empty() ? "/" : prefix;
}

std::vector<PatternAt> PatternAt::through(std::string_view link, std::string_view target, AnyDepth any_depth) const {
  std::vector<PatternAt> out;
  const auto rest = below_root(link);
  if (!rest || !rest_) return out;
  const auto& segments = rest_->segments();
  for (size_t i = 0; i < begins_.size(); ++i) {
    const bool tree = segments[i].any_depth();
    if ((tree && any_depth == AnyDepth::skip) || !begins_[i].matches(*rest)) continue;
    const std::vector<std::string> parts = components(*rest_);
    out.push_back({std::string(target), joined(parts, tree ? i : i + 1, parts.size())});
  }
  return out;
}

bool PatternAt::leads_through(std::string_view link) const {
  const auto rest = below_root(link);
  if (!rest || !rest_) return false;
  for (size_t i = 0; i < begins_.size(); ++i) {
    const Pattern::Segment& segment = rest_->segments()[i];
    if (!segment.any_depth() && segment.matches(last_component(link)) && begins_[i].matches(*rest)) return true;
  }
  return false;
}

}  // namespace alos::policy
