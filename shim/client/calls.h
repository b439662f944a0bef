#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "alos/broker.pb.h"
#include "base/unique_fd.h"

// The primitives as types. Made from their description (alos/calls.inc, by `describe calls`): one that is added there
// is here.
namespace alos::client {

// What carrying out a call can change (primitive.proto).
enum class EffectClass : uint8_t { none, observe, change, run, wait };

// What a call answers with: its message's Result, and for some more.
template <class Call>
struct AnswerOf {
  using Type = typename Call::Result;
};
struct Opened {
  wire::FsOpen::Result result;
  UniqueFd descriptor;
};
template <>
struct AnswerOf<wire::FsOpen> {
  using Type = Opened;
};
struct Completed {
  wire::ShellRun::Result result;
  std::string output, error;  // what came of its streams, unless it was given to a callback
};
template <>
struct AnswerOf<wire::ShellRun> {
  using Type = Completed;
};
template <class Call>
using Answer = typename AnswerOf<Call>::Type;

template <class Call>
struct CallTraits;

#define ALOS_CONTENT(argument) call.mutable_##argument()
#define ALOS_NO_CONTENT nullptr
#define ALOS_CALL(Message, field, text, effect_class, content_argument)             \
  template <>                                                                       \
  struct CallTraits<wire::Message> {                                                \
    static constexpr std::string_view name = text;                                  \
    static constexpr EffectClass effect = EffectClass::effect_class;                \
    static constexpr auto answer = wire::Reply::k##Message;                         \
    static wire::Message* of(wire::Request& request) {                              \
      return request.mutable_##field();                                             \
    }                                                                               \
    static wire::Message::Result* of(wire::Reply& reply) {                          \
      return reply.mutable_##field();                                               \
    }                                                                               \
    /* The argument that may go along in a descriptor; null where there is none. */ \
    static std::string* content([[maybe_unused]] wire::Message& call) {             \
      return content_argument;                                                      \
    }                                                                               \
  };
#include "alos/calls.inc"
#undef ALOS_CALL

}  // namespace alos::client
