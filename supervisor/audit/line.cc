#include "supervisor/audit/line.h"

#include <array>
#include <charconv>

#include "base/clock.h"
#include "base/paths.h"

namespace alos::audit {
namespace {

constexpr std::string_view kStart = R"({"v":1,"seq":)";
constexpr std::string_view kPrev = R"(,"prev":")";
constexpr std::string_view kHash = R"(","hash":")";
constexpr std::string_view kEnd = R"("})";
constexpr size_t kHex = 64;
constexpr size_t kTail = kPrev.size() + kHex + kHash.size() + kHex + kEnd.size();
constexpr std::string_view kDigits = "0123456789abcdef";

void append_unit(std::string& out, uint32_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[unit >> shift & 15];
}

void append_escaped(std::string& out, char32_t c) {
  if (c > 0xffff) {
    append_unit(out, 0xd800 + ((c - 0x10000) >> 10));
    append_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
  } else {
    append_unit(out, c);
  }
}

constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x7f; ++c) plain[static_cast<size_t>(c)] = c != '"' && c != '\\';
  return plain;
}();
bool plain(char c) {
  return kPlain[static_cast<unsigned char>(c)];
}

// One character or one byte that is none; returns how many bytes it took.
size_t append_special(std::string& out, std::string_view text) {
  if (text[0] == '"' || text[0] == '\\') {
    out += '\\';
    out += text[0];
    return 1;
  }
  char32_t c = 0;
  if (const size_t size = decode_utf8(text, c)) {
    append_escaped(out, c);
    return size;
  }
  const auto byte = static_cast<unsigned char>(text[0]);
  append_unit(out, 0xfffd);
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
  return 1;
}

void append_characters(std::string& out, std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && plain(text[end])) ++end;
    out.append(text.substr(at, end - at));
    at = end;
    if (at < text.size()) at += append_special(out, text.substr(at));
  }
}

void append_field(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  out.append(",\"").append(name).append("\":");
  append_json_text(out, text);
}

void append_hex(std::string& out, const Digest& bytes) {
  std::array<char, kHex> text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    text[2 * i] = kDigits[bytes[i] >> 4];
    text[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  out.append(text.data(), text.size());
}

int value_of(char digit) {
  return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// Lower case only: the one spelling that a writer produces, so that no byte of a line has a second valid value.
bool parse_hex(std::string_view text, Digest& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = value_of(text[2 * i]), low = value_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

// The whole-second part changes once a second; formatting it each time would cost more than hashing the record.
void append_time(std::string& out, int64_t wall_ns) {
  thread_local int64_t second = -1;
  thread_local std::string text;
  if (wall_ns / 1'000'000'000 != second) {
    second = wall_ns / 1'000'000'000;
    text = rfc3339(second * 1'000'000'000).substr(0, sizeof "2026-11-22T11:03:14" - 1);
  }
  out.append(text).append(1, '.');
  auto micro = static_cast<uint32_t>(wall_ns % 1'000'000'000 / 1000);
  std::array<char, 6> digits;
  for (size_t i = digits.size(); i-- > 0; micro /= 10) digits[i] = static_cast<char>('0' + micro % 10);
  out.append(digits.data(), digits.size()).append(1, 'Z');
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  append_characters(out, text.substr(0, kMaxText));
  if (text.size() > kMaxText) {
    out += "...[cut, ";
    append_number(out, text.size());
    out += " bytes]";
  }
  out += '"';
}

void append_number(std::string& out, uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_body(std::string& out, const Record& record, std::string_view id, int64_t wall_ns) {
  out.append(R"(,"id":")").append(id).append(R"(","time":")");
  append_time(out, wall_ns);
  out += R"(","ns":)";
  append_number(out, static_cast<uint64_t>(wall_ns));
  append_field(out, "run", record.run);
  append_field(out, "process", record.process);
  append_field(out, "action", record.action);
  append_field(out, "target", record.target);
  append_field(out, "decision", name(record.decision));
  append_field(out, "rule", record.rule);
  append_field(out, "source", record.source);
  append_field(out, "outcome", record.outcome);
  if (!record.detail.empty()) out.append(R"(,"detail":{)").append(record.detail.members()).append(1, '}');
  append_field(out, "parent", record.parent);
}

Digest append_line(std::string& out, uint64_t seq, std::string_view body, const Digest& prev) {
  const size_t start = out.size();
  out += kStart;
  append_number(out, seq);
  out.append(body).append(kPrev);
  append_hex(out, prev);
  out += '"';
  const Digest hash = digest(std::string_view(out).substr(start));
  out += kHash.substr(1);
  append_hex(out, hash);
  out.append(kEnd).append(1, '\n');
  return hash;
}

std::optional<Line> parse_line(std::string_view line) {
  Line out;
  if (!line.starts_with(kStart) || line.size() < kStart.size() + kTail || !line.ends_with(kEnd)) return {};
  const std::string_view tail = line.substr(line.size() - kTail);
  const std::string_view hash = tail.substr(tail.size() - kEnd.size() - kHex, kHex);
  const std::string_view prev = tail.substr(kPrev.size(), kHex);
  if (!tail.starts_with(kPrev) || tail.substr(kPrev.size() + kHex, kHash.size()) != kHash) return {};
  if (!parse_hex(prev, out.prev) || !parse_hex(hash, out.hash)) return {};
  const char* first = line.data() + kStart.size();
  const char* last = line.data() + line.size() - kTail;
  const auto [end, error] = std::from_chars(first, last, out.seq);
  if (error != std::errc{} || *first == '0') return {};
  out.body = std::string_view(end, static_cast<size_t>(last - end));
  out.hashed = line.substr(0, line.size() - kEnd.size() - kHex - kHash.size() + 1);
  out.action = text_in(out.body, "action").value_or("");
  return out;
}

std::string seal_text(const Head& head, std::string_view body) {
  return "alos audit seal 1\n" + head.text() + "\n" + std::string(body);
}

std::optional<uint64_t> number_in(std::string_view body, std::string_view name) {
  const std::string key = "\"" + std::string(name) + "\":";
  const size_t at = body.find(key);
  if (at == body.npos) return {};
  uint64_t out = 0;
  if (std::from_chars(body.data() + at + key.size(), body.data() + body.size(), out).ec != std::errc{}) return {};
  return out;
}

std::optional<std::string_view> text_in(std::string_view body, std::string_view name) {
  const std::string key = "\"" + std::string(name) + "\":\"";
  const size_t at = body.find(key);
  if (at == body.npos) return {};
  const size_t end = body.find('"', at + key.size());
  if (end == body.npos) return {};
  return body.substr(at + key.size(), end - at - key.size());
}

}  // namespace alos::audit
