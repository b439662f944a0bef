#include "policy/problem.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace alos::policy {
namespace {

// Levenshtein distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
    }
  }
  return row.back();
}

}  // namespace

std::string Problem::render() const {
  std::string out = at.text() + ": " + text;
  if (!expected.empty()) out += "\n    expected: " + expected;
  if (!fix.empty()) out += "\n    fix:      " + fix;
  return out;
}

void sort(Problems& problems) {
  std::ranges::stable_sort(problems, {}, [](const Problem& p) { return std::tie(p.at.file, p.at.line, p.at.column); });
}

std::string render(Problems problems) {
  sort(problems);
  std::string out;
  for (const Problem& problem : problems) out += problem.render() + "\n";
  return out;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  if (word.size() > 64) return {};
  const std::string* best = nullptr;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known)
    if (const size_t d = distance(word, candidate); d < least) best = &candidate, least = d;
  return best ? "did you mean '" + *best + "'?" : "";
}

std::string alternatives(std::span<const std::string> words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) out += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  return out;
}

}  // namespace alos::policy
