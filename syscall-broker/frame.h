#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "alos/broker.pb.h"
#include "base/result.h"

namespace alos::broker {

inline constexpr size_t kMaxFrame = 65'536;
// Content that is longer travels in a descriptor: leaves room for the rest of a frame.
inline constexpr size_t kMaxInline = 48 << 10;
// Values of one frame, repeated ones counted each: bounds what parsing allocates (a word of two bytes in a frame is a
// string of 32 in memory).
inline constexpr size_t kMaxValues = 4096;

// Reads one frame. Held against the description of the protocol before protobuf sees it, so that nothing is allocated
// for what is refused. Strict: what protobuf would keep or merge is an error, because two readers could read it
// differently.
//
// Errors: {"frame", what is wrong, EBADMSG or EMSGSIZE}: unknown fields, wrong wire types, a field or a call twice,
// messages within messages deeper than the protocol has them, truncation, too many values; no call, id 0, text that is
// not UTF-8.
Result<void> decode(std::string_view frame, wire::Request& out);

// The reply as a frame. Errors: EMSGSIZE.
Result<void> encode(const wire::Reply& reply, std::string& out);

}  // namespace alos::broker
