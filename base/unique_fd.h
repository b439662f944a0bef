#pragma once

#include <utility>

namespace alos {

// Owns one file descriptor. Every descriptor of the project lives in one of these, also in structs, and was opened
// close-on-exec.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  // Closes what is held; errno is left as it was, so that a cleanup does not hide the cause it cleans up after.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace alos
