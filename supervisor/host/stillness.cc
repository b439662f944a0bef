#include "supervisor/host/stillness.h"

#include <dirent.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sys.h"

namespace alos::host {
namespace {

// Threads and how often each was taken from a processor: who is found twice with the same number slept in between.
using Threads = std::vector<std::pair<pid_t, uint64_t>>;
constexpr uint64_t kEnded = ~uint64_t{0};  // in place of its number: one that its parent has not waited for
constexpr size_t kMost = 100'000;          // threads in a look: who makes more meanwhile does not wait
constexpr timespec kReaping{.tv_sec = 0, .tv_nsec = 60'000'000};

std::optional<uint64_t> number_after(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == text.npos) return std::nullopt;
  text.remove_prefix(at + name.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  uint64_t out = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), out).ec != std::errc()) return std::nullopt;
  return out;
}

class Look {
 public:
  Look(std::span<const int32_t> waiters, Threads& threads) : waiters_(waiters), threads_(threads) {}

  // Of one process and all below it: a list, because an agent chooses how deep they go. What is gone meanwhile is none
  // that waits.
  Result<bool> all_wait(pid_t init) {
    std::vector<pid_t> left{init};
    while (!left.empty()) {
      if (threads_.size() > kMost) return false;
      const pid_t pid = left.back();
      left.pop_back();
      if (!TRY(waits(pid, left))) return false;
    }
    return true;
  }

 private:
  Result<bool> waits(pid_t pid, std::vector<pid_t>& left) {
    const std::string tasks = fmt::format("/proc/{}/task", pid);
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(tasks.c_str()), ::closedir);
    if (!directory) return is_gone(errno) ? Result<bool>(false) : fail_errno("open", tasks);
    bool has_children = false;
    while (const dirent* const entry = ::readdir(directory.get())) {
      if (entry->d_name[0] == '.') continue;
      const std::string thread = tasks + "/" + entry->d_name;
      const auto status = sys::read_file(thread + "/status", 16 << 10);
      if (!status) return false;
      if (ended(*status)) continue;
      if (!sleeps(*status)) return false;
      const auto switches = switches_of(*status);
      if (!switches) return fail("read", thread + "/status", EBADMSG, "it has no count of context switches");
      threads_.emplace_back(static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10)), *switches);
      const auto children = sys::read_file(thread + "/children", 1 << 20);
      // Gone meanwhile; where it is there still, this kernel lists none.
      if (!children && is_gone(children.error().code) && !sys::read_file(thread + "/status", 16 << 10)) return false;
      if (!children) return std::unexpected(children.error());
      if (!children_live(*children, has_children, left)) return false;
    }
    return has_children || std::ranges::find(waiters_, pid) != waiters_.end();
  }

  // Those that have not ended are left to be looked at.
  bool children_live(std::string_view list, bool& any, std::vector<pid_t>& left) {
    for (size_t end; (end = list.find(' ')) != list.npos; list.remove_prefix(end + 1)) {
      pid_t child = 0;
      const std::string_view word = list.substr(0, end);
      std::from_chars(word.data(), word.data() + word.size(), child);
      const auto status = sys::read_file(fmt::format("/proc/{}/status", child), 16 << 10);
      if (!status) return false;
      if (ended(*status)) {
        threads_.emplace_back(child, kEnded);
        continue;
      }
      any = true;
      left.push_back(child);
    }
    return true;
  }

  static bool is_gone(int error) { return error == ENOENT || error == ESRCH; }
  static char state_of(std::string_view status) {
    constexpr std::string_view kName = "\nState:\t";
    const size_t at = status.find(kName);
    return at == status.npos || at + kName.size() >= status.size() ? '?' : status[at + kName.size()];
  }
  static bool ended(std::string_view status) {
    const char state = state_of(status);
    return state == 'Z' || state == 'X';
  }
  static bool sleeps(std::string_view status) {
    const char state = state_of(status);
    return state == 'S' || state == 'T' || state == 't';
  }
  static std::optional<uint64_t> switches_of(std::string_view status) {
    const auto own = number_after(status, "\nvoluntary_ctxt_switches:");
    const auto forced = number_after(status, "\nnonvoluntary_ctxt_switches:");
    if (!own || !forced) return std::nullopt;
    return *own + *forced;
  }

  std::span<const int32_t> waiters_;
  Threads& threads_;
};

Result<bool> look(std::span<const pid_t> inits, std::span<const int32_t> waiters, Threads& threads) {
  for (const pid_t init : inits)
    if (!TRY(Look(waiters, threads).all_wait(init))) return false;
  std::ranges::sort(threads);
  return true;
}

}  // namespace

// One look goes from process to process; the same twice, with nobody having run in between, is an instant. Who is in
// waitpid(2) counts as asleep from before it looks for children (kernel/exit.c, do_wait), so one who has ended is taken
// for one that nobody waits for only after a while.
Result<bool> all_wait(std::span<const pid_t> inits, std::span<const int32_t> waiters) {
  Threads first, second;
  if (!TRY(look(inits, waiters, first))) return false;
  if (std::ranges::find(first, kEnded, &Threads::value_type::second) != first.end()) ::nanosleep(&kReaping, nullptr);
  if (!TRY(look(inits, waiters, second))) return false;
  return first == second;
}

}  // namespace alos::host
