#include "syscall-broker/frame.h"

#include <fmt/format.h>

#include <bitset>
#include <optional>

namespace alos::broker {
namespace {

struct Field {
  uint32_t number;
  bool bytes;      // length-delimited, else a varint
  uint16_t inner;  // of a message: its index
  bool repeated;
  bool alternative;  // of the one oneof of its message
};
struct Message {
  uint16_t first, count;
};

#include "primitive_schema.inc"

constexpr int kDepth = 3;  // Request, call, Variable
constexpr uint32_t kVarint = 0, kBytes = 2;

std::unexpected<Error> refuse(std::string_view what, int code = EBADMSG) {
  return fail("frame", what, code);
}

class Walk {
 public:
  Result<void> message(std::string_view in, uint16_t index, int depth) {
    if (depth > kDepth) return refuse("messages within messages are too deep");
    const Message& of = kMessages[index];
    std::bitset<64> seen;
    bool chosen = false;
    while (!in.empty()) {
      const auto key = varint(in);
      if (!key || *key > UINT32_MAX) return refuse("a field's key is damaged");
      const Field* field = nullptr;
      size_t at = 0;
      for (; at < of.count && !field; ++at)
        if (kFields[of.first + at].number == *key >> 3) field = &kFields[of.first + at];
      if (!field) return refuse(fmt::format("field {} is unknown", *key >> 3));
      if ((*key & 7) != (field->bytes ? kBytes : kVarint))
        return refuse(fmt::format("field {} has the wrong type", field->number));
      if (++values_ > kMaxValues) return refuse("it has too many values", EMSGSIZE);
      if ((seen[at] && !field->repeated) || (field->alternative && chosen))
        return refuse(fmt::format("field {} is there twice, or beside another call", field->number));
      seen[at] = true;
      chosen = chosen || field->alternative;
      const auto value = varint(in);
      if (!value) return refuse("it ends in a value");
      if (!field->bytes) continue;
      if (*value > in.size()) return refuse("a value is longer than the frame");
      // Only messages have an index, and none holds the first.
      if (field->inner != 0) {
        auto inside = message(in.substr(0, *value), field->inner, depth + 1);
        if (!inside) return inside;
      }
      in.remove_prefix(*value);
    }
    return {};
  }

 private:
  // At most ten bytes, as protobuf writes them.
  static std::optional<uint64_t> varint(std::string_view& in) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 10 && i < in.size(); ++i) {
      const auto byte = static_cast<uint8_t>(in[i]);
      if (i == 9 && byte > 1) return std::nullopt;
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte & 0x80) continue;
      in.remove_prefix(i + 1);
      return value;
    }
    return std::nullopt;
  }

  size_t values_ = 0;
};

}  // namespace

Result<void> decode(std::string_view frame, wire::Request& out) {
  if (frame.size() > kMaxFrame) return refuse("it is too long", EMSGSIZE);
  TRY(Walk().message(frame, 0, 1));
  if (!out.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) return refuse("text in it is not UTF-8");
  if (out.call_case() == wire::Request::CALL_NOT_SET) return refuse("it asks for nothing");
  if (out.id() == 0) return refuse("its id is 0");
  return {};
}

Result<void> encode(const wire::Reply& reply, std::string& out) {
  if (reply.ByteSizeLong() > kMaxFrame) return fail("frame", "reply", EMSGSIZE);
  if (!reply.SerializeToString(&out)) return fail("frame", "reply", EILSEQ, "text in it is not UTF-8");
  return {};
}

}  // namespace alos::broker
