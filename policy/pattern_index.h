#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "policy/pattern.h"

namespace alos::policy {

// Which of many patterns match a path, at a cost that grows with the depth of the path and not with their number: a
// trie over components. Literal components are found by hash; globs of one component by a trie of their literal
// beginnings and one of their endings, so that a thousand different "*.ext" below one directory are not a thousand
// comparisons. Immutable once built, so any thread may ask.
class PatternIndex {
 public:
  PatternIndex();
  PatternIndex(PatternIndex&&) noexcept;
  PatternIndex& operator=(PatternIndex&&) noexcept;
  ~PatternIndex();

  // `value` is handed to visit() for every path that `pattern` matches.
  void add(const Pattern& pattern, uint32_t value);
  // After the last add() and before the first visit().
  void finish();

  // Calls found(value) for every added pattern that matches the canonical `path`, in no particular order; a value added
  // with several patterns may come several times. Allocates only beyond 1024 patterns with "**" at different places, or
  // 64 at the same depth.
  template <class Found>
  void visit(std::string_view path, Found&& found) const {
    walk(
        path, [](void* context, uint32_t value) { (*static_cast<Found*>(context))(value); },
        const_cast<void*>(static_cast<const void*>(&found)));
  }

 private:
  struct Tables;
  void walk(std::string_view path, void (*found)(void*, uint32_t), void* context) const;
  std::unique_ptr<Tables> tables_;
};

}  // namespace alos::policy
