#include "supervisor/audit/record.h"

#include <charconv>

#include "supervisor/audit/line.h"
#include "supervisor/audit/payload.h"

namespace alos::audit {

std::string Head::text() const {
  return std::to_string(count) + ":" + hex(hash);
}

Result<Head> parse_head(std::string_view text) {
  constexpr std::string_view kHint = "an anchor is COUNT:HASH as 'alos audit verify' prints it";
  Head head;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), head.count);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error != std::errc{} || !rest.starts_with(':') || !unhex(rest.substr(1), head.hash))
    return fail("anchor", text, EINVAL, kHint);
  return head;
}

std::string_view name(Decision decision) {
  switch (decision) {
    case Decision::none:
      return "";
    case Decision::allow:
      return "allow";
    case Decision::ask:
      return "ask";
    case Decision::deny:
      return "deny";
  }
  return "";
}

void Detail::begin(std::string_view name) {
  if (!members_.empty()) members_ += ',';
  append_json_text(members_, name);
  members_ += ':';
}

Detail& Detail::add(std::string_view name, std::string_view text) {
  begin(name);
  append_json_text(members_, text);
  return *this;
}

Detail& Detail::add(std::string_view name, uint64_t number) {
  begin(name);
  append_number(members_, number);
  return *this;
}

Detail& Detail::add(std::string_view name, const Payload& payload) {
  begin(name);
  Detail inner;
  inner.add("size", payload.size).add("hash", hex(payload.hash));
  if (!payload.preview.empty()) inner.add("preview", payload.preview);
  members_ += inner.json();
  return *this;
}

}  // namespace alos::audit
