#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "alos/broker.pb.h"

namespace alos::client {

using wire::Denied;
using wire::Failed;
using wire::Limit;
using wire::Unknown;

// How a call ended: with its own result, or as one of the four that every call may end with (broker.proto says what
// each means). Never a bare errno.
template <class T>
class [[nodiscard]] Outcome {
 public:
  template <class Ending>
    requires(!std::is_same_v<std::remove_cvref_t<Ending>, Outcome>)
  Outcome(Ending&& ending) : ending_(std::forward<Ending>(ending)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return std::holds_alternative<T>(ending_); }
  // Of one that is true.
  T& operator*() { return std::get<T>(ending_); }
  T* operator->() { return &std::get<T>(ending_); }
  // Null but for the one that it is.
  const Denied* denied() const { return std::get_if<Denied>(&ending_); }
  const Failed* failed() const { return std::get_if<Failed>(&ending_); }
  const Limit* limit() const { return std::get_if<Limit>(&ending_); }
  const Unknown* unknown() const { return std::get_if<Unknown>(&ending_); }

 private:
  std::variant<T, Denied, Failed, Limit, Unknown> ending_;
};

}  // namespace alos::client
