#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "supervisor/box/step.h"

namespace alos::box {

// Where a launch spends its time, for whoever asks with ALOS_LAUNCH_TIMES=FILE: front, launcher, box and supervisor
// each append lines "MARK NANOSECONDS" (CLOCK_MONOTONIC, which is one for all of them). A mark is "front.main",
// "supervisor.go" and the like; a step of the box is "step.NAME" and marks its end. Unset, a mark is one comparison.
class LaunchTimes {
 public:
  // Opens the file when the variable is set; what cannot be opened is not measured.
  static LaunchTimes from_environment();
  LaunchTimes() = default;
  explicit LaunchTimes(UniqueFd file) : file_(std::move(file)) {}

  bool wanted() const { return static_cast<bool>(file_); }
  int fd() const { return file_.get(); }
  void mark(std::string_view what) {
    if (file_) add(what);
  }

  // A page that launcher and box share, made before the clone: one slot a step. Null when nothing is measured.
  int64_t* share_steps();
  // Appends everything marked so far.
  void write();

 private:
  void add(std::string_view what);

  UniqueFd file_;
  std::string text_;
  int64_t* steps_ = nullptr;
};

// As the box may call it, where only async-signal-safe calls are allowed.
void mark_step(int64_t* steps, Step step);

}  // namespace alos::box
