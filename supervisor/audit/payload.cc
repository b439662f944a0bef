#include "supervisor/audit/payload.h"

#include <algorithm>
#include <array>

#include "base/paths.h"

namespace alos::audit {
namespace {

constexpr std::string_view kRedacted = "[redacted]";
constexpr size_t kLongRun = 20;  // shorter runs of letters with digits are names and numbers more often than secrets

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool in_word(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '+';
}
bool separates(char c) {
  return c == ':' || c == '=' || c == ' ' || c == '"' || c == '\'' || c == '\t';
}
bool in_value(char c) {
  return !separates(c) && c != ',' && c != '\n' && c != '&' && c != ';';
}

bool announces_secret(std::string_view word) {
  static constexpr std::array<std::string_view, 9> kWords{"token",   "secret",  "password", "passwd",    "apikey",
                                                          "api_key", "api-key", "bearer",   "credential"};
  std::string lower(word);
  std::ranges::transform(lower, lower.begin(), [](char c) { return static_cast<char>(is_letter(c) ? c | 0x20 : c); });
  return std::ranges::any_of(kWords, [&](std::string_view w) { return lower.find(w) != lower.npos; });
}

bool looks_random(std::string_view word) {
  return word.size() >= kLongRun && std::ranges::any_of(word, is_digit) && std::ranges::any_of(word, is_letter);
}

size_t end_of(std::string_view text, size_t at, bool (*belongs)(char)) {
  while (at < text.size() && belongs(text[at])) ++at;
  return at;
}

}  // namespace

std::string redact(std::string_view text) {
  std::string out;
  bool secret_follows = false;
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with("-----BEGIN ")) return out.append(kRedacted);
    if (!in_word(text[at])) {
      if (!separates(text[at])) secret_follows = false;
      out += text[at++];
      continue;
    }
    size_t end = end_of(text, at, in_word);
    const bool announced = announces_secret(text.substr(at, end - at));
    if (secret_follows && !announced) end = end_of(text, at, in_value);
    const std::string_view word = text.substr(at, end - at);
    const bool hide = (secret_follows && !announced) || looks_random(word);
    out.append(hide ? kRedacted : word);
    secret_follows = announced && !hide;
    at = end;
  }
  return out;
}

Payload describe(const Key& key, std::string_view data, Preview preview) {
  Payload out{.size = data.size(), .hash = keyed_digest(key, data), .preview = {}};
  // Redacted before it is cut: a secret that the cut would shorten below what is recognised must not show its
  // beginning.
  if (preview == Preview::redacted)
    out.preview = printable_text(std::string_view(redact(data.substr(0, 4 * kPreviewBytes))).substr(0, kPreviewBytes));
  return out;
}

}  // namespace alos::audit
