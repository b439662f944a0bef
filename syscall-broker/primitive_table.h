#pragma once

#include <span>
#include <string_view>

#include "alos/broker.pb.h"

namespace alos::broker {

// How much carrying out a call can change (proto/alos/primitive.proto).
enum class EffectClass : uint8_t { observe, change, run, wait };

// A row for each primitive of broker.proto, made from it at build time.
struct PrimitiveRow {
  wire::Request::CallCase call;
  std::string_view name;
  EffectClass effect;
  bool takes_content;  // one of its arguments may come in a descriptor (Request.attached)
};

std::span<const PrimitiveRow> primitives();
// False for what is no primitive.
bool takes_content(wire::Request::CallCase call);
// Of a call that decode() let through.
const PrimitiveRow& row_of(wire::Request::CallCase call);

}  // namespace alos::broker
