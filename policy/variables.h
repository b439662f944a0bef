#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace alos::policy {

// `vars: {workspace: dir}`: what may be given at launch, and what kind of value it takes.
enum class VariableType : uint8_t { dir, file, host, word, integer };
std::string_view name(VariableType type);
// Errors: {"variable", text, EINVAL, the types}.
Result<VariableType> parse_variable_type(std::string_view text);

struct Variable {
  VariableType type;
  std::string value;  // literal, never a pattern
};
using Variables = std::map<std::string, Variable, std::less<>>;

// Lowercase letters, digits and '_', a letter first.
bool is_variable_name(std::string_view name);

// Errors: {"variable", value, EINVAL, what the type takes}. dir and file: canonical absolute path, not "/". host:
// letters, digits, '.', '-', ':' . word: one path component of letters, digits and ". _ - + @ =". int: digits.
Result<void> check_value(VariableType type, std::string_view value);

// Replaces `$name` and `${name}` in a pattern by the escaped value; `\$` stays a dollar. A path can only stand at the
// front, as a whole. Errors: {"variable", text, EINVAL, what to write}, ENOENT for a name that is not declared.
Result<std::string> expand_pattern(std::string_view text, const Variables& variables);
// The same for plain text (a request of a test, a value of env.set): the value as it is, anywhere.
Result<std::string> expand_text(std::string_view text, const Variables& variables);
// The same for a usage line: the value stands for exactly itself (Usage::escape).
Result<std::string> expand_usage(std::string_view text, const Variables& variables);
// The same for a request line (request.h): of the words of a command the value is a part of one, whatever is in it.
Result<std::string> expand_request(std::string_view line, const Variables& variables);
// The variable that `text` begins with, or empty.
std::string_view leading_variable(std::string_view text);
// Whether any variable stands in `text`.
bool uses_variables(std::string_view text);

}  // namespace alos::policy
