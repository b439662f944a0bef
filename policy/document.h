#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/problem.h"

namespace alos::policy {

// A YAML document as written: every scalar is its text (YAML 1.2 core types are decided by whoever knows what is
// expected, so `no` stays a word and 022 is not 18), every node has its place, keys keep their order.
struct Node {
  enum class Kind : uint8_t { null, text, list, map };
  Kind kind = Kind::null;
  std::string text;
  std::vector<Node> keys;   // of a map; all text and different
  std::vector<Node> items;  // of a list; of a map: the values, one for each key
  Source at;

  const Node* find(std::string_view key) const;
};

// What a policy file may cost before it is refused.
inline constexpr size_t kMaxDocumentBytes = 256 * 1024;
inline constexpr size_t kMaxDocumentDepth = 8;
inline constexpr size_t kMaxDocumentNodes = 20'000;

// `file` is how the document is called in places. Refused: what is not one YAML document, larger or deeper than above,
// anchors, aliases, tags, keys twice in a map, keys that are not words, text that is not UTF-8 or hides characters from
// its reader (control, bidirectional, zero-width).
Checked<Node> parse_document(std::string_view yaml, std::string_view file);

}  // namespace alos::policy
