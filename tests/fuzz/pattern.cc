// Two patterns and a path, a line each, against a matcher that is slow and plain. Nothing that a pattern says may take
// more than its bound, and inclusion and overlap may not contradict a match.

#include "policy/pattern.h"

#include "base/paths.h"
#include "fuzz.h"

namespace {

using alos::fuzz::must;
using alos::policy::Pattern;

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> out;
  while (path.size() > 1) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

// Whether segments[from..] match parts[at..], by a table filled from the end.
bool slowly(const std::vector<Pattern::Segment>& segments, const std::vector<std::string_view>& parts) {
  std::vector<std::vector<char>> table(segments.size() + 1, std::vector<char>(parts.size() + 1, 0));
  table[segments.size()][parts.size()] = 1;
  for (size_t s = segments.size(); s-- > 0;)
    for (size_t p = parts.size() + 1; p-- > 0;) {
      if (segments[s].any_depth())
        table[s][p] = table[s + 1][p] || (p < parts.size() && table[s][p + 1]);
      else
        table[s][p] = p < parts.size() && segments[s].matches(parts[p]) && table[s + 1][p + 1];
    }
  return table[0][0];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  const auto lines = alos::fuzz::lines(alos::fuzz::text_of(data, size), 3);
  if (lines.size() < 3) return 0;
  const auto one = Pattern::parse(lines[0]), other = Pattern::parse(lines[1]);
  if (one) {
    const auto again = Pattern::parse(one->text());
    must(again && again->text() == one->text(), "a pattern's text is a pattern, the same one");
  }
  const auto path = alos::canonical_path(lines[2]);
  if (!one || !other || !path) return 0;
  const bool first = one->matches(*path), second = other->matches(*path);
  must(first == slowly(one->segments(), components(*path)), "the fast matcher agrees with the slow one");
  must(!(first && second) || one->overlaps(*other), "two that match one path overlap");
  must(one->overlaps(*other) == other->overlaps(*one), "overlap is mutual");
  must(!(one->includes(*other) && second) || first, "what includes matches what the included one matches");
  if (first && *path != "/") {
    const std::string parent = path->substr(0, std::max<size_t>(path->rfind('/'), 1));
    must(one->may_match_below(parent), "a match lies where one may be");
  }
  const auto literal = Pattern::parse(Pattern::escape(*path));
  must(*path == "/" || (literal && literal->matches(*path) && literal->shape() == Pattern::Shape::literal),
       "an escaped path is a pattern of that path alone");
  return 0;
}
