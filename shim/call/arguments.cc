#include "shim/call/arguments.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "base/paths.h"
#include "base/sys.h"
#include "shim/call/show.h"
#include "shim/client/frame.h"

namespace alos::call {
namespace {

using google::protobuf::Message;

constexpr std::string_view kFrom = "-from";

std::unexpected<Error> wrong(const std::string& what, const std::string& why) {
  return fail("usage", printable(what), 0, why);
}

Result<uint64_t> number(const FieldDescriptor& field, const std::string& text) {
  uint64_t out = 0;
  const int base = is_octal(field) ? 8 : 10;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out, base);
  const uint64_t most = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ? std::numeric_limits<uint32_t>::max()
                                                                            : std::numeric_limits<uint64_t>::max();
  if (text.empty() || error != std::errc() || at != end || out > most)
    return wrong(dashed(field.name()), base == 8 ? "is an octal number, as 0644" : "is a number from 0 on");
  return out;
}

Result<int> chosen(const FieldDescriptor& field, const std::string& text) {
  const auto& type = *field.enum_type();
  for (int i = 0; i < type.value_count(); ++i)
    if (spelled(*type.value(i)) == dashed(text)) return type.value(i)->number();
  return wrong(dashed(field.name()), "is one of " + placeholder(field));
}

Result<void> set_text(Message& call, const FieldDescriptor& field, const std::string& text) {
  if (field.type() == FieldDescriptor::TYPE_STRING && !is_utf8(text)) return wrong(dashed(field.name()), "is no UTF-8");
  if (field.is_repeated())
    call.GetReflection()->AddString(&call, &field, text);
  else
    call.GetReflection()->SetString(&call, &field, text);
  return {};
}

Result<void> add_pair(Message& call, const FieldDescriptor& field, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return wrong(dashed(field.name()), "is NAME=VALUE");
  Message& pair = *call.GetReflection()->AddMessage(&call, &field);
  const Descriptor& type = *field.message_type();
  TRY(set_text(pair, *type.FindFieldByName("name"), text.substr(0, equals)));
  return set_text(pair, *type.FindFieldByName("value"), text.substr(equals + 1));
}

// The broker knows no working directory of its clients.
Result<std::string> from_here(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  char here[PATH_MAX];
  if (!::getcwd(here, sizeof here)) return fail_errno("getcwd", path);
  return std::string(here) + "/" + path;
}

Result<void> set(Message& call, const FieldDescriptor& field, const std::string& text) {
  const auto& reflection = *call.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return set_text(call, field, argument_of(field).path() ? TRY(from_here(text)) : text);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return add_pair(call, field, text);
    case FieldDescriptor::CPPTYPE_ENUM:
      reflection.SetEnumValue(&call, &field, TRY(chosen(field, text)));
      return {};
    case FieldDescriptor::CPPTYPE_UINT32:
      reflection.SetUInt32(&call, &field, static_cast<uint32_t>(TRY(number(field, text))));
      return {};
    case FieldDescriptor::CPPTYPE_UINT64:
      reflection.SetUInt64(&call, &field, TRY(number(field, text)));
      return {};
    default:
      return wrong(dashed(field.name()), "is of a type that this program cannot set");
  }
}

class Parser {
 public:
  Parser(const Entry& entry, const std::vector<std::string>& words)
      : entry_(entry), words_(words), required_(required_of(entry)) {
    out_.entry = &entry;
    call_ = out_.request.GetReflection()->MutableMessage(&out_.request, entry.request_field);
  }

  Result<Command> parse() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (word == "--") {
        TRY(rest());
      } else if (word.size() > 1 && word[0] == '-') {
        TRY(option(word));
      } else {
        TRY(positional(word));
      }
    }
    TRY(complete());
    TRY(run_here());
    take_out_content();
    return std::move(out_);
  }

 private:
  Result<void> rest() {
    const bool repeats = next_ < required_.size() && required_[next_]->is_repeated();
    if (repeats && at_ < words_.size()) given_.insert(required_[next_]);
    for (; at_ < words_.size(); ++at_)
      if (repeats)
        TRY(set(*call_, *required_[next_], words_[at_]));
      else if (gives_descriptor(entry_))
        out_.then.push_back(words_[at_]);
      else
        TRY(positional(words_[at_]));
    return {};
  }

  Result<void> positional(const std::string& word) {
    if (next_ == required_.size()) return wrong(word, "is one word too many");
    const FieldDescriptor& field = *required_[next_];
    if (field.is_repeated()) return wrong(word, "stands after --");
    given_.insert(&field);
    ++next_;
    return set(*call_, field, word);
  }

  Result<void> option(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (name == "--raw" && (gives_content(entry_) || gives_output(entry_))) {
      out_.raw = true;
      return {};
    }
    const FieldDescriptor* content = content_of(entry_);
    const bool from = content && name == "--" + dashed(content->name()) + std::string(kFrom);
    const FieldDescriptor* field = from ? content : find_option(name);
    if (!field) return wrong(word, "is no option of " + entry_.about.name());
    if (!given_.insert(field).second && !field->is_repeated()) return wrong(name, "is given twice");
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      if (equals != std::string::npos) return wrong(name, "takes no value");
      call_->GetReflection()->SetBool(call_, field, true);
      return {};
    }
    if (equals == std::string::npos && at_ == words_.size()) return wrong(name, "wants a value");
    const std::string value = equals == std::string::npos ? words_[at_++] : word.substr(equals + 1);
    return from ? set(*call_, *field, TRY(read(value))) : set(*call_, *field, value);
  }

  const FieldDescriptor* find_option(const std::string& name) const {
    for (const FieldDescriptor* field : options_of(entry_))
      if (name == "--" + dashed(field->name())) return field;
    return nullptr;
  }

  static Result<std::string> read(const std::string& file) {
    return file == "-" ? sys::read_file(0, client::kMaxContent) : sys::read_file(file, client::kMaxContent);
  }

  Result<void> complete() const {
    for (const FieldDescriptor* field : required_)
      if (!given_.contains(field))
        return wrong(upper(field->name()),
                     "is missing" + std::string(field->is_repeated() ? "; it stands after --" : ""));
    if (needs_content(entry_) && !given_.contains(content_of(entry_)))
      return wrong("--" + dashed(content_of(entry_)->name()), "is missing; '' is none");
    return {};
  }

  // A command runs where it was asked for, as from a shell.
  Result<void> run_here() {
    const FieldDescriptor* field = call_->GetDescriptor()->FindFieldByName("cwd");
    if (!field || given_.contains(field)) return {};
    return set_text(*call_, *field, TRY(from_here(".")));
  }

  void take_out_content() {
    const FieldDescriptor* field = content_of(entry_);
    if (!field) return;
    std::string content = call_->GetReflection()->GetString(*call_, field);
    if (content.size() <= client::kMaxInline) return;
    call_->GetReflection()->ClearField(call_, field);
    out_.attached = std::move(content);
  }

  const Entry& entry_;
  const std::vector<std::string>& words_;
  const std::vector<const FieldDescriptor*> required_;
  size_t at_ = 0, next_ = 0;
  std::set<const FieldDescriptor*> given_;
  Command out_;
  Message* call_;
};

}  // namespace

const Message& Command::call() const {
  return request.GetReflection()->GetMessage(request, entry->request_field);
}

Result<Command> parse(const Entry& entry, const std::vector<std::string>& words) {
  return Parser(entry, words).parse();
}

}  // namespace alos::call
