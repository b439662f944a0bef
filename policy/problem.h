#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/rules.h"

namespace alos::policy {

// Something in a policy that a person has to change. Loading reports all it can find at once, each with its place.
struct Problem {
  Source at;
  std::string text;      // what is wrong, with the offending text quoted
  std::string expected;  // what may stand there; empty where `text` says it
  std::string fix;       // what to write; empty where there is no one answer

  // "coding.yaml:12:3: unknown key 'pth'\n    expected: ...\n    fix: ..."
  std::string render() const;
};
using Problems = std::vector<Problem>;

template <class T>
using Checked = std::expected<T, Problems>;

// All of them, in the order of files and lines.
std::string render(Problems problems);
void sort(Problems& problems);

// "did you mean 'path'?", or empty when nothing known is near enough.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

// "a", "a or b", "a, b or c"
std::string alternatives(std::span<const std::string> words);

}  // namespace alos::policy
