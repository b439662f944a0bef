#include "policy/units.h"

#include <charconv>
#include <limits>
#include <string>

#include "base/paths.h"
#include "policy/box_plan.h"

namespace alos::policy {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
constexpr Unit kSizes[] = {{"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}};
constexpr Unit kTimes[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

std::unexpected<Error> refuse(std::string_view text, std::string_view hint, int code = EINVAL) {
  return fail("limit", printable(text), code, hint);
}

// Takes the digits at the front of `rest`.
Result<uint64_t> take_number(std::string_view& rest, std::string_view whole, std::string_view example) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error == std::errc::result_out_of_range) return refuse(whole, "the number is too large", ERANGE);
  if (error != std::errc()) return refuse(whole, std::string("write ") + std::string(example));
  const size_t digits = static_cast<size_t>(end - rest.data());
  if (digits > 1 && rest[0] == '0') return refuse(whole, "write the number without leading zeros");
  rest.remove_prefix(digits);
  return value;
}

Result<uint64_t> multiply(uint64_t value, uint64_t factor, std::string_view whole) {
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / factor)
    return refuse(whole, "the value is too large", ERANGE);
  return value * factor;
}

std::string size_hint(const std::string& number, std::string_view unit) {
  const char letter = unit.empty() ? 'M' : static_cast<char>(unit[0] & ~0x20);
  const std::string meant =
      number + (std::string_view("KMGT").find(letter) != std::string_view::npos ? std::string(1, letter) + "iB"
                                                                                : std::string("MiB"));
  if (unit.empty()) return "a size has a unit: write " + meant + ", or KiB, GiB, TiB";
  if (unit.starts_with(' ')) return "number and unit stand together, as in 4GiB";
  if (unit.starts_with('.')) return "write a whole number of the next smaller unit, as in 1536MiB";
  return "'" + printable(unit) + "' is not one of KiB, MiB, GiB, TiB: write " + meant;
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  const uint64_t number = TRY(take_number(rest, text, "a size, as in 512MiB or 4GiB"));
  if (number == 0) return refuse(text, "a limit of nothing ends every run: write a size, or leave the limit out");
  for (const Unit& unit : kSizes)
    if (rest == unit.name) return multiply(number, unit.factor, text);
  return refuse(text, size_hint(std::to_string(number), rest));
}

Result<uint64_t> parse_duration(std::string_view text) {
  constexpr std::string_view kExample = "a duration, as in 90s, 10m, 8h, 2d or 1h30m";
  std::string_view rest = text;
  uint64_t total = 0;
  uint64_t last = std::numeric_limits<uint64_t>::max();
  do {
    const uint64_t number = TRY(take_number(rest, text, kExample));
    const std::string_view word = rest.substr(0, rest.find_first_of("0123456789"));
    rest.remove_prefix(word.size());
    uint64_t factor = 0;
    for (const Unit& unit : kTimes)
      if (word == unit.name) factor = unit.factor;
    if (word.starts_with(' ')) return refuse(text, "number and unit stand together, as in 8h");
    if (factor == 0)
      return refuse(text, word.empty() ? "a duration has a unit: write " + std::to_string(number) + "s, or ms, m, h, d"
                                       : "'" + printable(word) + "' is not one of ms, s, m, h, d");
    if (factor >= last) return refuse(text, "write each unit once, the largest first, as in 1h30m");
    last = factor;
    const uint64_t part = TRY(multiply(number, factor, text));
    if (part > kLongestDuration || part > kLongestDuration - total)
      return refuse(text, "the value is too large", ERANGE);
    total += part;
  } while (!rest.empty());
  if (total == 0) return refuse(text, "that is no time: write a duration from 1ms up, or leave it out");
  return total;
}

std::string duration_text(uint64_t milliseconds) {
  std::string out;
  for (const Unit& unit : kTimes) {
    if (milliseconds >= unit.factor) out.append(std::to_string(milliseconds / unit.factor)).append(unit.name);
    milliseconds %= unit.factor;
  }
  return out.empty() ? "0ms" : out;
}

Result<uint64_t> parse_cores(std::string_view text) {
  constexpr std::string_view kExample = "cores, as in 2 or 0.5";
  std::string_view rest = text;
  uint64_t milli = TRY(multiply(TRY(take_number(rest, text, kExample)), 1000, text));
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    if (rest.empty() || rest.size() > 3) return refuse(text, "write cores with at most three decimals, as in 0.5");
    uint64_t factor = 100;
    for (; !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; rest.remove_prefix(1), factor /= 10)
      milli += static_cast<uint64_t>(rest[0] - '0') * factor;
  }
  if (!rest.empty()) return refuse(text, "cores have no unit: write 2 or 0.5");
  if (milli == 0) return refuse(text, "a limit of nothing ends every run: write cores, or leave the limit out");
  return milli;
}

Result<uint64_t> parse_disk_by(std::string_view text) {
  if (text == "image") return kDiskByImage;
  if (text == "watched") return kDiskByWatching;
  return refuse(text, "write image (as root: a file system of that size holds the layer) or watched");
}

Result<uint64_t> parse_count(std::string_view text) {
  std::string_view rest = text;
  const uint64_t number = TRY(take_number(rest, text, "a whole number, as in 512"));
  if (!rest.empty()) return refuse(text, "a count has no unit: write a whole number, as in 512");
  if (number == 0) return refuse(text, "a limit of nothing ends every run: write a number from 1 up, or leave it out");
  return number;
}

}  // namespace alos::policy
