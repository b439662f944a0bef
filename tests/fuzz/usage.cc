// A usage line of a policy's author in the first line, and what an agent asks to run as a request in the rest. The line
// is refused with words or is read again as itself; what matches is bound to words of the arguments that no option can
// be, and a deny of the same line covers it.

#include "policy/usage.h"

#include "fuzz.h"
#include "policy/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alos;
  if (size > 8192) return 0;
  const auto lines = fuzz::lines(fuzz::text_of(data, size), 2);
  const auto escaped = policy::Usage::parse("/x " + policy::Usage::escape(lines[0]));
  if (escaped && !lines[0].empty())
    fuzz::must(escaped->match(std::vector{std::string(lines[0])}).has_value(), "an escaped text is one word, itself");
  const auto usage = policy::Usage::parse(lines[0]);
  if (!usage) {
    fuzz::must(!usage.error().hint.empty(), "a refusal says what to write");
    return 0;
  }
  const auto again = policy::Usage::parse(usage->text());
  fuzz::must(again && again->text() == usage->text(), "a usage line's text is that line");
  if (lines.size() < 2) return 0;
  const auto request = policy::Request::parse("shell.run /x " + std::string(lines[1]));
  if (!request || request->kind() != policy::Request::Kind::command) return 0;
  const auto arguments = request->arguments();
  const auto bound = usage->match(arguments);
  const bool covered = usage->covers(arguments);
  if (!bound) {
    fuzz::must(bound.error().position <= arguments.size() && !bound.error().reason.empty(),
               "a mismatch has place and reason");
    return 0;
  }
  fuzz::must(covered, "a deny covers what an allow of the same line allows");
  for (const policy::Binding& binding : *bound) {
    fuzz::must(binding.position < arguments.size() && arguments[binding.position].ends_with(binding.value),
               "a value is the end of its word");
    fuzz::must(!binding.value.empty() && binding.value[0] != '-', "no value is an option");
  }
  return 0;
}
