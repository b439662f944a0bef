#include "supervisor/box/disk_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/sys.h"

namespace alos::box {
namespace {

constexpr int64_t kLeastNs = 200'000'000;  // between two looks
constexpr int64_t kShare = 20;             // a look may take one part in so many of the time
constexpr size_t kEntries = 20'000;        // read in one look, some 20 ms
constexpr uint64_t kNoRoom = 16;           // blocks: less than a directory and a file need

// Of a process's pid namespace; 0 for a process that is gone or none of ours.
uint64_t namespace_of(std::string_view process) {
  struct stat st{};
  return ::stat(fmt::format("/proc/{}/ns/pid", process).c_str(), &st) == 0 ? st.st_ino : 0;
}

}  // namespace

std::vector<pid_t> processes_of(pid_t init) {
  std::vector<pid_t> out;
  const uint64_t own = namespace_of(std::to_string(init));
  const auto proc = sys::open("/proc", O_RDONLY | O_DIRECTORY);
  const auto entries = proc ? sys::list(proc->get()) : Result<std::vector<sys::Entry>>(std::vector<sys::Entry>());
  if (own == 0 || !entries) return out;
  for (const sys::Entry& entry : *entries) {
    pid_t process = 0;
    const char* end = entry.name.data() + entry.name.size();
    if (std::from_chars(entry.name.data(), end, process).ptr != end) continue;
    if (namespace_of(entry.name) == own) out.push_back(process);
  }
  return out;
}

DiskWatch::DiskWatch(std::vector<UniqueFd> trees, UniqueFd bounded, std::optional<uint64_t> limit, pid_t init)
    : trees_(std::move(trees)), bounded_(std::move(bounded)), limit_(limit), init_(init) {
  for (const UniqueFd& tree : trees_) {
    if (const auto st = sys::fstat(tree.get())) devices_.insert(st->st_dev);
    if (auto root = sys::dup(tree.get()); root && limit_) meters_.emplace_back(std::move(*root));
  }
}

int DiskWatch::wait_ms() const {
  if (trees_.empty() && !bounded_) return -1;
  return static_cast<int>(std::clamp<int64_t>((next_ns_ - boot_ns()) / 1'000'000 + 1, 0, 60'000));
}

DiskWatch::Found DiskWatch::look() {
  const int64_t begun = boot_ns();
  if ((trees_.empty() && !bounded_) || begun < next_ns_) return Found::nothing;
  uint64_t used = 0;
  for (workspace::Meter& meter : meters_) {
    meter.step(kEntries / meters_.size());
    used += meter.charged();
  }
  if (!meters_.empty() && used <= *limit_) used += held_open();
  const int64_t took = boot_ns() - begun;
  next_ns_ = begun + took + std::max(kLeastNs, kShare * took);
  if (limit_ && used > *limit_) return Found::over;
  return !full_said_ && is_full() ? Found::full : Found::nothing;
}

bool DiskWatch::is_full() {
  const auto full = [](const UniqueFd& tree) {
    struct statvfs vfs{};
    if (::fstatvfs(tree.get(), &vfs) != 0) return false;
    return vfs.f_bavail < kNoRoom || (vfs.f_files > 0 && vfs.f_favail == 0);
  };
  full_said_ = full_said_ || (bounded_ && full(bounded_)) || std::any_of(trees_.begin(), trees_.end(), full);
  return full_said_;
}

uint64_t DiskWatch::held_open() const {
  uint64_t bytes = 0;
  std::set<std::pair<uint64_t, uint64_t>> seen;
  for (const pid_t process : processes_of(init_)) look_into(process, seen, bytes);
  return bytes;
}

void DiskWatch::look_into(pid_t process, std::set<std::pair<uint64_t, uint64_t>>& seen, uint64_t& bytes) const {
  const auto dir = sys::open(fmt::format("/proc/{}/fd", process), O_RDONLY | O_DIRECTORY);
  if (!dir) return;
  const auto descriptors = sys::list(dir->get());
  if (!descriptors) return;
  for (const sys::Entry& descriptor : *descriptors) {
    struct stat st{};
    if (::fstatat(dir->get(), descriptor.name.c_str(), &st, 0) != 0) continue;
    if (!S_ISREG(st.st_mode) || st.st_nlink != 0 || st.st_blocks == 0) continue;
    // Files of the layer show a device of overlayfs's own choice; what lies in memory is another limit's.
    struct statfs fs{};
    const std::string path = fmt::format("/proc/{}/fd/{}", process, descriptor.name);
    const bool layer = !bounded_ && ::statfs(path.c_str(), &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
    if (!layer && !devices_.contains(st.st_dev)) continue;
    if (seen.emplace(st.st_dev, st.st_ino).second) bytes += static_cast<uint64_t>(st.st_blocks) * 512;
  }
}

}  // namespace alos::box
