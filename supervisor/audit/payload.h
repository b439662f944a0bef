#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace alos::audit {

// What a record says about data that went in or out: enough to recognise the same bytes again, not enough to read them.
struct Payload {
  uint64_t size = 0;
  Digest hash{};        // keyed with the log's own key: a short secret cannot be found by trying
  std::string preview;  // the beginning, made printable, likely secrets taken out; empty if none was wanted
};

enum class Preview : uint8_t { none, redacted };

// A preview is at most this many bytes of the payload.
inline constexpr size_t kPreviewBytes = 160;

// Redaction is by likeness (what follows words as "token" or "password", long runs of letters and digits, PEM blocks):
// data that must never be shown is described with Preview::none.
Payload describe(const Key& key, std::string_view data, Preview preview);

// The text with what looks like a secret replaced by "[redacted]"; for people, not a boundary.
std::string redact(std::string_view text);

}  // namespace alos::audit
