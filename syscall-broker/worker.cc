#include "syscall-broker/worker.h"

#include <signal.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace alos::broker {

Worker::~Worker() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

// When the first work comes: most runs have none.
int Worker::start() {
  if (thread_.joinable()) return 0;
  int error = 0;
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the reactor thread's
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& none) {
    error = none.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

void Worker::Work::await_suspend(std::coroutine_handle<> coroutine) {
  waiting = coroutine;
  {
    const std::scoped_lock lock(worker.mutex_);
    worker.wanted_.push_back(this);
  }
  worker.changed_.notify_one();
  ++worker.unfinished_;
  worker.listen();
}

// One read is under way as long as there is work; the event counts, so none is missed.
void Worker::listen() {
  if (std::exchange(listening_, true)) return;
  reactor_.read(done_event_.get(), {reinterpret_cast<char*>(&count_), sizeof count_}, wake_);
}

void Worker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return over_ || !wanted_.empty(); });
    if (over_) return;
    Work* const next = wanted_.front();
    wanted_.pop_front();
    lock.unlock();
    next->what();
    lock.lock();
    done_.push_back(next);
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(done_event_.get(), &one, sizeof one);
  }
}

void Worker::finished() {
  listening_ = false;
  std::deque<Work*> done;
  {
    const std::scoped_lock lock(mutex_);
    done.swap(done_);
  }
  unfinished_ -= done.size();
  if (unfinished_ > 0) listen();
  for (Work* one : done) one->waiting.resume();
}

}  // namespace alos::broker
