#include "policy/variables.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/paths.h"
#include "policy/pattern.h"
#include "policy/problem.h"

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

enum class Into { pattern, text };

Result<std::string> expand(std::string_view text, const Variables& variables, Into into) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      const bool dollar = text[at + 1] == '$';
      if (into == Into::pattern || !dollar) out += '\\';
      if (into == Into::pattern || dollar) out += text[++at];
      ++at;
      continue;
    }
    if (text[at] != '$') {
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
    out += into == Into::pattern ? Pattern::escape(variable->second.value) : variable->second.value;
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
