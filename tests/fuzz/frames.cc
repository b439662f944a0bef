// What a program in a box sends to its broker, as one frame. Whatever it is: it is refused with words, or protobuf
// reads the same in it and writes it back as something that is read again; what follows the description of the protocol
// is never refused.
//
// The input is read as choices of fields and values, by the description itself, and at the end of changes to the bytes
// that these make. An input whose first byte is 0 is the frame.

#include <google/protobuf/stubs/logging.h>

#include <bitset>

#include "fuzz.h"
#include "syscall-broker/frame.h"

namespace {

using namespace alos;
using namespace alos::broker;

struct Field {
  uint32_t number;
  bool bytes;
  uint16_t inner;
  bool repeated, alternative;
};
struct Message {
  uint16_t first, count;
};

#include "primitive_schema.inc"

class Choices {
 public:
  explicit Choices(std::string_view input) : left_(input) {}
  bool any() const { return !left_.empty(); }
  uint8_t byte() {
    if (left_.empty()) return 0;
    const auto out = static_cast<uint8_t>(left_.front());
    left_.remove_prefix(1);
    return out;
  }
  uint64_t number() {
    uint64_t out = 0;
    for (int i = byte() % 9; i > 0; --i) out = out << 8 | byte();
    return out;
  }

 private:
  std::string_view left_;
};

void add_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// A frame by the description, which says whether it is one that must be taken.
class Frame {
 public:
  explicit Frame(Choices& choices) : choices_(choices) {
    text = message(0);
    sound = sound && id_ && call_ && text.size() <= kMaxFrame && values_ <= kMaxValues;
  }
  std::string text;
  bool sound = true;

 private:
  std::string message(size_t index) {
    const Message& of = kMessages[index];
    std::string out;
    std::bitset<64> seen;
    bool chosen = false;
    for (int n = choices_.byte() % 6; n > 0 && choices_.any(); --n) {
      const size_t at = choices_.byte() % of.count;
      const Field& field = kFields[of.first + at];
      sound = sound && !(seen[at] && !field.repeated) && !(field.alternative && chosen);
      seen[at] = true;
      chosen = chosen || field.alternative;
      for (int times = field.repeated ? choices_.byte() : 1; times > 0; --times) add(out, field, index);
      call_ = call_ || (index == 0 && field.alternative);
    }
    return out;
  }

  void add(std::string& out, const Field& field, size_t index) {
    ++values_;
    add_varint(out, uint64_t{field.number} << 3 | (field.bytes ? 2 : 0));
    if (!field.bytes) {
      const uint64_t value = choices_.number();
      id_ = id_ || (index == 0 && field.number == 1 && value != 0);
      return add_varint(out, value);
    }
    const std::string value = field.inner != 0 ? message(field.inner) : bytes();
    add_varint(out, value.size());
    out += value;
  }

  std::string bytes() {
    const uint8_t size = choices_.byte();
    if (size >= 0xf8) return std::string(size * 64U, 'x');
    if (size >= 0xe0) {  // no text
      sound = false;
      std::string out;
      for (int n = size & 7; n >= 0; --n) out += static_cast<char>(choices_.byte());
      return out;
    }
    std::string out(size % 24, 'a');
    for (char& c : out) c = static_cast<char>(choices_.byte() & 0x7f);
    return out;
  }

  Choices& choices_;
  bool id_ = false, call_ = false;
  size_t values_ = 0;
};

// True when it was changed.
bool change(std::string& frame, Choices& choices) {
  const std::string before = frame;
  for (int n = choices.byte() % 4; n > 0 && choices.any() && !frame.empty(); --n) {
    const size_t at = choices.number() % frame.size();
    switch (choices.byte() % 4) {
      case 0:
        frame[at] = static_cast<char>(choices.byte());
        break;
      case 1:
        frame.erase(at, 1 + choices.byte() % 4U);
        break;
      case 2:
        frame.insert(at, 1 + choices.byte() % 4U, static_cast<char>(choices.byte()));
        break;
      default:
        frame.insert(at, frame.substr(choices.number() % frame.size(), 40));
    }
  }
  return frame != before;
}

bool check(const std::string& frame) {
  wire::Request out, theirs;
  const auto done = decode(frame, out);
  if (!done) {
    fuzz::must(!done.error().object.empty() && done.error().code != 0, "a refusal says why");
    return false;
  }
  fuzz::must(theirs.ParseFromString(frame), "protobuf takes what is taken");
  const std::string text = out.SerializeAsString();
  fuzz::must(theirs.SerializeAsString() == text, "protobuf reads it alike");
  wire::Request again;
  fuzz::must(decode(text, again) && again.SerializeAsString() == text, "what protobuf writes of it is read again");
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // it says on stderr what is no UTF-8
  const std::string_view input = fuzz::text_of(data, size);
  if (!input.empty() && input[0] == 0) return check(std::string(input.substr(1))), 0;
  Choices choices(input);
  Frame frame(choices);
  const bool changed = change(frame.text, choices);
  const bool taken = check(frame.text);
  fuzz::must(taken || changed || !frame.sound, "what follows the description is taken");
  return 0;
}
