#include "supervisor/workspace/hazard_match.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace alos::workspace {
namespace {

// "*" stands for any characters; nothing else is special. Of bytes: a name need not be text.
bool component_matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = pattern.npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*')
      star = p++, from = n;
    else if (p < pattern.size() && pattern[p] == name[n])
      ++p, ++n;
    else if (star != pattern.npos)
      p = star + 1, n = ++from;
    else
      return false;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

struct Pattern {
  std::vector<std::string_view> wanted;  // components
  bool tree = false;
  const Known* known = nullptr;
};

// Of patterns with one component.
class Names {
 public:
  void add(std::string_view pattern, const Known* known) {
    const bool suffix = pattern.starts_with("*.") && pattern.find('*', 1) == pattern.npos;
    if (suffix)
      suffixes_[pattern.substr(1)].push_back(known);
    else if (pattern.find('*') == pattern.npos)
      whole_[pattern].push_back(known);
    else
      rest_[first(pattern)].push_back({{pattern}, false, known});
  }

  void find(std::string_view name, std::vector<const Known*>& out) const {
    take(whole_, name, out);
    for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1))
      take(suffixes_, name.substr(dot), out);
    for (const size_t bucket : {first("*"), first(name)})
      for (const Pattern& pattern : rest_[bucket])
        if (component_matches(pattern.wanted.front(), name)) out.push_back(pattern.known);
  }

 private:
  using Map = std::unordered_map<std::string_view, std::vector<const Known*>>;

  static size_t first(std::string_view text) { return text.empty() ? 0 : static_cast<unsigned char>(text.front()); }
  static void take(const Map& map, std::string_view name, std::vector<const Known*>& out) {
    if (const auto at = map.find(name); at != map.end()) out.insert(out.end(), at->second.begin(), at->second.end());
  }

  Map whole_, suffixes_;                        // a suffix begins with a dot
  std::array<std::vector<Pattern>, 256> rest_;  // by their first byte
};

// The tables, arranged. Patterns with several components are found by the first one.
struct Index {
  Names last, anywhere;
  std::unordered_map<std::string_view, std::vector<Pattern>> paths;

  Index() {
    for (const Known& known : known_names())
      for (std::string_view text : known.patterns) {
        Pattern pattern{{}, text.ends_with('/'), &known};
        if (pattern.tree) text.remove_suffix(1);
        for (size_t at = 0; at <= text.size();) {
          const size_t end = std::min(text.find('/', at), text.size());
          pattern.wanted.push_back(text.substr(at, end - at));
          at = end + 1;
        }
        if (pattern.wanted.size() == 1)
          (pattern.tree ? anywhere : last).add(text, &known);
        else
          paths[pattern.wanted.front()].push_back(std::move(pattern));
      }
  }
};

// A part of the path to the workspace says little where projects have such names: ~/src/systemd is one. It counts where
// configuration lies: hidden, or behind something hidden, or the machine's. Agents keep worktrees in .claude/worktrees.
bool counts(const Parts& parts, size_t at, size_t own) {
  const auto hidden = [&](size_t i) {
    return parts[i].starts_with('.') && !(i + 2 < own && parts[i + 1] == "worktrees");
  };
  if (at >= own || parts[0] == "etc" || parts[0] == "usr") return true;
  for (size_t i = 0; i <= at; ++i)
    if (hidden(i)) return true;
  return false;
}

// ".github" for ".github/workflows/", where it is a link: what is below one is matched when it is looked for, not when
// it was made.
bool matches_at(const Pattern& pattern, const Parts& parts, size_t at, Type type) {
  const size_t there = std::min(pattern.wanted.size(), parts.size() - at);
  const bool whole = there == pattern.wanted.size();
  if (whole ? !pattern.tree && at + there != parts.size() : type != Type::link) return false;
  for (size_t i = 0; i < there; ++i)
    if (!component_matches(pattern.wanted[i], parts[at + i])) return false;
  return true;
}

// What GNU make takes a file for the source of, by rules that it has of itself and follows also for makefiles and what
// these include: "x.sh" of x, "x,v" and "s.x" (RCS, SCCS) likewise. Of names without a dot only makefiles: build.sh is
// a script.
std::string_view made_from(std::string_view name) {
  std::string_view made = name;
  if (made.ends_with(",v"))
    made.remove_suffix(2);
  else if (made.starts_with("s."))
    made.remove_prefix(2);
  else if (made.ends_with(".sh"))
    made.remove_suffix(3);
  return made.find('.') != made.npos || made.ends_with("makefile") ? made : std::string_view();
}

}  // namespace

Parts split_lower(std::string_view path) {
  Parts parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    std::string part(path.substr(at, end - at));
    std::transform(part.begin(), part.end(), part.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (const size_t last = part.find_last_not_of(". "); last != part.npos) part.resize(last + 1);
    parts.push_back(std::move(part));
    at = end + 1;
  }
  return parts;
}

std::vector<const Known*> known_for(const Parts& parts, size_t own, Type type) {
  static const Index index;
  std::vector<const Known*> found;
  for (std::string_view name = parts.back(), last; !name.empty() && name != last; name = made_from(name)) {
    index.last.find(name, found);
    last = name;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto paths = index.paths.find(parts[i]);
    if (!counts(parts, i, own)) continue;
    index.anywhere.find(parts[i], found);
    if (paths == index.paths.end()) continue;
    for (const Pattern& pattern : paths->second)
      if (matches_at(pattern, parts, i, type)) found.push_back(pattern.known);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace alos::workspace
