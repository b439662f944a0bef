#include "syscall-broker/record_parts.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/digest.h"

namespace alos::broker {
namespace {

constexpr size_t kLongestText = 8192, kShortestText = 64;
static_assert(kPart < kLongestMessage);
constexpr size_t kMost = kPart - sizeof(char) - sizeof(uint32_t);  // without its tag and their number

// While it is tried what fits, there is only room for digests.
enum class Digests : uint8_t { room, told };

std::string cut(std::string_view text, size_t longest, Digests digests) {
  if (text.size() <= longest) return std::string(text);
  return fmt::format("{}...[cut, {} bytes in all, blake2b-256 {}]", text.substr(0, longest), text.size(),
                     hex(digests == Digests::told ? digest(text) : Digest{}));
}

// With the first of its details.
Record record_of(const Journal::Entry& entry, size_t longest, size_t details, Digests digests) {
  const auto cut = [&](std::string_view text) { return broker::cut(text, longest, digests); };
  Record out;
  out.parent = entry.parent;
  out.action = cut(entry.action);
  out.target = cut(entry.target);
  out.decision = entry.decision;
  out.rule = cut(entry.rule);
  out.source = cut(entry.source);
  out.reason = cut(entry.reason);
  out.layer = cut(entry.layer);
  out.outcome = cut(entry.outcome);
  for (size_t i = 0; i < details; ++i)
    out.details.push_back({cut(entry.details[i].first), cut(entry.details[i].second)});
  return out;
}

}  // namespace

Record record_of(const Journal::Entry& entry) {
  size_t longest = kLongestText;
  const size_t all = entry.details.size();
  Record out = record_of(entry, longest, all, Digests::told);
  const auto fits = [&] { return encode(out).size() <= kMost; };
  if (fits()) return out;
  while (longest > kShortestText && !fits()) out = record_of(entry, longest /= 2, all, Digests::room);
  while (!fits()) {
    out.details.resize(out.details.size() / 2);
    if (out.details.empty()) break;  // what is left is short
    out.details.back() = {"cut", fmt::format("{} details in all", all)};
  }
  const size_t kept = out.details.size();
  const bool fewer = kept > 0 && kept < all;  // and the last of them says so
  Record told = record_of(entry, longest, fewer ? kept - 1 : kept, Digests::told);
  if (fewer) told.details.push_back(std::move(out.details.back()));
  return told;
}

std::vector<Records> parts_of(std::vector<Record> records) {
  std::vector<Records> out;
  size_t bytes = kMost;
  for (Record& record : records) {
    const size_t more = encode(record).size();
    if (bytes + more > kMost) {
      out.emplace_back();
      bytes = 0;
    }
    bytes += more;
    out.back().records.push_back(std::move(record));
  }
  return out;
}

}  // namespace alos::broker
