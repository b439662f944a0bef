#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/audit/record.h"

// How a record stands in the file: one line of JSON, pure ASCII,
//
//   {"v":1,"seq":7,"id":"..","time":"..","ns":..,[fields,]"prev":"<64 hex>","hash":"<64 hex>"}\n
//
// `hash` is BLAKE2b-256 over the bytes of the line before `,"hash":`; `prev` is the hash of the record before and among
// those bytes. So each byte of a line is either hashed or has one possible value. Empty fields are left out.
namespace alos::audit {

// As a JSON string: control characters and everything beyond ASCII as \uXXXX, so that a log is safe to print; a byte
// that is not UTF-8 becomes U+FFFD and its two hexadecimal digits. Cut at kMaxText bytes: "...[cut, N bytes]".
void append_json_text(std::string& out, std::string_view text);
void append_number(std::string& out, uint64_t number);

// The middle of a line, which does not depend on its place in the log: from `,"id"` up to `,"prev"`.
void append_body(std::string& out, const Record& record, std::string_view id, int64_t wall_ns);

// What a line needs around its body, at most.
inline constexpr size_t kAroundBody = 190;

// Appends the whole line for `body` at place `seq` after the record with hash `prev`; returns its own hash.
Digest append_line(std::string& out, uint64_t seq, std::string_view body, const Digest& prev);

// A line taken apart again, strictly: nothing when it has not exactly the shape above. Views into the line.
struct Line {
  uint64_t seq = 0;
  std::string_view body;
  std::string_view action;
  std::string_view hashed;  // the bytes that `hash` is over
  Digest prev{};
  Digest hash{};
};
std::optional<Line> parse_line(std::string_view line);  // without its newline

// What the signature of a seal is over: where the log stood before it, and the body of the seal without its signature.
std::string seal_text(const Head& head, std::string_view body);

// A number or text by name from a body that the log itself wrote (action "audit.*"): names and values there hold
// nothing that is escaped. Also "ns" and "action" of any body: they precede everything that an agent can put a name
// into.
std::optional<uint64_t> number_in(std::string_view body, std::string_view name);
std::optional<std::string_view> text_in(std::string_view body, std::string_view name);

}  // namespace alos::audit
