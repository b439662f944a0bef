#include "supervisor/workspace/denies.h"

#include <algorithm>

namespace alos::workspace {
namespace {

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// Greedy with one point to come back to: linear in practice, at worst the product of both lengths.
bool name_matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = pattern.npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
      continue;
    }
    const size_t literal = p < pattern.size() && pattern[p] == '\\' && p + 1 < pattern.size() ? p + 1 : p;
    if (literal < pattern.size() && pattern[literal] == name[n]) {
      p = literal + 1;
      ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool matches(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path) {
  size_t p = 0, n = 0, star = pattern.size() + 1, resume = 0;
  while (n < path.size()) {
    if (p < pattern.size() && pattern[p] == "**") {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && name_matches(pattern[p], path[n])) {
      ++p;
      ++n;
    } else if (star <= pattern.size()) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == "**") ++p;
  return p == pattern.size();
}

}  // namespace

bool pattern_matches(std::string_view pattern, std::string_view path) {
  return matches(components(pattern), components(path));
}

Matcher matcher_of(std::vector<LayerDeny> denies) {
  return [denies = std::move(denies)](std::string_view path) -> std::optional<Denied> {
    for (const LayerDeny& deny : denies) {
      const auto matches_path = [&](const std::string& pattern) { return pattern_matches(pattern, path); };
      if (!matches_path(deny.pattern) || std::any_of(deny.except.begin(), deny.except.end(), matches_path)) continue;
      return Denied{deny.rule, deny.reason};
    }
    return std::nullopt;
  };
}

}  // namespace alos::workspace
