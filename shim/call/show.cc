#include "shim/call/show.h"

#include <fmt/format.h>
#include <sodium.h>
#include <string.h>

#include "base/paths.h"

namespace alos::call {
namespace {

using google::protobuf::Message;

Json value(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return bytes(reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32: {
      const uint32_t number = reflection.GetUInt32(message, &field);
      return is_octal(field) ? Json(fmt::format("{:04o}", number)) : Json(number);
    }
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* known = field.enum_type()->FindValueByNumber(reflection.GetEnumValue(message, &field));
      return known ? Json(spelled(*known)) : Json(reflection.GetEnumValue(message, &field));
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return object(reflection.GetMessage(message, &field));
    default:
      return nullptr;
  }
}

Json list(const Message& message, const FieldDescriptor& field) {
  Json out = Json::array();
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i)
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      out.push_back(object(reflection.GetRepeatedMessage(message, &field, i)));
    else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      out.push_back(bytes(reflection.GetRepeatedString(message, &field, i)));
  return out;
}

// A line below, unless there is nothing to say.
std::string below(const std::string& text) {
  return text.empty() ? "" : "        " + printable_text(text) + "\n";
}

std::string in_words(const wire::Denied& denied) {
  const std::string source = denied.source().empty() ? "" : " (" + printable_text(denied.source()) + ")";
  const std::string reason = denied.reason().empty() ? "" : ": \"" + printable_text(denied.reason()) + "\"";
  return fmt::format("denied  {}\n        by rule '{}'{}, layer {}{}\n{}", printable_text(denied.request()),
                     printable_text(denied.rule()), source, printable_text(denied.layer()), reason,
                     below(denied.remedy()));
}

std::string in_words(const std::string& name, const wire::Failed& failed) {
  const Error error{failed.operation(), printable(failed.object()), failed.code(), ""};
  return fmt::format("failed  {}: {}\n{}{}", name, error.text(), below(failed.hint()),
                     below(failed.partial() ? "part of it is done" : ""));
}

}  // namespace

bool is_utf8(std::string_view text) {
  char32_t ignored = 0;
  for (size_t n = 0; !text.empty(); text.remove_prefix(n))
    if ((n = decode_utf8(text, ignored)) == 0) return false;
  return true;
}

Json bytes(std::string_view data) {
  if (is_utf8(data)) return std::string(data);
  std::string out(sodium_base64_ENCODED_LEN(data.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(data.data()), data.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  out.resize(::strlen(out.c_str()));
  return {{"base64", out}};
}

Json object(const Message& message) {
  Json out = Json::object();
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_repeated())
      out[field.name()] = list(message, field);
    else if (!field.has_presence() || message.GetReflection()->HasField(message, &field))
      out[field.name()] = value(message, field);
  }
  return out;
}

Json ending(const Entry& entry, const wire::Reply& reply) {
  if (reply.has_denied()) return {{"denied", object(reply.denied())}};
  if (reply.has_failed()) return {{"failed", object(reply.failed())}};
  if (reply.has_limit()) return {{"limit", object(reply.limit())}};
  if (reply.has_unknown()) return {{"unknown", object(reply.unknown())}};
  return {{"ok", object(reply.GetReflection()->GetMessage(reply, entry.reply_field))}};
}

int exit_code(const wire::Reply& reply) {
  return reply.has_denied()    ? kDenied
         : reply.has_failed()  ? kFailed
         : reply.has_limit()   ? kLimit
         : reply.has_unknown() ? kUnknown
                               : kOk;
}

std::string in_words(const Entry& entry, const wire::Reply& reply) {
  const std::string& name = entry.about.name();
  if (reply.has_denied()) return in_words(reply.denied());
  if (reply.has_failed()) return in_words(name, reply.failed());
  if (reply.has_limit()) {
    const uint64_t value = reply.limit().value();
    return fmt::format("limit   {}: {}{}\n{}", name, printable_text(reply.limit().which()),
                       value == 0 ? "" : fmt::format(" is {}", value), below(reply.limit().hint()));
  }
  if (reply.has_unknown())
    return fmt::format("unknown {}: whether it was carried out is not known\n{}",
                       printable_text(reply.unknown().operation()), below(reply.unknown().hint()));
  return "";
}

}  // namespace alos::call
