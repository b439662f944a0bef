#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

// What the targets share. Each defines LLVMFuzzerTestOneInput and says in its first lines whose input it stands for and
// what must hold; a broken property aborts.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace alos::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// The input's lines; the last takes the rest.
inline std::vector<std::string_view> lines(std::string_view text, size_t most) {
  std::vector<std::string_view> out;
  while (out.size() + 1 < most) {
    const size_t end = text.find('\n');
    if (end == text.npos) break;
    out.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  out.push_back(text);
  return out;
}

}  // namespace alos::fuzz
