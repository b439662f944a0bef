#include "supervisor/audit/lines.h"

#include <unistd.h>

#include <algorithm>

#include "supervisor/audit/record.h"

namespace alos::audit {
namespace {
constexpr size_t kChunk = 256 << 10;
}

Result<Lines::Next> Lines::next() {
  for (size_t searched = at_;;) {
    const size_t newline = buffer_.find('\n', searched);
    if (newline != buffer_.npos) {
      if (skipping_ || newline - at_ > kMaxLine) return pass_overlong(newline);
      const std::string_view text = std::string_view(buffer_).substr(at_, newline - at_);
      at_ = newline + 1;
      ++line_;
      return Next{Kind::line, text};
    }
    if (buffer_.size() - at_ > kMaxLine) {
      skipping_ = true;
      buffer_.clear();
      at_ = 0;
    }
    searched = buffer_.size() - at_;
    if (!TRY(fill())) break;  // moves the unread rest to the front
  }
  if (skipping_) return Next{Kind::overlong, {}};
  if (at_ == buffer_.size()) return Next{Kind::end, {}};
  return Next{Kind::torn, std::string_view(buffer_).substr(at_)};
}

Lines::Next Lines::pass_overlong(size_t newline) {
  skipping_ = false;
  at_ = newline + 1;
  ++line_;
  return {Kind::overlong, {}};
}

Result<bool> Lines::fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  const size_t want = std::min<uint64_t>(kChunk, size_ - std::min(size_, read_));
  const size_t have = buffer_.size();
  buffer_.resize(have + want);
  ssize_t got = 0;
  if (want > 0) do
      got = ::pread(fd_.get(), buffer_.data() + have, want, static_cast<off_t>(read_));
    while (got < 0 && errno == EINTR);
  buffer_.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return fail_errno("pread", name_);
  read_ += static_cast<size_t>(got);
  return got > 0;
}

void Lines::extend(uint64_t size) {
  read_ -= buffer_.size() - at_;
  buffer_.clear();
  at_ = 0;
  size_ = size;
}

}  // namespace alos::audit
