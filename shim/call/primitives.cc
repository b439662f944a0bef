#include "shim/call/primitives.h"

#include <algorithm>
#include <cctype>

namespace alos::call {
namespace {

Entry entry_of(const FieldDescriptor& field, const wire::Primitive& about) {
  const Descriptor& call = *field.message_type();
  return {.call = &call,
          .result = call.FindNestedTypeByName("Result"),
          .request_field = &field,
          .reply_field = wire::Reply::descriptor()->FindFieldByNumber(field.number()),
          .about = about};
}

std::vector<const FieldDescriptor*> arguments(const Entry& entry, bool required) {
  std::vector<const FieldDescriptor*> out;
  for (int i = 0; i < entry.call->field_count(); ++i)
    if (argument_of(*entry.call->field(i)).required() == required) out.push_back(entry.call->field(i));
  std::ranges::sort(out, {}, &FieldDescriptor::number);
  return out;
}

// "OPEN_" of an enum whose every value begins with it.
std::string common_prefix(const google::protobuf::EnumDescriptor& type) {
  const std::string& first = type.value(0)->name();
  std::string prefix = first.substr(0, first.find('_') + 1);
  for (int i = 0; i < type.value_count(); ++i)
    if (!type.value(i)->name().starts_with(prefix)) return "";
  return prefix;
}

std::string changed(std::string_view name, int (*change)(int)) {
  std::string out(name);
  for (char& c : out) c = c == '_' ? '-' : static_cast<char>(change(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

const std::vector<Entry>& primitives() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> out;
    const auto* calls = wire::Request::descriptor()->FindOneofByName("call");
    for (int i = 0; i < calls->field_count(); ++i) {
      const auto& options = calls->field(i)->message_type()->options();
      if (options.HasExtension(wire::primitive))
        out.push_back(entry_of(*calls->field(i), options.GetExtension(wire::primitive)));
    }
    return out;
  }();
  return all;
}

const Entry* find(std::string_view name) {
  const auto found = std::ranges::find(primitives(), name, [](const Entry& one) { return one.about.name(); });
  return found == primitives().end() ? nullptr : &*found;
}

const wire::Argument& argument_of(const FieldDescriptor& field) {
  return field.options().GetExtension(wire::argument);
}

std::vector<const FieldDescriptor*> required_of(const Entry& entry) {
  return arguments(entry, true);
}
std::vector<const FieldDescriptor*> options_of(const Entry& entry) {
  return arguments(entry, false);
}

const FieldDescriptor* content_of(const Entry& entry) {
  for (const FieldDescriptor* field : options_of(entry))
    if (argument_of(*field).content()) return field;
  return nullptr;
}

bool gives_content(const Entry& entry) {
  return entry.result->FindFieldByName("content") != nullptr;
}
bool gives_descriptor(const Entry& entry) {
  return entry.call == wire::FsOpen::descriptor();
}
bool gives_output(const Entry& entry) {
  return entry.call == wire::ShellRun::descriptor();
}
bool needs_content(const Entry& entry) {
  return entry.about.effect() == wire::CHANGE && content_of(entry) != nullptr;
}

std::string dashed(std::string_view name) {
  return changed(name, [](int c) { return c; });
}
std::string upper(std::string_view name) {
  return changed(name, std::toupper);
}
std::string spelled(const EnumValueDescriptor& value) {
  return changed(std::string_view(value.name()).substr(common_prefix(*value.type()).size()), std::tolower);
}

bool is_octal(const FieldDescriptor& field) {
  return field.name() == "permissions";
}

std::string placeholder(const FieldDescriptor& field) {
  const wire::Argument& about = argument_of(field);
  if (about.required()) return upper(field.name());
  if (about.path()) return "PATH";
  if (is_octal(field)) return "OCTAL";
  if (!about.unit().empty()) return upper(about.unit());
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::string out;
      for (int i = 0; i < field.enum_type()->value_count(); ++i)
        out += (i ? "|" : "") + spelled(*field.enum_type()->value(i));
      return out;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "NAME=VALUE";
    case FieldDescriptor::CPPTYPE_STRING:
      return "TEXT";
    default:
      return "NUMBER";
  }
}

std::string usage(const Entry& entry) {
  std::string out = "alos-call " + entry.about.name(), last;
  for (const FieldDescriptor* field : required_of(entry))
    if (field->is_repeated())
      last = " -- " + placeholder(*field) + "...";
    else
      out += " " + placeholder(*field);
  if (needs_content(entry)) out += " --content TEXT";
  if (!options_of(entry).empty() || gives_content(entry)) out += " [OPTION]...";
  if (gives_descriptor(entry)) last = " [-- CMD [ARG]...]";
  return out + last;
}

std::string example(const Entry& entry) {
  std::string out = "alos-call " + entry.about.name();
  char file = 'a';
  for (const FieldDescriptor* field : required_of(entry)) {
    const wire::Argument& about = argument_of(*field);
    constexpr std::string_view kAs = "as in ";
    if (const size_t at = about.help().find(kAs); at != std::string::npos)
      out += " '" + about.help().substr(at + kAs.size()) + "'";
    else if (field->is_repeated())
      out += " -- ls -l";
    else if (about.path())
      out += std::string(" /workspace/") + file++;
    else
      out += " 1500";
  }
  if (needs_content(entry)) out += " --content 'some text'";
  if (gives_descriptor(entry)) out += " -- wc -l";
  return out;
}

}  // namespace alos::call
