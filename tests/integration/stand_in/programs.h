#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

namespace alos::test {

// A directory of programs for a run, some of them another's: `what` is `name` there, from now on and all at once,
// because tests that share the directory run beside each other.
inline void put_program(const std::filesystem::path& at, const std::filesystem::path& what, const std::string& name) {
  std::error_code same;
  if (std::filesystem::equivalent(what, at / name, same)) return;
  const std::filesystem::path beside = at / (name + "." + std::to_string(::getpid()));
  std::filesystem::create_hard_link(what, beside);
  std::filesystem::rename(beside, at / name);
}

}  // namespace alos::test
