#include "syscall-broker/record_parts.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/digest.h"

namespace alos::broker {
namespace {

constexpr size_t kLongestText = 8192, kShortestText = 64;
static_assert(kPart < kLongestMessage);
constexpr size_t kMost = kPart - sizeof(char) - sizeof(uint32_t);  // without its tag and their number

std::string cut(std::string_view text, size_t longest) {
  if (text.size() <= longest) return std::string(text);
  return fmt::format("{}...[cut, {} bytes in all, blake2b-256 {}]", text.substr(0, longest), text.size(),
                     hex(digest(text)));
}

Record record_of(const Journal::Entry& entry, size_t longest) {
  Record out;
  out.parent = entry.parent;
  out.action = cut(entry.action, longest);
  out.target = cut(entry.target, longest);
  out.decision = entry.decision;
  out.rule = cut(entry.rule, longest);
  out.source = cut(entry.source, longest);
  out.reason = cut(entry.reason, longest);
  out.layer = cut(entry.layer, longest);
  out.outcome = cut(entry.outcome, longest);
  for (const auto& [name, value] : entry.details) out.details.push_back({cut(name, longest), cut(value, longest)});
  return out;
}

}  // namespace

Record record_of(const Journal::Entry& entry) {
  size_t longest = kLongestText;
  Record out = record_of(entry, longest);
  const auto fits = [&] { return encode(out).size() <= kMost; };
  if (fits()) return out;
  while (longest > kShortestText && !fits()) out = record_of(entry, longest /= 2);
  const size_t all = out.details.size();
  while (!fits()) {
    out.details.resize(out.details.size() / 2);
    if (out.details.empty()) break;  // what is left is short
    out.details.back() = {"cut", fmt::format("{} details in all", all)};
  }
  return out;
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
