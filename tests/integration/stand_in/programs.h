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

// Beside the stand-in: the built programs, in `from`, with `stand_in` as alos-broker.
inline std::filesystem::path programs_with_broker(const std::filesystem::path& from,
                                                  const std::filesystem::path& stand_in) {
  namespace fs = std::filesystem;
  const fs::path at = stand_in.parent_path() / ("with-" + stand_in.filename().string());
  fs::create_directories(at);
  for (const auto& entry : fs::directory_iterator(from))
    if (const std::string name = entry.path().filename(); name == "alos" || name.starts_with("alos-"))
      put_program(at, name == "alos-broker" ? stand_in : entry.path(), name);
  std::error_code there;
  fs::create_directory_symlink(from / "profiles", at / "profiles", there);
  fs::copy(from / "box", at / "box",  // which is no link
           fs::copy_options::recursive | fs::copy_options::create_hard_links | fs::copy_options::skip_existing, there);
  return at;
}

}  // namespace alos::test
