#include "shim/call/help.h"

#include <fmt/format.h>

#include <cctype>

#include "shim/call/show.h"

namespace alos::call {
namespace {

constexpr std::string_view kCodes = "0 ok, 1 denied, 2 wrong usage, 3 no broker, 4 failed, 5 limit, 6 unknown";

std::string sentence(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text + ".";
}

std::string row(const std::string& name, const std::string& text) {
  constexpr size_t kColumn = 28;
  return name.size() + 3 > kColumn ? fmt::format("  {}\n{:{}}{}\n", name, "", kColumn, text)
                                   : fmt::format("  {:{}}{}\n", name, kColumn - 2, text);
}

std::string option(const FieldDescriptor& field) {
  const std::string name = "--" + dashed(field.name());
  return field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL ? name : name + " " + placeholder(field);
}

std::string options(const Entry& entry) {
  std::string out;
  for (const FieldDescriptor* field : options_of(entry)) {
    const wire::Argument& about = argument_of(*field);
    out += row(option(*field), about.help() + (field->is_repeated() ? "; may be repeated" : ""));
    if (about.content())
      out += row("--" + dashed(field->name()) + "-from FILE", "the same, from a file; - is standard input");
  }
  if (gives_content(entry)) out += row("--raw", "write the content itself to standard output, no JSON");
  if (gives_output(entry)) out += row("--raw", "write its streams as they come, no JSON, and exit with its code");
  return out + row("--help", "print this");
}

std::string type_of(const FieldDescriptor& field) {
  const std::string one = [&]() -> std::string {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return field.type() == FieldDescriptor::TYPE_BYTES ? "bytes" : "text";
      case FieldDescriptor::CPPTYPE_BOOL:
        return "true or false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return "name";
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        std::string inner;
        for (int i = 0; i < field.message_type()->field_count(); ++i) {
          const FieldDescriptor& member = *field.message_type()->field(i);
          inner += (i ? ", " : "") + member.name() + ": " + type_of(member);
        }
        return "{" + inner + "}";
      }
      default:
        return is_octal(field) ? "octal text" : "number";
    }
  }();
  return field.is_repeated() ? "[" + one + ", ...]" : one;
}

std::string answer(const Entry& entry) {
  std::string out;
  for (int i = 0; i < entry.result->field_count(); ++i) {
    const FieldDescriptor& field = *entry.result->field(i);
    out += (out.empty() ? "" : ", ") + field.name() + ": " + type_of(field);
  }
  if (gives_output(entry)) out += ", output: bytes, error: bytes";
  return "{" + out + "}";
}

std::string rights(const Entry& entry) {
  std::string out;
  for (const std::string& right : entry.about.right()) out += (out.empty() ? "`" : ", `") + right + "`";
  return out.empty() ? "none" : out;
}

std::string effect(const Entry& entry) {
  switch (entry.about.effect()) {
    case wire::OBSERVE:
      return "none";
    case wire::CHANGE:
      return "changes files";
    case wire::RUN:
      return "starts programs";
    case wire::WAIT:
      return "lets time pass";
    default:
      return "not said";
  }
}

std::string section(const Entry& entry) {
  std::string out = fmt::format("\n## {}\n\n{} Effect: {}. Rights that may be asked for: {}.\n\n", entry.about.name(),
                                sentence(entry.about.summary()), effect(entry), rights(entry));
  out += "| argument | type | |\n|---|---|---|\n";
  for (int i = 0; i < entry.call->field_count(); ++i) {
    const FieldDescriptor& field = *entry.call->field(i);
    const wire::Argument& about = argument_of(field);
    std::string type = field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM ? placeholder(field) : type_of(field);
    for (size_t at = 0; (at = type.find('|', at)) != std::string::npos; at += 2) type.insert(at, "\\");
    if (about.path()) type = "path";
    if (!about.unit().empty()) type += ", " + about.unit();
    out += fmt::format("| `{}` | {} | {}{} |\n", field.name(), type, about.required() ? "**required**: " : "",
                       about.help());
  }
  out += fmt::format("\nAnswers `{}`{}.\n\n```sh\n{}\n```\n", answer(entry),
                     gives_descriptor(entry) ? " and the descriptor" : "", example(entry));
  return out;
}

}  // namespace

std::string list() {
  std::string out;
  for (const Entry& entry : primitives()) out += row(entry.about.name(), entry.about.summary());
  return out;
}

std::string overview() {
  return fmt::format(
      "Usage: alos-call PRIMITIVE [ARGUMENT]... [OPTION]...\n"
      "       alos-call why REQUEST\n\n"
      "Asks the broker of this box to carry out a primitive, and prints one JSON object: {{\"ok\": ...}},\n"
      "{{\"denied\": ...}}, {{\"failed\": ...}}, {{\"limit\": ...}} or {{\"unknown\": ...}}.\n\n"
      "Primitives:\n{}\nOptions:\n{}{}{}"
      "\nExit codes: {}.\n"
      "The broker is at /dev/alos; ALOS_SOCKET names another socket.\n\n"
      "Example: alos-call fs.read --help\n",
      list(), row("--list", "print the list of primitives"),
      row("--reference", "print all that is known of them, as Markdown"), row("--help", "print this"), kCodes);
}

std::string help(const Entry& entry) {
  std::string out = fmt::format("Usage: {}\n\n{}\n\n", usage(entry), sentence(entry.about.summary()));
  if (!required_of(entry).empty()) out += "Arguments:\n";
  for (const FieldDescriptor* field : required_of(entry)) {
    const wire::Argument& about = argument_of(*field);
    out += row(placeholder(*field), about.help() + (about.unit().empty() ? "" : ", " + about.unit()));
  }
  if (gives_descriptor(entry))
    out +=
        row("CMD [ARG]...", "run with the descriptor as its standard input (output, when opened to write or append)");
  out += (required_of(entry).empty() ? "Options:\n" : "\nOptions:\n") + options(entry);
  out +=
      fmt::format("\nAnswers: {{\"ok\": {}}}\nExit codes: {}.\n\nExample: {}\n", answer(entry), kCodes, example(entry));
  return out;
}

std::string reference() {
  std::string out =
      "# Primitives\n\n"
      "What a program in a box can ask the broker for. Made by `alos-call --reference` from the description that "
      "server\n"
      "and clients are made from (`syscall-broker/proto/alos/broker.proto`); not written by hand.\n\n"
      "Every call ends with its own answer (`ok`) or as `denied` (the policy, or a wall behind it; nothing happened),\n"
      "`failed` (permitted, and could not be done), `limit` (something finite is used up) or `unknown` (it may have\n"
      "happened: the connection was lost).\n\n"
      "- As a command, `alos-call`: what is required stands in the order below, the rest as `--name value` with dashes "
      "for\n"
      "  underscores. It prints one JSON object; bytes are text where they are UTF-8, else `{\"base64\": \"...\"}`. "
      "Exit "
      "codes:\n  ";
  out += kCodes;
  out +=
      ".\n"
      "- In Python, `import alos`: `alos.fs.read(path, offset=...)`, with the same names, except that times are in "
      "seconds\n"
      "  (`timeout`, `seconds`) and `from` is `from_`.\n"
      "- In C++, `shim/client/client.h`: `client.fs_read(wire::FsRead)`.\n";
  for (const Entry& entry : primitives()) out += section(entry);
  return out;
}

}  // namespace alos::call
