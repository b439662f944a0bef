#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace alos {

// To standard error, for people. What cannot be written there (nobody reads it any more, a full disk) is lost:
// fmt::print throws then, and no run ends for that.
template <class... T>
void print_error(fmt::format_string<T...> format, T&&... arguments) {
  const std::string text = fmt::format(format, std::forward<T>(arguments)...);
  [[maybe_unused]] const size_t written = std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace alos
