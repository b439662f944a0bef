#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos::audit {

// Reads a segment line by line in bounded memory, up to a size that was taken under the lock, so that a write in
// progress is not mistaken for a torn one.
class Lines {
 public:
  Lines(UniqueFd fd, std::string name, uint64_t size) : fd_(std::move(fd)), name_(std::move(name)), size_(size) {}

  enum class Kind : uint8_t {
    line,      // `text` is a whole line without its newline
    overlong,  // a line of more than kMaxLine bytes was passed over
    torn,      // `text` is what stands after the last newline (its first kMaxLine bytes)
    end,
  };
  struct Next {
    Kind kind;
    std::string_view text;  // until the next call
  };
  Result<Next> next();

  const std::string& name() const { return name_; }
  uint64_t line() const { return line_; }  // of what next() returned last, from 1
  // The file has grown: reading goes on behind the last whole line.
  void extend(uint64_t size);

 private:
  Result<bool> fill();
  Next pass_overlong(size_t newline);

  UniqueFd fd_;
  std::string name_;
  uint64_t size_;
  uint64_t read_ = 0;  // bytes of the file that are or were in buffer_
  uint64_t line_ = 0;
  std::string buffer_;
  size_t at_ = 0;          // in buffer_: where the next line begins
  bool skipping_ = false;  // inside a line that is too long
};

}  // namespace alos::audit
