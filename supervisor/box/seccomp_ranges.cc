#include "supervisor/box/seccomp_ranges.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>

namespace alos::seccomp {
namespace {

struct Range {
  uint32_t from;  // to the next one's
  uint32_t answer;
};

std::vector<Range> ranges_of(const std::map<uint32_t, uint32_t>& answers, uint32_t otherwise) {
  std::vector<Range> ranges{{0, otherwise}};
  const auto add = [&](uint32_t from, uint32_t answer) {
    if (ranges.back().from == from) ranges.pop_back();
    if (ranges.empty() || ranges.back().answer != answer) ranges.push_back({from, answer});
  };
  for (const auto& [number, answer] : answers) {
    add(number, answer);
    const bool last = number == std::numeric_limits<uint32_t>::max();
    if (!last && !answers.contains(number + 1)) add(number + 1, otherwise);
  }
  return ranges;
}

// The program is: load the number; one comparison for each border between ranges; one return for each answer.
class Search {
 public:
  explicit Search(std::vector<Range> ranges) : ranges_(std::move(ranges)) {
    for (const Range& range : ranges_)
      if (std::ranges::find(answers_, range.answer) == answers_.end()) answers_.push_back(range.answer);
  }

  Result<Program> build() {
    program_.assign(ranges_.size(), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    if (!compare(0, ranges_.size(), 1)) return fail("search by number", "filter", E2BIG);
    for (const uint32_t answer : answers_) program_.push_back(BPF_STMT(BPF_RET | BPF_K, answer));
    return program_;
  }

 private:
  // Where to go on for ranges [low, high): a comparison at `at`, or for a single one the return of its answer.
  size_t place(size_t low, size_t high, size_t at) const {
    if (high - low > 1) return at;
    return ranges_.size() + static_cast<size_t>(std::ranges::find(answers_, ranges_[low].answer) - answers_.begin());
  }

  // Writes the comparisons for ranges [low, high) from `at` on: high - low - 1 of them, the left half's before the
  // right's.
  bool compare(size_t low, size_t high, size_t at) {
    if (high - low < 2) return true;
    const size_t middle = low + (high - low) / 2, right = at + (middle - low);
    const size_t if_less = place(low, middle, at + 1) - at - 1, if_not = place(middle, high, right) - at - 1;
    constexpr size_t kFarthest = std::numeric_limits<uint8_t>::max();
    if (if_less > kFarthest || if_not > kFarthest) return false;
    program_[at] = BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges_[middle].from, static_cast<uint8_t>(if_not),
                            static_cast<uint8_t>(if_less));
    return compare(low, middle, at + 1) && compare(middle, high, right);
  }

  std::vector<Range> ranges_;
  std::vector<uint32_t> answers_;
  Program program_;
};

}  // namespace

Result<Program> search_by_number(const std::map<uint32_t, uint32_t>& answers, uint32_t otherwise) {
  return Search(ranges_of(answers, otherwise)).build();
}

}  // namespace alos::seccomp
