#include "policy/problem.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace alos::policy {
namespace {

// Optimal string alignment distance: letters put in, left out, changed, or two beside each other exchanged.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> rows(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      size_t& least = rows[i][j];
      if (i == 0 || j == 0) {
        least = i + j;
        continue;
      }
      least = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        least = std::min(least, rows[i - 2][j - 2] + 1);
    }
  return rows[a.size()][b.size()];
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
