#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace alos::policy {

// Where a rule or a value was written. Shown as file:line:column; `file` is "built in" for what every box has.
struct Source {
  std::string file;
  int line = 0;
  int column = 0;

  std::string text() const;
};

enum class Effect : uint8_t { deny, ask, allow };  // in the order of their strength
std::string_view name(Effect effect);

// What can be done to a file. The words of the language: r = read list stat, w = write append create remove rename
// chmod, x = execute; finer words stand alone in a list (policy.md, "Rights").
enum class Right : uint16_t {
  read = 1 << 0,
  list = 1 << 1,
  stat = 1 << 2,
  write = 1 << 3,
  append = 1 << 4,
  create = 1 << 5,  // also mkdir
  remove = 1 << 6,
  rename = 1 << 7,
  chmod = 1 << 8,  // mode, owner, times, attributes
  execute = 1 << 9,
};

class Rights {
 public:
  constexpr Rights() = default;
  constexpr Rights(Right right) : bits_(static_cast<uint16_t>(right)) {}  // NOLINT: a right is a set of one
  static constexpr Rights from_bits(uint16_t bits) { return Rights(bits); }
  constexpr uint16_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool has(Rights all) const { return (bits_ & all.bits_) == all.bits_; }
  constexpr bool overlaps(Rights any) const { return (bits_ & any.bits_) != 0; }
  constexpr Rights operator|(Rights o) const { return Rights(static_cast<uint16_t>(bits_ | o.bits_)); }
  constexpr Rights operator&(Rights o) const { return Rights(static_cast<uint16_t>(bits_ & o.bits_)); }
  constexpr Rights operator-(Rights o) const { return Rights(static_cast<uint16_t>(bits_ & ~o.bits_)); }
  constexpr bool operator==(const Rights&) const = default;
  // "r", "rw", "rwx", or the finer words joined by "+" where letters do not say it.
  std::string text() const;

 private:
  explicit constexpr Rights(uint16_t bits) : bits_(bits) {}
  uint16_t bits_ = 0;
};

inline constexpr Rights kRead = Rights(Right::read) | Right::list | Right::stat;
inline constexpr Rights kWrite =
    Rights(Right::write) | Right::append | Right::create | Right::remove | Right::rename | Right::chmod;
inline constexpr Rights kExecute = Right::execute;
inline constexpr Rights kAll = kRead | kWrite | kExecute;
// Of these the letters that are there whole.
constexpr Rights whole_letters(Rights rights) {
  Rights out;
  for (const Rights letter : {kRead, kWrite, kExecute})
    if (rights.has(letter)) out = out | letter;
  return out;
}

}  // namespace alos::policy
