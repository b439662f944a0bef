#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "policy/document.h"

namespace alos::policy {

// The keys of the language, one row each: the validator reads this table, and whatever else describes the language (a
// JSON Schema, the reference) is made from it, so that they cannot differ.
enum class Shape : uint8_t {
  text,         // one scalar
  texts,        // one scalar, or a list of at least one
  map,          // the keys of section `inner`
  named,        // names of the author's own, each a map of section `inner`
  free,         // names of the author's own, each one scalar
  text_or_map,  // one scalar, or the keys of section `inner`
  text_or_named,
};
enum class Built : uint8_t { yes, not_yet };

struct Key {
  std::string_view section;  // "policy", "rule", "limits", "command" ...
  std::string_view name;
  Shape shape;
  std::string_view inner;
  Built built;
  std::string_view expected;  // the value in words, as in "4GiB"; of what is not built: what to do instead
};
std::span<const Key> keys();

// Adds a problem for every key that is unknown or not enforced by this version, and every value of the wrong shape or
// empty. What it passes has the shape of the table; values are judged by whoever reads them.
void validate(const Node& document, Problems& problems);

}  // namespace alos::policy
