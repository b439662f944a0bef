#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>
#include <vector>

#include "alos/broker.pb.h"
#include "alos/primitive.pb.h"

// The primitives as their description has them (syscall-broker/proto/alos). Everything that alos-call knows of one, it
// knows from here.
namespace alos::call {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

struct Entry {
  const Descriptor* call;
  const Descriptor* result;
  const FieldDescriptor* request_field;
  const FieldDescriptor* reply_field;
  wire::Primitive about;
};
// In the order of Request.
const std::vector<Entry>& primitives();
const Entry* find(std::string_view name);  // null: there is none

const wire::Argument& argument_of(const FieldDescriptor& field);
std::vector<const FieldDescriptor*> required_of(const Entry& entry);
std::vector<const FieldDescriptor*> options_of(const Entry& entry);
const FieldDescriptor* content_of(const Entry& entry);  // the argument that is content; null: none
bool gives_content(const Entry& entry);
bool gives_descriptor(const Entry& entry);
bool gives_output(const Entry& entry);  // writes while it goes on
// Its content is what it is about: without any, a file would be emptied by a slip.
bool needs_content(const Entry& entry);

std::string dashed(std::string_view name);        // "if_version" as "if-version"
std::string upper(std::string_view name);         // "if_version" as "IF-VERSION"
std::string spelled(const EnumValueDescriptor&);  // CREATE_OR_REPLACE as "create-or-replace", OPEN_READ as "read"
bool is_octal(const FieldDescriptor& field);      // permissions, in arguments and in answers
// What stands for a value in usage: "PATH", "MS", "create|replace".
std::string placeholder(const FieldDescriptor& field);
std::string usage(const Entry& entry);    // "alos-call fs.read PATH [OPTION]..."
std::string example(const Entry& entry);  // one that works, given the files

}  // namespace alos::call
