#pragma once

#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace alos {

// Why an operation failed: what was being done, to what, and the kernel's reason. Every error of the supervisor's side
// carries all three; `hint` says what a person can do about it and may be empty.
struct Error {
  std::string operation;  // a system call or a verb: "openat2", "parse"
  std::string object;     // the path, name or id that it was done to
  int code = 0;           // errno, or 0 where no system call failed
  std::string hint;

  // "openat2 /srv/x: No such file or directory (ENOENT); <hint>", with nothing in it that steers a terminal.
  std::string text() const;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string_view operation, std::string_view object, int code,
                                   std::string_view hint = {}) {
  return std::unexpected(Error{std::string(operation), std::string(object), code, std::string(hint)});
}

// For the errno of a system call that has just failed.
inline std::unexpected<Error> fail_errno(std::string_view operation, std::string_view object) {
  return fail(operation, object, errno);
}

namespace detail {
template <class T>
T take(Result<T>&& r) {
  return std::move(*r);
}
inline void take(Result<void>&&) {}
}  // namespace detail

// The value of a Result, or return its error from the enclosing function. A statement expression, because
// std::expected of g++ 12 has no and_then.
#define TRY(...) ALOS_TRY_(__COUNTER__, __VA_ARGS__)
#define ALOS_TRY_(n, ...) ALOS_TRY_NAMED_(n, __VA_ARGS__)
#define ALOS_TRY_NAMED_(n, ...)                                             \
  __extension__({                                                           \
    auto try_##n##_ = (__VA_ARGS__);                                        \
    if (!try_##n##_) return std::unexpected(std::move(try_##n##_).error()); \
    ::alos::detail::take(std::move(try_##n##_));                            \
  })

}  // namespace alos
