#include "syscall-broker/primitive_table.h"

#include <algorithm>

namespace alos::broker {
namespace {

constexpr PrimitiveRow kRows[] = {
#include "primitive_table.inc"
};

}  // namespace

std::span<const PrimitiveRow> primitives() {
  return kRows;
}

bool takes_content(wire::Request::CallCase call) {
  return std::ranges::any_of(kRows, [&](const PrimitiveRow& row) { return row.call == call && row.takes_content; });
}

const PrimitiveRow& row_of(wire::Request::CallCase call) {
  return *std::ranges::find(kRows, call, &PrimitiveRow::call);
}

}  // namespace alos::broker
