#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace alos::broker {

// A piece of work that waits for the ring in its middle. Started by co_await, on the reactor's thread, where it stays.
// Exceptions do not cross it: one that escapes ends the process, as noexcept does.
template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::optional<T> value{};
    std::coroutine_handle<> waiting{};

    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
        return done.promise().waiting;
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_value(T result) { value.emplace(std::move(result)); }
    void unhandled_exception() noexcept { std::terminate(); }
  };

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  bool await_ready() noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
    coroutine_.promise().waiting = waiting;
    return coroutine_;
  }
  T await_resume() { return std::move(*coroutine_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

// g++ 12 destroys some temporaries of an expression with co_await in it twice (GCC bugs 99576, 100611): those made by a
// conditional or a braced list. So what is passed to a coroutine by value has a name first.

// Work that nobody waits for: runs at once until it first waits, and frees itself at its end.
struct Job {
  struct promise_type {
    Job get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

// In a coroutine what TRY is in a function: names the value of a Result, or answers with its error. A statement,
// because g++ has no co_await in statement expressions.
#define ALOS_AWAIT(name, ...)                                                      \
  auto name##_result = (__VA_ARGS__);                                              \
  if (!name##_result) co_return std::unexpected(std::move(name##_result).error()); \
  auto name = std::move(*name##_result)
#define ALOS_AWAIT_DONE(...) \
  if (auto done_ = (__VA_ARGS__); !done_) co_return std::unexpected(std::move(done_).error())

}  // namespace alos::broker
