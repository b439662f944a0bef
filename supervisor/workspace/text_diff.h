#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alos::workspace {

struct DiffLine {
  char sign;                     // ' ', '+', '-', or '@' for the head of a hunk
  std::string_view text;         // without its newline; of the texts given
  size_t before = 0, after = 0;  // with '@': first line of the hunk on each side, from 1
};

struct DiffLimits {
  size_t edits = 1500;  // beyond so many differing lines the two are not compared; memory grows with its square
  size_t context = 3;
};

// Hunks of a unified diff by Myers' greedy algorithm, O((lines + edits) * edits). Empty: too different, or too long to
// say. A last line
// with and one without a newline differ.
std::optional<std::vector<DiffLine>> text_diff(std::string_view before, std::string_view after,
                                               const DiffLimits& limits);

// Contains a NUL in its first 8000 bytes, as git judges.
bool looks_binary(std::string_view content);

}  // namespace alos::workspace
