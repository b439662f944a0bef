// Build tool: makes, of the description of the primitives (broker.proto with its options), what programs need that
// cannot read it themselves.
//
//   describe strip SET > SET    the same messages without options, for protobuf-lite, which has no place for them
//   describe table SET > INC    the rows of primitive_table.h
//   describe schema SET > INC   the messages that may be in a frame, for frame.cc to hold it against
//   describe calls SET > INC    a line for each primitive, for clients (shim/client/calls.h)
//   describe python SET > PY    the same for those in Python

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "alos/primitive.pb.h"

namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

constexpr const char* kWire = "alos/broker.proto";

void strip(DescriptorProto& message) {
  message.clear_options();
  for (auto& field : *message.mutable_field()) field.clear_options();
  for (auto& inner : *message.mutable_nested_type()) strip(inner);
}

bool strip(const FileDescriptorSet& all) {
  FileDescriptorSet out;
  for (const FileDescriptorProto& file : all.file()) {
    if (file.name() != kWire) continue;
    FileDescriptorProto& wire = *out.add_file() = file;
    wire.clear_dependency();
    for (auto& message : *wire.mutable_message_type()) strip(message);
  }
  return out.SerializeToOstream(&std::cout);
}

const DescriptorProto* find(const FileDescriptorProto& file, std::string_view type) {
  for (const DescriptorProto& message : file.message_type())
    if (".alos.wire." + message.name() == type) return &message;
  return nullptr;
}

// "fs_read" as the generated code has it: FsRead.
std::string camel(std::string_view name) {
  std::string out;
  bool up = true;
  for (const char c : name) {
    if (c != '_') out += up ? static_cast<char>(std::toupper(c)) : c;
    up = c == '_';
  }
  return out;
}

// Calls `row` with the field of Request, the message and the description of every primitive.
template <class Row>
bool each_primitive(const FileDescriptorSet& all, Row row) {
  for (const FileDescriptorProto& file : all.file()) {
    if (file.name() != kWire) continue;
    const DescriptorProto* request = find(file, ".alos.wire.Request");
    for (const auto& field : request->field()) {
      const DescriptorProto* call = field.has_oneof_index() ? find(file, field.type_name()) : nullptr;
      if (!call || !call->options().HasExtension(alos::wire::primitive)) continue;
      row(field.name(), *call, call->options().GetExtension(alos::wire::primitive));
    }
  }
  return true;
}

std::string effect_of(const alos::wire::Primitive& about) {
  std::string out = alos::wire::EffectClass_Name(about.effect());
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// The argument that is content; empty: none is.
std::string content_of(const DescriptorProto& call) {
  for (const auto& field : call.field())
    if (field.options().GetExtension(alos::wire::argument).content()) return field.name();
  return "";
}

bool table(const FileDescriptorSet& all) {
  return each_primitive(all,
                        [](const std::string& field, const DescriptorProto& call, const alos::wire::Primitive& about) {
                          fmt::print("{{wire::Request::k{}, \"{}\", EffectClass::{}, {}}},\n", camel(field),
                                     about.name(), effect_of(about), !content_of(call).empty());
                        });
}

bool calls(const FileDescriptorSet& all) {
  return each_primitive(
      all, [](const std::string& field, const DescriptorProto& call, const alos::wire::Primitive& about) {
        const std::string content = content_of(call);
        fmt::print("ALOS_CALL({}, {}, \"{}\", {}, {})\n", call.name(), field, about.name(), effect_of(about),
                   content.empty() ? "ALOS_NO_CONTENT" : "ALOS_CONTENT(" + content + ")");
      });
}

bool python(const FileDescriptorSet& all) {
  fmt::print("# The field of Request -> name, class of its effect, argument that is content.\nPRIMITIVES = {{\n");
  const bool found = each_primitive(
      all, [](const std::string& field, const DescriptorProto& call, const alos::wire::Primitive& about) {
        fmt::print("    \"{}\": (\"{}\", \"{}\", \"{}\"),\n", field, about.name(), effect_of(about), content_of(call));
      });
  fmt::print("}}\n");
  return found;
}

// Messages that a Request holds, itself first; the wire format knows fields by number and form alone.
bool schema(const FileDescriptorSet& all) {
  for (const FileDescriptorProto& file : all.file()) {
    if (file.name() != kWire) continue;
    std::vector<const DescriptorProto*> held{find(file, ".alos.wire.Request")};
    std::string fields, messages;
    size_t at = 0;
    for (size_t i = 0; i < held.size(); ++i) {
      const DescriptorProto& message = *held[i];
      messages += fmt::format("{{{}, {}}},  // {}\n", at, message.field_size(), message.name());
      for (const auto& field : message.field()) {
        using Field = google::protobuf::FieldDescriptorProto;
        const bool inner = field.type() == Field::TYPE_MESSAGE;
        const bool bytes = inner || field.type() == Field::TYPE_BYTES || field.type() == Field::TYPE_STRING;
        size_t index = 0;
        if (inner) {
          const DescriptorProto* of = find(file, field.type_name());
          index = static_cast<size_t>(std::find(held.begin(), held.end(), of) - held.begin());
          if (index == held.size()) held.push_back(of);
        }
        const int group = field.has_oneof_index() && !field.proto3_optional() ? 1 : 0;
        fields += fmt::format("{{{}, {}, {}, {}, {}}},  // {}.{}\n", field.number(), bytes, inner ? index : 0,
                              field.label() == Field::LABEL_REPEATED, group, message.name(), field.name());
        ++at;
      }
    }
    fmt::print("constexpr Field kFields[] = {{\n{}}};\nconstexpr Message kMessages[] = {{\n{}}};\n", fields, messages);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  FileDescriptorSet all;
  std::ifstream in(argc == 3 ? argv[2] : "");
  if (argc != 3 || !all.ParseFromIstream(&in)) return 2;
  const std::string_view what = argv[1];
  if (what == "strip") return strip(all) ? 0 : 1;
  if (what == "table") return table(all) ? 0 : 1;
  if (what == "schema") return schema(all) ? 0 : 1;
  if (what == "calls") return calls(all) ? 0 : 1;
  return what == "python" && python(all) ? 0 : 1;
}
