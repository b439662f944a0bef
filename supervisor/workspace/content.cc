#include "supervisor/workspace/content.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr size_t kChunk = 1 << 18;

// First byte of data at or after `at`, `size` when there is none.
off_t next_data(int fd, off_t at, off_t size) {
  const off_t found = ::lseek(fd, at, SEEK_DATA);
  if (found >= 0) return std::min(found, size);
  return errno == ENXIO ? size : at;  // EINVAL: a file system without holes, all of it is data
}

off_t end_of_data(int fd, off_t at, off_t size) {
  const off_t found = ::lseek(fd, at, SEEK_HOLE);
  return found > at ? std::min(found, size) : size;
}

Result<size_t> read_at(int fd, std::vector<char>& out, off_t at) {
  size_t got = 0;
  while (got < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + got, out.size() - got, at + static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("pread", std::to_string(fd));
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  return got;
}

Result<void> copy_range(int from, int to, off_t at, off_t end) {
  std::vector<char> buffer(kChunk);
  while (at < end) {
    buffer.resize(std::min<size_t>(kChunk, static_cast<size_t>(end - at)));
    const size_t n = TRY(read_at(from, buffer, at));
    if (n == 0) return {};  // it became shorter
    for (size_t done = 0; done < n;) {
      const ssize_t w = ::pwrite(to, buffer.data() + done, n - done, at + static_cast<off_t>(done));
      if (w < 0 && errno == EINTR) continue;
      if (w < 0) return fail_errno("pwrite", std::to_string(to));
      done += static_cast<size_t>(w);
    }
    at += static_cast<off_t>(n);
  }
  return {};
}

}  // namespace

Result<bool> same_content(int a, int b) {
  const off_t size = TRY(sys::fstat(a)).st_size;
  if (size != TRY(sys::fstat(b)).st_size) return false;
  std::vector<char> left(kChunk), right(kChunk);
  for (off_t at = 0; at < size;) {
    at = std::min(next_data(a, at, size), next_data(b, at, size));
    if (at >= size) break;
    const size_t n = TRY(read_at(a, left, at));
    if (n != TRY(read_at(b, right, at)) || std::memcmp(left.data(), right.data(), n) != 0) return false;
    if (n == 0) break;
    at += static_cast<off_t>(n);
  }
  return true;
}

Result<void> copy_content(int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0) return {};
  const off_t size = TRY(sys::fstat(from)).st_size;
  if (::ftruncate(to, size) != 0) return fail_errno("ftruncate", std::to_string(to));
  for (off_t at = next_data(from, 0, size); at < size;) {
    const off_t end = end_of_data(from, at, size);
    TRY(copy_range(from, to, at, end));
    at = next_data(from, end, size);
  }
  return {};
}

}  // namespace alos::workspace
