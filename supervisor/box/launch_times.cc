#include "supervisor/box/launch_times.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "base/sys.h"

namespace alos::box {
namespace {

int64_t now_ns() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}

}  // namespace

LaunchTimes LaunchTimes::from_environment() {
  const char* file = ::secure_getenv("ALOS_LAUNCH_TIMES");
  if (!file) return {};
  auto fd = sys::open(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
  if (!fd) return {};
  return LaunchTimes(UniqueFd(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 16)));  // low numbers are handed over by fixed places
}

void LaunchTimes::add(std::string_view what) {
  text_ += fmt::format("{} {}\n", what, now_ns());
}

int64_t* LaunchTimes::share_steps() {
  if (!file_) return nullptr;
  void* page = ::mmap(nullptr, sizeof(int64_t) * kSteps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return steps_ = page == MAP_FAILED ? nullptr : static_cast<int64_t*>(page);
}

void LaunchTimes::write() {
  if (!file_) return;
  for (int i = 0; steps_ && i < kSteps; ++i)
    if (steps_[i] != 0) text_ += fmt::format("step.{} {}\n", name(static_cast<Step>(i)), steps_[i]);
  // A measurement that is lost is no failure of the run.
  [[maybe_unused]] const ssize_t n = ::write(file_.get(), text_.data(), text_.size());
  text_.clear();
}

void mark_step(int64_t* steps, Step step) {
  if (steps) steps[static_cast<int>(step)] = now_ns();
}

}  // namespace alos::box
