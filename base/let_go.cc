#include "base/let_go.h"

#include <linux/close_range.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <semaphore>
#include <utility>

#include "base/sys.h"

namespace alos {
namespace {

struct Ending {
  std::vector<unsigned> numbers{};  // of what is to be closed, in order
  bool has_own = false;
  std::binary_semaphore copied{0}, closed{0};
};

// A table of this thread's own, of nothing but these: what else the process closes is closed then, not when this ends.
bool keep_only(const std::vector<unsigned>& numbers) {
  if (::syscall(SYS_close_range, numbers.back() + 1, ~0U, CLOSE_RANGE_UNSHARE) != 0) return false;
  unsigned from = 0;
  for (const unsigned number : numbers) {
    if (from < number) (void)::syscall(SYS_close_range, from, number - 1, 0);
    from = number + 1;
  }
  return true;
}

// Returns when the process's own descriptors are closed, so that those of this thread are the last.
void* hold_until_closed(void* given) {
  auto& ending = *static_cast<Ending*>(given);
  ending.has_own = keep_only(ending.numbers);
  ending.copied.release();
  ending.closed.acquire();
  return nullptr;
}

bool close_by_ending(std::vector<UniqueFd>& fds) {
  Ending ending;
  for (const UniqueFd& fd : fds) ending.numbers.push_back(static_cast<unsigned>(fd.get()));
  std::ranges::sort(ending.numbers);
  pthread_t thread{};
  if (::pthread_create(&thread, nullptr, hold_until_closed, &ending) != 0) return false;
  ending.copied.acquire();
  if (ending.has_own) fds.clear();
  ending.closed.release();
  // Its descriptors are closed after this, while it ends (kernel/exit.c, do_exit: exit_mm, then exit_files).
  ::pthread_join(thread, nullptr);
  return ending.has_own;
}

// Never destroyed: the end of the process closes what is in it.
struct Kept {
  std::mutex mutex;
  std::vector<UniqueFd> fds;
};
Kept& kept() {
  static auto& out = *new Kept;
  return out;
}

bool may_wait(const UniqueFd& fd) {
  const auto st = sys::fstat(fd.get());
  return !st || !(S_ISDIR(st->st_mode) || S_ISFIFO(st->st_mode));
}

}  // namespace

bool is_socket(const UniqueFd& fd) {
  const auto st = sys::fstat(fd.get());
  return !st || S_ISSOCK(st->st_mode);
}

void let_go(std::vector<UniqueFd> fds) {
  std::vector<UniqueFd> waiting;
  for (UniqueFd& fd : fds)
    if (fd && may_wait(fd)) waiting.push_back(std::move(fd));
  if (waiting.empty()) return;
  Kept& from_before = kept();
  const std::scoped_lock lock(from_before.mutex);
  std::ranges::move(from_before.fds, std::back_inserter(waiting));
  from_before.fds.clear();
  if (!close_by_ending(waiting)) from_before.fds = std::move(waiting);
}

void let_go(UniqueFd fd) {
  std::vector<UniqueFd> one;
  one.push_back(std::move(fd));
  let_go(std::move(one));
}

}  // namespace alos
