#pragma once

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "policy/decide.h"

// What property tests of policies share: a reference that is slow and obviously correct, and generated policies over a
// small alphabet, so that patterns meet.
namespace alos::policy::test {

// The reference: the definition of the language, by recursion.

inline std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> out;
  for (size_t at = 1; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

inline bool component_matches(const char* pattern, const char* name) {
  if (*pattern == '\0') return *name == '\0';
  if (*pattern == '*')
    return component_matches(pattern + 1, name) || (*name != '\0' && component_matches(pattern, name + 1));
  return *pattern == *name && component_matches(pattern + 1, name + 1);
}

inline bool matches(const std::vector<std::string>& pattern, size_t p, const std::vector<std::string>& path, size_t n) {
  if (p == pattern.size()) return n == path.size();
  if (pattern[p] == "**")
    return matches(pattern, p + 1, path, n) || (n < path.size() && matches(pattern, p, path, n + 1));
  return n < path.size() && component_matches(pattern[p].c_str(), path[n].c_str()) &&
         matches(pattern, p + 1, path, n + 1);
}

inline bool matches(const std::string& pattern, const std::string& path) {
  return matches(split(pattern), 0, split(path), 0);
}

struct PlainRule {
  std::string name;
  Effect effect;
  Rights rights;
  std::vector<std::string> paths, except;
  bool brokered = false;
};

inline bool among(const std::vector<std::string>& patterns, const std::string& path) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches(pattern, path); });
}

inline bool holds(const PlainRule& rule, const std::string& path) {
  return among(rule.paths, path) && !among(rule.except, path);
}

// What every box has, except what the policy mounts below it.
inline bool box_holds(const std::vector<PlainRule>& rules, Right right, const std::string& path) {
  const auto own = [&](const char* const* begin, const char* const* end) {
    return std::any_of(begin, end, [&](const std::string& tree) { return matches(tree, path); }) &&
           std::ranges::none_of(rules, [&](const PlainRule& rule) {
             return rule.effect == Effect::allow && !rule.brokered &&
                    std::ranges::any_of(rule.paths, [&](const std::string& mounted) {
                      return matches(mounted, path) && std::any_of(begin, end, [&](const std::string& tree) {
                               if (!tree.ends_with("/**") || mounted == tree) return false;
                               const std::string root = tree.substr(0, tree.size() - 3);
                               return mounted == root || mounted.starts_with(root + "/");
                             });
                    });
           });
  };
  return own(std::begin(kBoxWritable), std::end(kBoxWritable)) ||
         (kRead.has(right) && own(std::begin(kBoxReadable), std::end(kBoxReadable))) ||
         ((kRead | Right::execute).has(right) && own(std::begin(kBoxPrograms), std::end(kBoxPrograms))) ||
         ((kRead | Right::write | Right::append).has(right) && own(std::begin(kBoxDevices), std::end(kBoxDevices)));
}

struct Answer {
  Effect effect = Effect::deny;
  std::string rule = "default";
  bool operator==(const Answer&) const = default;
};

inline Answer reference(const std::vector<PlainRule>& rules, Right right, const std::string& asked,
                        const std::string& reached) {
  std::vector<std::string> denies, allows;
  for (const PlainRule& rule : rules) {
    if (!rule.rights.has(right)) continue;
    if (rule.effect == Effect::deny && (holds(rule, asked) || holds(rule, reached))) denies.push_back(rule.name);
    if (rule.effect == Effect::allow && holds(rule, reached)) allows.push_back(rule.name);
  }
  if (!denies.empty()) return {Effect::deny, *std::ranges::min_element(denies)};
  if (!allows.empty()) return {Effect::allow, *std::ranges::min_element(allows)};
  if (box_holds(rules, right, reached)) return {Effect::allow, "box"};
  return {};
}

// What is generated.

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  std::string path() {
    std::string out;
    for (int i = below(6); i > 0; --i)
      out += std::string("/") + pick({"a", "b", "ab", "aab", ".e", ".env", "tmp", "dev", "shm", "null"});
    return out.empty() ? "/" : out;
  }

  std::string pattern() {
    std::string out;
    const char* last = "";
    for (int i = 1 + below(5); i > 0; --i) {
      const char* next = below(3) ? pick({"a", "b", "ab", ".env", "tmp", "dev", "shm", "null"})
                                  : pick({"*", "**", "**", "a*", "*b", ".e*", "*a*", "a*b", "*"});
      if (std::string_view(next) == "**" && std::string_view(last) == "**") continue;
      out.append("/").append(last = next);
    }
    return out;
  }

  std::vector<PlainRule> rules() {
    std::vector<PlainRule> out;
    for (int i = 1 + below(8); i > 0; --i) out.push_back(rule("r" + std::to_string(i)));
    return out;
  }

  PlainRule rule(const std::string& name) {
    PlainRule out{name, below(5) < 3 ? Effect::allow : Effect::deny, rights(), {}, {}, false};
    for (int i = 1 + below(3); i > 0; --i) out.paths.push_back(pattern());
    for (int i = below(3) - 1; i > 0; --i) out.except.push_back(pattern());
    return out;
  }

  // Allows, and now and then a deny, of one directory, whose exceptions meet: each other and the other rules' paths.
  std::vector<PlainRule> entangled(const std::string& directory) {
    std::vector<PlainRule> out;
    for (int i = 2 + below(3); i > 0; --i) {
      PlainRule rule{"r" + std::to_string(i), below(6) ? Effect::allow : Effect::deny, rights(), {}, {}, false};
      rule.paths = {directory + pick({"/**", "/**", "/**", "/b/**", "/b/**", "/b/a/**", "/*/**", "/*/a/**"})};
      for (int k = below(3); k > 0; --k)
        rule.except.push_back(directory + pick({"/b/**", "/b/**", "/b/a/**", "/b/a", "/b/a", "/a*/**", "/*b/**", "/*/a",
                                                "/b/*", "/**/.env", "/b/a/.env"}));
      out.push_back(std::move(rule));
    }
    return out;
  }

  std::string path_below(const std::string& directory) {
    std::string out = directory;
    for (int i = below(4); i > 0; --i) out += std::string("/") + pick({"a", "a", "b", "b", "ab", ".env"});
    return out;
  }

  const char* pick(std::initializer_list<const char*> from) {
    return from.begin()[static_cast<size_t>(below(static_cast<int>(from.size())))];
  }
  Right right() { return static_cast<Right>(1 << below(10)); }
  int below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  template <class T>
  void shuffle(T& list) {
    std::ranges::shuffle(list, random_);
  }

 private:
  Rights rights() { return Rights::from_bits(static_cast<uint16_t>(1 + below(1023))); }
  std::mt19937 random_;
};

inline std::vector<PathPattern> patterns(const std::vector<std::string>& texts) {
  std::vector<PathPattern> out;
  for (const std::string& text : texts) out.push_back({Pattern::parse(text).value(), text, {}});
  return out;
}

inline CompiledPolicy build(const std::vector<PlainRule>& rules) {
  Policy out;
  for (const PlainRule& rule : rules) {
    FileRule file;
    file.name = rule.name;
    file.effect = rule.effect;
    file.rights = rule.rights;
    file.paths = patterns(rule.paths);
    file.except = patterns(rule.except);
    file.brokered = rule.brokered;
    out.files.push_back(std::move(file));
  }
  return compile(std::move(out));
}

inline Answer answer(const CompiledPolicy& policy, const Request& request) {
  const Decision decision = decide(policy, request);
  return {decision.effect, std::string(decision.rule_name())};
}

inline std::string shown(const std::vector<PlainRule>& rules, const Request& request) {
  std::string out = request.text() + " reaching " + request.reached() + "\n";
  for (const PlainRule& rule : rules) {
    out += rule.name + ": " + std::string(name(rule.effect)) + " " + rule.rights.text();
    for (const std::string& path : rule.paths) out += " " + path;
    for (const std::string& path : rule.except) out += " except " + path;
    out += "\n";
  }
  return out;
}

}  // namespace alos::policy::test
