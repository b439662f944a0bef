// Text that an agent chooses and people or the log get to see: shown text holds nothing that steers a terminal, a
// request's text parses to the same request, and what the log writes is a line that reads back.

#include <algorithm>

#include "base/paths.h"
#include "fuzz.h"
#include "policy/request.h"
#include "supervisor/audit/line.h"
#include "supervisor/audit/payload.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alos;
  const std::string_view text = fuzz::text_of(data, size);
  for (const std::string& shown : {printable(text), printable_text(text)})
    fuzz::must(std::ranges::none_of(shown, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }),
               "shown text has no control characters");
  const std::string shown = printable_text(text);
  fuzz::must(printable_text(shown) == shown, "shown text is shown as it is");
  if (!text.empty()) fuzz::must(printable(text) != printable(text.substr(1)), "two names are not shown alike");

  const auto path = canonical_path(text);
  fuzz::must(!path || is_canonical_path(*path), "a canonical path is canonical");
  if (const auto request = policy::Request::parse(text)) {
    const auto again = policy::Request::parse(request->text());
    fuzz::must(again && again->text() == request->text(), "a request's text is that request");
  }

  audit::redact(text);
  const audit::Record record{.run = "r",
                             .action = "fs.read",
                             .target = text,
                             .decision = audit::Decision::deny,
                             .rule = text.substr(0, size / 2)};
  std::string body, line;
  audit::append_body(body, record, "id", 1);
  audit::append_line(line, 7, body, Digest{});
  fuzz::must(!line.empty() && line.back() == '\n', "a record is a line");
  line.pop_back();
  const auto parsed = audit::parse_line(line);
  fuzz::must(parsed && parsed->seq == 7 && parsed->body == body, "a record reads back");
  audit::parse_line(text);
  audit::parse_head(text);
  return 0;
}
