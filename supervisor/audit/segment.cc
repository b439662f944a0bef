#include "supervisor/audit/segment.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/sys.h"
#include "supervisor/audit/line.h"

namespace alos::audit {
namespace {

constexpr std::string_view kChanged =
    "the log was changed by someone else; see 'alos audit verify', and move the audit directory away to begin a new "
    "log";

Result<std::string> read_range(int fd, const std::string& name, uint64_t from, uint64_t to) {
  std::string out(to - from, '\0');
  for (size_t at = 0; at < out.size();) {
    const ssize_t n = ::pread(fd, out.data() + at, out.size() - at, static_cast<off_t>(from + at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("pread", name);
    if (n == 0) return fail("pread", name, EBADMSG, kChanged);
    at += static_cast<size_t>(n);
  }
  return out;
}

}  // namespace

std::string segment_name(unsigned number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return digits + ".log";
}

Result<std::vector<unsigned>> list_segments(int dir) {
  std::vector<unsigned> out;
  for (const sys::Entry& entry : TRY(sys::list(dir))) {
    unsigned number = 0;
    std::from_chars(entry.name.data(), entry.name.data() + entry.name.size(), number);
    if (number > 0 && segment_name(number) == entry.name) out.push_back(number);
  }
  std::ranges::sort(out);
  return out;
}

Result<LogLock> LogLock::take(int lock_file, Mode mode) {
  int rc;
  do rc = ::flock(lock_file, mode == Mode::write ? LOCK_EX : LOCK_SH);
  while (rc != 0 && errno == EINTR);
  if (rc != 0) return fail_errno("flock", kLockFile);
  LogLock lock(lock_file);
  if (TRY(sys::fstat(lock_file)).st_nlink == 0) return fail("flock", kLockFile, EBADMSG, kChanged);
  return lock;
}

LogLock::LogLock(LogLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

LogLock::~LogLock() {
  const int saved = errno;
  if (fd_ >= 0) ::flock(fd_, LOCK_UN);
  errno = saved;
}

Result<Tail> read_tail(int fd, const std::string& name, uint64_t size) {
  // A whole record and a torn one fit; most of the time the first small piece holds the last line.
  for (uint64_t span = 4096;; span = std::min<uint64_t>(span * 8, 2 * kMaxLine + 2)) {
    const uint64_t from = size - std::min(size, span);
    const std::string text = TRY(read_range(fd, name, from, size));
    const size_t newline = text.rfind('\n');
    const size_t before = newline == text.npos || newline == 0 ? text.npos : text.rfind('\n', newline - 1);
    if (before == text.npos && from > 0) {
      if (span >= 2 * kMaxLine + 2) return fail("read", name, EBADMSG, kChanged);
      continue;
    }
    if (newline == text.npos) return Tail{.whole = 0, .torn = size, .head = {}};
    const size_t start = before == text.npos ? 0 : before + 1;
    const auto line = parse_line(std::string_view(text).substr(start, newline - start));
    if (!line || digest(line->hashed) != line->hash) return fail("read", name, EBADMSG, kChanged);
    return Tail{.whole = from + newline + 1,
                .torn = text.size() - newline - 1,
                .head = {line->seq, line->hash},
                .sealed = line->action == "audit.seal",
                .rotated = line->action == "audit.rotate"};
  }
}

Result<Snapshot> take_snapshot(int dir, const std::string& path) {
  const auto lock_file = sys::openat(dir, kLockFile, O_RDONLY | O_NOFOLLOW);
  std::optional<LogLock> lock;
  if (lock_file) lock.emplace(TRY(LogLock::take(lock_file->get(), LogLock::Mode::read)));
  Snapshot out{.segments = TRY(list_segments(dir)), .last_size = 0};
  if (out.segments.empty()) return fail("audit log", path, ENOENT, "there is no log in this directory");
  const auto st = TRY(sys::lstatat(dir, segment_name(out.segments.back())));
  out.last_size = static_cast<uint64_t>(st.st_size);
  return out;
}

Result<uint64_t> read_seal_every(int fd, const std::string& name) {
  std::string text(4096, '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  if (got < 0) return fail_errno("pread", name);
  text.resize(static_cast<size_t>(got));
  const auto line = parse_line(std::string_view(text).substr(0, text.find('\n')));
  if (!line || line->action != "audit.segment" || digest(line->hashed) != line->hash)
    return fail("read", name, EBADMSG, kChanged);
  const uint64_t every = number_in(line->body, "seal_every").value_or(0);
  if (every < kLeastSealEvery || every > kMostSealEvery) return fail("read", name, EBADMSG, kChanged);
  return every;
}

}  // namespace alos::audit
