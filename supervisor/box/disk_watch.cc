#include "supervisor/box/disk_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/sys.h"

namespace alos::box {
namespace {

constexpr int64_t kShare = 20;    // measuring may take one part in so many of the time
constexpr size_t kEntries = 500;  // read between two looks at the clock
constexpr uint64_t kNoRoom = 16;  // blocks: less than a directory and a file need

// Of a process's pid namespace; 0 for a process that is gone or none of ours.
uint64_t namespace_of(std::string_view process) {
  struct stat st{};
  return ::stat(fmt::format("/proc/{}/ns/pid", process).c_str(), &st) == 0 ? st.st_ino : 0;
}

}  // namespace

std::vector<pid_t> processes_of(const std::vector<pid_t>& inits) {
  std::vector<pid_t> out;
  std::set<uint64_t> own;
  for (const pid_t init : inits)
    if (const uint64_t space = namespace_of(std::to_string(init)); space != 0) own.insert(space);
  const auto proc = sys::open("/proc", O_RDONLY | O_DIRECTORY);
  const auto entries = proc ? sys::list(proc->get()) : Result<std::vector<sys::Entry>>(std::vector<sys::Entry>());
  if (own.empty() || !entries) return out;
  for (const sys::Entry& entry : *entries) {
    pid_t process = 0;
    const char* end = entry.name.data() + entry.name.size();
    if (std::from_chars(entry.name.data(), end, process).ptr != end) continue;
    if (own.contains(namespace_of(entry.name))) out.push_back(process);
  }
  return out;
}

DiskWatch::DiskWatch(std::vector<UniqueFd> trees, UniqueFd bounded, std::optional<uint64_t> limit, pid_t init,
                     Patience patience, Clocks clocks)
    : trees_(std::move(trees)),
      bounded_(std::move(bounded)),
      limit_(limit),
      inits_{init},
      patience_(patience),
      clocks_(clocks) {
  for (const UniqueFd& tree : trees_) {
    const auto st = sys::fstat(tree.get());
    if (st && devices_.insert(st->st_dev).second) file_systems_.push_back(tree.get());
    if (auto root = sys::dup(tree.get()); root && limit_) meters_.emplace_back(std::move(*root));
  }
  begin_round();
  free_ = begun_;
}

int DiskWatch::wait_ms() const {
  if (trees_.empty() && !bounded_) return -1;
  return static_cast<int>(std::clamp<int64_t>((next_ns_ - clocks_.now()) / 1'000'000 + 1, 0, 60'000));
}

DiskWatch::Found DiskWatch::look() {
  const int64_t begun = clocks_.now();
  if ((trees_.empty() && !bounded_) || begun < next_ns_) return Found::nothing;
  next_ns_ = begun + patience_.between;
  if (!meters_.empty() && is_over()) return Found::over;
  return !full_said_ && is_full() ? Found::full : Found::nothing;
}

std::vector<DiskWatch::Free> DiskWatch::free_now() const {
  std::vector<Free> out;
  for (const int tree : file_systems_) {
    struct statvfs vfs{};
    const bool told = ::fstatvfs(tree, &vfs) == 0;
    out.push_back(told ? Free{vfs.f_bfree * vfs.f_frsize, vfs.f_ffree} : Free{});
  }
  return out;
}

uint64_t DiskWatch::fallen() const {
  const auto fell = [](uint64_t from, uint64_t to) { return from > to ? from - to : 0; };
  const std::vector<Free> now = free_now();
  uint64_t out = 0;
  for (size_t i = 0; i < now.size(); ++i)
    out += fell(free_[i].bytes, now[i].bytes) + fell(free_[i].names, now[i].names) * workspace::Meter::kPerName;
  return out;
}

bool DiskWatch::cannot_tell(std::string why) {
  reason_ = std::move(why);
  return true;
}

bool DiskWatch::is_over() {
  const uint64_t left = *limit_ - std::min(*limit_, charged());
  const uint64_t fell = fallen();
  if (fell > left && pace_ == Pace::calm) {
    pace_ = Pace::hurried;
    spent_ns_ = 0;
    begin_round();
  }
  const int64_t begun = clocks_.now(), worked = clocks_.work();
  if (pace_ == Pace::calm && begun < next_measure_ns_) return false;
  const bool over = measure();
  const int64_t took = clocks_.now() - begun;
  next_measure_ns_ = begun + took + std::max(patience_.between, kShare * took);
  if (over || pace_ == Pace::calm) return over;
  spent_ns_ += clocks_.work() - worked;
  next_ns_ = begun + 2 * took;
  if (spent_ns_ > patience_.few_slices && fell > left && fell - left > *limit_)
    return cannot_tell("the disk filled by more than the limit while what the box wrote was being measured");
  return spent_ns_ > patience_.hurried && cannot_tell("what the box wrote could not be measured in 5 s of work");
}

void DiskWatch::begin_round() {
  for (workspace::Meter& meter : meters_) meter.restart();
  meter_ = 0;
  begun_ = free_now();
}

uint64_t DiskWatch::entries() const {
  uint64_t out = 0;
  for (const workspace::Meter& meter : meters_) out += meter.entries();
  return out;
}

uint64_t DiskWatch::charged() const {
  uint64_t out = 0;
  for (const workspace::Meter& meter : meters_) out += meter.charged();
  return std::max(out, used_);
}

// One slice. It gets on however little of it a busy host leaves the thread.
bool DiskWatch::measure() {
  const int64_t until = clocks_.now() + patience_.slice;
  for (bool first = true; meter_ < meters_.size() && (first || clocks_.now() < until); first = false) {
    workspace::Meter& meter = meters_[meter_];
    const uint64_t rounds = meter.rounds();
    meter.step(kEntries);
    if (!meter.failure().empty()) return cannot_tell(meter.failure());
    if (meter.rounds() > rounds) ++meter_;
  }
  uint64_t used = 0;
  for (const workspace::Meter& meter : meters_) used += meter.charged();
  if (used > *limit_) return true;
  if (pace_ == Pace::calm || meter_ == meters_.size()) used += held_open();
  if (used > *limit_ || !reason_.empty()) return true;
  if (meter_ < meters_.size()) return false;
  used_ = used;
  free_ = begun_;
  pace_ = Pace::calm;
  begin_round();
  return false;
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

uint64_t DiskWatch::held_open() {
  uint64_t bytes = 0;
  std::set<std::pair<uint64_t, uint64_t>> seen;
  if (const auto proc = sys::open("/proc", O_RDONLY | O_DIRECTORY); !proc) cannot_tell(proc.error().text());
  const std::vector<pid_t> processes = processes_of(inits_);
  // The host's processes, which were looked at for that, are not the box's doing.
  held_until_ns_ = clocks_.work() + patience_.held;
  few_left_ = patience_.few_descriptors;
  for (const pid_t process : processes) look_into(process, seen, bytes);
  return bytes;
}

// A process may be gone meanwhile; the launcher being out of descriptors or memory is no such reason.
void DiskWatch::look_into(pid_t process, std::set<std::pair<uint64_t, uint64_t>>& seen, uint64_t& bytes) {
  if (!reason_.empty()) return;
  const auto dir = sys::open(fmt::format("/proc/{}/fd", process), O_RDONLY | O_DIRECTORY);
  if (!dir) {
    const int error = dir.error().code;
    if (error == EMFILE || error == ENFILE || error == ENOMEM) cannot_tell(dir.error().text());
    return;
  }
  const auto descriptors = sys::list(dir->get());
  if (!descriptors) return;
  for (const sys::Entry& descriptor : *descriptors) {
    if (few_left_ > 0) {
      --few_left_;
    } else if (clocks_.work() > held_until_ns_) {
      cannot_tell("the box holds more files open than can be gone through in half a second of work");
      return;
    }
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
