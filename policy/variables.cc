#include "policy/variables.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/paths.h"
#include "policy/pattern.h"
#include "policy/problem.h"
#include "policy/usage.h"

namespace alos::policy {
namespace {

constexpr std::array<std::pair<VariableType, std::string_view>, 5> kTypes{{{VariableType::dir, "dir"},
                                                                           {VariableType::file, "file"},
                                                                           {VariableType::host, "host"},
                                                                           {VariableType::word, "word"},
                                                                           {VariableType::integer, "int"}}};

std::unexpected<Error> refuse(std::string_view text, std::string_view hint, int code = EINVAL) {
  return fail("variable", printable(text), code, hint);
}

bool lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool letter(char c) {
  return lower(c) || (c >= 'A' && c <= 'Z');
}
bool in_name(char c) {
  return lower(c) || digit(c) || c == '_';
}

struct Reference {
  std::string_view name;
  size_t size;  // of the whole, "$" and braces included
};

// The reference at the front of `text`, which begins with '$'; no value when there is none.
std::optional<Reference> reference(std::string_view text) {
  const bool braces = text.substr(1).starts_with('{');
  const size_t begin = braces ? 2 : 1;
  size_t end = begin;
  while (end < text.size() && in_name(text[end])) ++end;
  const std::string_view found = text.substr(begin, end - begin);
  if (!is_variable_name(found) || (braces && !text.substr(end).starts_with('}'))) return std::nullopt;
  return Reference{found, end + (braces ? 1 : 0)};
}

enum class Into { pattern, text, usage, words };

// Of a command's words, within single quotes or outside of them.
std::string as_words(std::string_view value, bool quoted) {
  std::string out;
  for (const char c : value) {
    if (quoted && c == '\'')
      out += "'\\''";
    else
      out.append(!quoted && std::string_view(" '\"\\\t\n").find(c) != std::string_view::npos ? 1 : 0, '\\') += c;
  }
  return out;
}

std::string inserted(std::string_view value, Into into, bool quoted) {
  switch (into) {
    case Into::pattern:
      return Pattern::escape(value);
    case Into::usage:
      return Usage::escape(value);
    case Into::words:
      return as_words(value, quoted);
    case Into::text:
      break;
  }
  return std::string(value);
}

Result<std::string> expand(std::string_view text, const Variables& variables, Into into) {
  std::string out;
  bool quoted = false;  // within a command's single quotes
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      // Whoever reads a pattern, a usage line or a word without quotes takes the backslash away.
      const bool kept = into == Into::pattern || into == Into::usage || (into == Into::words && !quoted);
      const bool dollar = text[at + 1] == '$';
      if (kept || !dollar) out += '\\';
      if (kept || dollar) out += text[++at];
      ++at;
      continue;
    }
    if (text[at] != '$') {
      if (text[at] == '\'') quoted = !quoted;
      out += text[at++];
      continue;
    }
    const auto found = reference(text.substr(at));
    if (!found) return refuse(text, "'$' begins a variable: write $name, or '\\$' for the character");
    const auto variable = variables.find(found->name);
    if (variable == variables.end()) {
      std::vector<std::string> known;
      for (const auto& [name, unused] : variables) known.push_back(name);
      const std::string meant = did_you_mean(found->name, known);
      return refuse("$" + std::string(found->name),
                    meant.empty() ? "declare it: vars: {" + std::string(found->name) + ": dir}" : meant, ENOENT);
    }
    const size_t after = at + found->size;
    const bool is_path = variable->second.type == VariableType::dir || variable->second.type == VariableType::file;
    if (into == Into::pattern && is_path && (at != 0 || (after < text.size() && text[after] != '/')))
      return refuse(text,
                    "$" + std::string(found->name) + " is a whole path: it begins the pattern and '/' follows it");
    out += inserted(variable->second.value, into, quoted);
    at = after;
  }
  return out;
}

}  // namespace

std::string_view name(VariableType type) {
  return std::ranges::find(kTypes, type, [](const auto& pair) { return pair.first; })->second;
}

Result<VariableType> parse_variable_type(std::string_view text) {
  const auto found = std::ranges::find(kTypes, text, [](const auto& pair) { return pair.second; });
  if (found == kTypes.end()) return refuse(text, "the types are dir, file, host, word and int");
  return found->first;
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && lower(name[0]) && std::ranges::all_of(name, in_name);
}

Result<void> check_value(VariableType type, std::string_view value) {
  const auto only = [&](auto allowed) {
    return !value.empty() && value.size() <= 255 && std::ranges::all_of(value, allowed);
  };
  switch (type) {
    case VariableType::dir:
    case VariableType::file:
      if (value == "/") return refuse(value, "'/' is the whole machine: give a directory below it");
      if (!is_canonical_path(value)) return refuse(value, "give an absolute path without '.', '..' and double slashes");
      return {};
    case VariableType::host:
      if (!only([](char c) { return letter(c) || digit(c) || c == '.' || c == '-' || c == ':'; }))
        return refuse(value, "give a host name or address");
      return {};
    case VariableType::word:
      if (value == "." || value == ".." || !only([](char c) {
            return letter(c) || digit(c) || std::string_view("._-+@=").find(c) != std::string_view::npos;
          }))
        return refuse(value, "give one word of letters, digits and . _ - + @ =");
      return {};
    case VariableType::integer:
      if (!only(digit)) return refuse(value, "give digits");
      return {};
  }
  return refuse(value, "unknown type");
}

Result<std::string> expand_pattern(std::string_view text, const Variables& variables) {
  return expand(text, variables, Into::pattern);
}

Result<std::string> expand_text(std::string_view text, const Variables& variables) {
  return expand(text, variables, Into::text);
}

Result<std::string> expand_usage(std::string_view text, const Variables& variables) {
  return expand(text, variables, Into::usage);
}

Result<std::string> expand_request(std::string_view line, const Variables& variables) {
  return expand(line, variables, line.starts_with("shell.run ") ? Into::words : Into::text);
}

std::string_view leading_variable(std::string_view text) {
  if (!text.starts_with('$')) return {};
  const auto found = reference(text);
  return found ? found->name : std::string_view();
}

bool uses_variables(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '$')
      return true;
  }
  return false;
}

}  // namespace alos::policy
