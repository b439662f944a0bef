// Build tool: makes, of the description of the primitives (broker.proto with its options), what programs need that
// cannot read it themselves.
//
//   describe strip SET > SET    the same messages without options, for protobuf-lite, which has no place for them
//   describe table SET > INC    the rows of primitives/table.h

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

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

bool table(const FileDescriptorSet& all) {
  for (const FileDescriptorProto& file : all.file()) {
    if (file.name() != kWire) continue;
    const DescriptorProto* request = find(file, ".alos.wire.Request");
    for (const auto& field : request->field()) {
      const DescriptorProto* call = field.has_oneof_index() ? find(file, field.type_name()) : nullptr;
      if (!call || !call->options().HasExtension(alos::wire::primitive)) continue;
      const alos::wire::Primitive& primitive = call->options().GetExtension(alos::wire::primitive);
      fmt::print("{{wire::Request::k{}, \"{}\", EffectClass::{}}},\n", camel(field.name()), primitive.name(),
                 camel(alos::wire::EffectClass_Name(primitive.effect())));
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  FileDescriptorSet all;
  std::ifstream in(argc == 3 ? argv[2] : "");
  if (argc != 3 || !all.ParseFromIstream(&in)) return 2;
  const std::string_view what = argv[1];
  return (what == "strip" ? strip(all) : what == "table" && table(all)) ? 0 : 1;
}
