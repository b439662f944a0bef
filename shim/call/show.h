#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "shim/call/exchange.h"

// What alos-call says about how a call ended: to programs and to people.
namespace alos::call {

inline constexpr int kOk = 0, kDenied = 1, kUsage = 2, kNoBroker = 3, kFailed = 4, kLimit = 5, kUnknown = 6;

using Json = nlohmann::ordered_json;

bool is_utf8(std::string_view text);
Json bytes(std::string_view data);  // as text where it is UTF-8, else {"base64": ...}
// Every field but optional ones that are not set.
Json object(const google::protobuf::Message& message);
// {"ok": ...} or as it ended; `reply` has an answer.
Json ending(const Entry& entry, const wire::Reply& reply);
int exit_code(const wire::Reply& reply);
// Lines for standard error; empty when it is ok.
std::string in_words(const Entry& entry, const wire::Reply& reply);

}  // namespace alos::call
