#include "supervisor/workspace/text_diff.h"

#include <algorithm>

namespace alos::workspace {
namespace {

using Lines = std::vector<std::string_view>;

// A last line without a newline keeps differing from one with: the newline belongs to the compared text.
Lines split(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

std::string_view without_newline(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  return line;
}

enum class Edit : uint8_t { keep, remove, add };

// Furthest points of each diagonal, one row for each number of edits, kept to walk back.
class Myers {
 public:
  Myers(const Lines& a, const Lines& b, size_t limit)
      : a_(a), b_(b), limit_(std::min<long>(static_cast<long>(limit), static_cast<long>(a.size() + b.size()))) {}

  std::optional<std::vector<Edit>> run() {
    std::vector<long> reach(static_cast<size_t>(2 * limit_ + 3), 0);
    for (long d = 0; d <= limit_; ++d) {
      rows_.emplace_back(reach.begin() + limit_ + 1 - d, reach.begin() + limit_ + 2 + d);
      for (long k = -d; k <= d; k += 2) {
        long& x = reach[static_cast<size_t>(limit_ + 1 + k)];
        const long down = reach[static_cast<size_t>(limit_ + 2 + k)], right = reach[static_cast<size_t>(limit_ + k)];
        x = d == 0 ? 0 : k == -d || (k != d && right < down) ? down : right + 1;
        while (x < size(a_) && x - k < size(b_) && a_[static_cast<size_t>(x)] == b_[static_cast<size_t>(x - k)]) ++x;
        if (x >= size(a_) && x - k >= size(b_)) return walk_back(d);
      }
    }
    return std::nullopt;
  }

 private:
  static long size(const Lines& lines) { return static_cast<long>(lines.size()); }

  std::vector<Edit> walk_back(long edits) const {
    std::vector<Edit> out;
    long x = size(a_), y = size(b_);
    for (long d = edits; d > 0; --d) {
      // The row holds what was reached with d-1 edits, for the diagonals -d..d.
      const auto at = [&](long k) { return rows_[static_cast<size_t>(d)][static_cast<size_t>(k + d)]; };
      const long k = x - y;
      const bool down = k == -d || (k != d && at(k - 1) < at(k + 1));
      const long from_k = down ? k + 1 : k - 1;
      const long from_x = at(from_k), from_y = from_x - from_k;
      for (const long start = from_x + (down ? 0 : 1); x > start; --x) out.push_back(Edit::keep);
      out.push_back(down ? Edit::add : Edit::remove);
      x = from_x, y = from_y;
    }
    out.insert(out.end(), static_cast<size_t>(x), Edit::keep);
    std::reverse(out.begin(), out.end());
    return out;
  }

  const Lines &a_, &b_;
  const long limit_;
  std::vector<std::vector<long>> rows_;
};

struct Numbered {
  DiffLine line;
  bool changed;
};

std::vector<DiffLine> hunks(const std::vector<Numbered>& all, size_t context) {
  std::vector<DiffLine> out;
  size_t done = 0;
  for (size_t i = 0; i < all.size();) {
    if (!all[i].changed) {
      ++i;
      continue;
    }
    size_t last = i;
    for (size_t j = i; j < all.size() && j <= last + 2 * context + 1; ++j)
      if (all[j].changed) last = j;
    const size_t begin = std::max(done, i < context ? 0 : i - context);
    const size_t end = std::min(all.size(), last + context + 1);
    out.push_back({'@', "", all[begin].line.before, all[begin].line.after});
    for (size_t j = begin; j < end; ++j) out.push_back(all[j].line);
    done = i = end;
  }
  return out;
}

}  // namespace

std::optional<std::vector<DiffLine>> text_diff(std::string_view before, std::string_view after,
                                               const DiffLimits& limits) {
  const Lines a = split(before), b = split(after);
  const auto edits = Myers(a, b, limits.edits).run();
  if (!edits) return std::nullopt;
  std::vector<Numbered> all;
  size_t x = 0, y = 0;
  for (const Edit edit : *edits) {
    const std::string_view text = without_newline(edit == Edit::add ? b[y] : a[x]);
    const char sign = edit == Edit::keep ? ' ' : edit == Edit::add ? '+' : '-';
    all.push_back({{sign, text, x + 1, y + 1}, edit != Edit::keep});
    if (edit != Edit::add) ++x;
    if (edit != Edit::remove) ++y;
  }
  return hunks(all, limits.context);
}

bool looks_binary(std::string_view content) {
  return content.substr(0, 8000).find('\0') != std::string_view::npos;
}

}  // namespace alos::workspace
