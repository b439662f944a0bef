#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "syscall-broker/reactor.h"

namespace alos::broker {

// A thread for calls on open descriptors that can take long and that the ring does not have: reading directories,
// shortening files, copying from one to the other. What is given to it touches nothing of the reactor's.
class Worker {
 public:
  // `event`: an eventfd(2). Made before anything is served, when there is a descriptor for it.
  Worker(Reactor& reactor, UniqueFd event) : reactor_(reactor), wake_(*this), done_event_(std::move(event)) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // co_await worker.run([&] { ... }): done on the thread, resumed on the reactor's. 0, or why it was not done: an
  // errno, where no thread can be had (EAGAIN: whoever the broker's user is, or the agent, has as many as he may).
  struct Work {
    bool await_ready() { return (error = worker.start()) != 0; }
    void await_suspend(std::coroutine_handle<> coroutine);
    [[nodiscard]] int await_resume() const noexcept { return error; }
    Worker& worker;
    std::function<void()> what;
    std::coroutine_handle<> waiting{};
    int error = 0;
  };
  Work run(std::function<void()> what) { return Work{*this, std::move(what)}; }

 private:
  struct Wake final : Completion {
    explicit Wake(Worker& worker) : of(worker) {}
    void completed(int, unsigned) override { of.finished(); }
    Worker& of;
  };
  int start();
  void work();
  void listen();
  void finished();

  Reactor& reactor_;
  Wake wake_;
  uint64_t count_ = 0;  // read from done_event_
  bool listening_ = false;
  size_t unfinished_ = 0;
  const UniqueFd done_event_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work*> wanted_, done_;
  bool over_ = false;
};

}  // namespace alos::broker
