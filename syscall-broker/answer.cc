#include "syscall-broker/answer.h"

#include <cstring>

#include "base/paths.h"
#include "policy/remedy.h"
#include "syscall-broker/frame.h"

namespace alos::broker {
namespace {

std::string name_of(int code) {
  const char* name = code > 0 ? ::strerrorname_np(code) : nullptr;
  return name ? name : "";
}

// Five of them fit a frame.
void cut_text(std::string& text) {
  constexpr size_t kLongest = 8 << 10;
  const size_t all = text.size();
  if (all <= kLongest) return;
  size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not in the middle of a character
  text.resize(end);
  text += "...[cut, " + std::to_string(all) + " bytes in all]";
}

}  // namespace

Answer failed(const Error& error, bool partial) {
  Answer out;
  wire::Failed& failed = *out.reply.mutable_failed();
  failed.set_operation(error.operation);
  failed.set_object(error.object);
  failed.set_code(error.code);
  failed.set_name(name_of(error.code));
  failed.set_hint(error.hint);
  failed.set_partial(partial);
  return out;
}

Answer limited(std::string_view which, uint64_t value, std::string_view hint) {
  Answer out;
  wire::Limit& limit = *out.reply.mutable_limit();
  limit.set_which(std::string(which));
  limit.set_value(value);
  limit.set_hint(std::string(hint));
  return out;
}

Answer unknown(std::string_view operation, std::string_view hint) {
  Answer out;
  out.reply.mutable_unknown()->set_operation(std::string(operation));
  out.reply.mutable_unknown()->set_hint(std::string(hint));
  return out;
}

Answer denied(const policy::CompiledPolicy& policy, const policy::Decision& decision, const policy::Request& request) {
  Answer out;
  wire::Denied& denied = *out.reply.mutable_denied();
  denied.set_request(request.shown());
  denied.set_layer(std::string(name(decision.layer)));
  denied.set_rule(std::string(decision.rule_name()));
  denied.set_source(decision.source().text());
  denied.set_reason(std::string(decision.reason()));
  denied.set_remedy(policy::remedy(policy, request, decision));
  return out;
}

Answer refused(std::string_view request, std::string_view reason, std::string_view remedy) {
  Answer out;
  wire::Denied& denied = *out.reply.mutable_denied();
  denied.set_request(printable_text(request));
  denied.set_layer("broker");
  denied.set_rule("broker");
  denied.set_reason(std::string(reason));
  denied.set_remedy(std::string(remedy));
  return out;
}

void cut_texts(wire::Reply& reply) {
  if (reply.ByteSizeLong() <= kMaxFrame) return;
  const auto cut = [](auto& of) {
    for (std::string* text :
         {of.mutable_request(), of.mutable_rule(), of.mutable_source(), of.mutable_reason(), of.mutable_remedy()})
      cut_text(*text);
  };
  if (reply.has_denied()) cut(*reply.mutable_denied());
  if (reply.has_policy_why()) cut(*reply.mutable_policy_why());
}

std::string outcome_of(const Answer& answer) {
  const wire::Reply& reply = answer.reply;
  switch (reply.answer_case()) {
    case wire::Reply::kDenied:
      return "denied";
    case wire::Reply::kFailed:
      return "failed " + (reply.failed().name().empty() ? reply.failed().operation() : reply.failed().name());
    case wire::Reply::kLimit:
      return "limit " + reply.limit().which();
    case wire::Reply::kUnknown:
      return "unknown";
    default:
      return "ok";
  }
}

std::vector<std::pair<std::string, std::string>> details_of(const Answer& answer) {
  std::vector<std::pair<std::string, std::string>> out = answer.details;
  if (answer.reply.failed().partial()) out.emplace_back("partial", "true");
  if (!answer.reply.has_shell_run()) return out;
  const wire::ShellRun::Result& run = answer.reply.shell_run();
  out.emplace_back("code", std::to_string(run.code()));
  if (run.signal() != 0) out.emplace_back("signal", std::to_string(run.signal()));
  if (run.timed_out()) out.emplace_back("timed_out", "true");
  if (!run.started()) out.emplace_back("started", "false");
  return out;
}

}  // namespace alos::broker
