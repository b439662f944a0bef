// decide() against the reference, on generated policies. ALOS_PAIRS (policy, request) pairs; fewer for every change,
// all of them now and then, as another suite.
#include "tests/unit/policy/property.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>

#include "policy/archive.h"
#include "policy/way.h"

namespace alos::policy::test {
namespace {

TEST(ALOS_SUITE, decide_agrees_with_the_reference_whatever_the_order_and_a_deny_never_allows_more) {
  constexpr int kRequests = 20;
  int allowed = 0, differing = 0;
  for (int pair = 0; pair < ALOS_PAIRS; pair += kRequests) {
    Generator make(static_cast<uint32_t>(pair));
    std::vector<PlainRule> rules = make.rules();
    const CompiledPolicy policy = build(rules);
    std::vector<PlainRule> mixed = rules;
    make.shuffle(mixed);
    const CompiledPolicy shuffled = build(mixed);
    std::vector<PlainRule> more = rules;
    more.push_back(make.rule("added"));
    more.back().effect = Effect::deny;
    const CompiledPolicy narrowed = build(more);
    for (int i = 0; i < kRequests; ++i) {
      const std::string asked = make.path(), reached = make.below(3) ? asked : make.path();
      const Request request = *Request::file(make.right(), asked, reached);
      const Answer expected = reference(rules, request.right(), asked, reached);
      const Answer actual = answer(policy, request);
      ASSERT_EQ(actual.effect, expected.effect) << shown(rules, request);
      ASSERT_EQ(actual.rule, expected.rule) << shown(rules, request);
      ASSERT_EQ(answer(shuffled, request), actual) << shown(rules, request);
      const Answer after = answer(narrowed, request);
      const bool loosened = actual.effect == Effect::deny && after.effect == Effect::allow;
      ASSERT_FALSE(loosened) << shown(more, request);
      allowed += actual.effect == Effect::allow;
      differing += after.effect != actual.effect;
    }
  }
  // The generator must reach both answers, or it shows nothing.
  EXPECT_GT(allowed, ALOS_PAIRS / 20);
  EXPECT_GT(differing, ALOS_PAIRS / 200);
}

bool allowed_by_another(const std::vector<PlainRule>& rules, const PlainRule& but, Right right,
                        const std::string& path) {
  return box_holds(rules, right, path) || std::ranges::any_of(rules, [&](const PlainRule& rule) {
           return &rule != &but && rule.effect == Effect::allow && rule.rights.has(right) && holds(rule, path);
         });
}

// At one of these of a path's directories, or above, the pattern matches by which the path is reached.
bool is_reached_at(const std::vector<PlainRule>& rules, Right right, const std::string& path,
                   std::span<const std::string> at) {
  return std::ranges::any_of(rules, [&](const PlainRule& rule) {
    return rule.brokered && rule.rights.has(right) && std::ranges::any_of(rule.paths, [&](const std::string& pattern) {
             return matches(pattern, path) &&
                    std::ranges::any_of(at, [&](const std::string& each) { return matches(pattern, each); });
           });
  });
}

// By the definition, one directory after the other.
std::string first_taken(const std::vector<PlainRule>& rules, Right right, const std::string& path) {
  std::vector<std::string> directories{"/"};
  for (const std::string& component : split(path))
    directories.push_back((directories.size() == 1 ? "" : directories.back()) + "/" + component);
  for (size_t i = 0; i < directories.size(); ++i) {
    const std::string& directory = directories[i];
    if (!is_reached_at(rules, right, path, std::span(directories).first(i + 1))) continue;
    for (const PlainRule& rule : rules) {
      if (!rule.rights.has(right) || !among(rule.paths, directory)) continue;
      const bool taken = rule.effect == Effect::deny
                             ? std::none_of(directories.begin() + static_cast<ptrdiff_t>(i), directories.end(),
                                            [&](const std::string& further) { return among(rule.except, further); })
                             : rule.brokered && among(rule.except, directory) &&
                                   !allowed_by_another(rules, rule, right, directory) &&
                                   !allowed_by_another(rules, rule, right, path);
      if (taken) return directory;
    }
  }
  return "";
}

TEST(ALOS_SUITE, what_is_taken_on_a_way_is_by_the_definition) {
  constexpr int kPaths = 20;
  int taken = 0, by_allow = 0, denied = 0;
  for (int pair = 0; pair < ALOS_PAIRS; pair += kPaths) {
    Generator make(static_cast<uint32_t>(pair));
    std::vector<PlainRule> rules = make.below(2) ? make.rules() : make.entangled("/a");
    for (PlainRule& rule : rules) rule.brokered = rule.effect == Effect::allow && make.below(2);
    if (make.below(2))
      rules.push_back({"wide", Effect::allow, Rights::from_bits(1023), {"/**"}, {make.pattern()}, true});
    const CompiledPolicy policy = build(rules);
    for (int i = 0; i < kPaths; ++i) {
      const std::string path = make.below(2) ? make.path() : make.path_below("/a");
      const Right right = make.right();
      const auto actual = taken_on_way(policy, right, path);
      const Request request = *Request::file(right, path);
      ASSERT_EQ(actual ? actual->directory : "", first_taken(rules, right, path)) << shown(rules, request);
      taken += actual.has_value();
      by_allow += actual && !actual->decision.rule;
      // decide() has it of what it would allow otherwise.
      const Answer plain = reference(rules, right, path, path);
      const auto rule = std::ranges::find(rules, plain.rule, &PlainRule::name);
      const bool takes = rule != rules.end() && rule->brokered && actual;
      ASSERT_EQ(decide(policy, request).effect, takes ? Effect::deny : plain.effect) << shown(rules, request);
      denied += takes;
    }
  }
  EXPECT_GT(denied, ALOS_PAIRS / 500);
  EXPECT_GT(taken, ALOS_PAIRS / 20);
  EXPECT_GT(by_allow, ALOS_PAIRS / 500);
}

// Who writes trees alone says of every directory what is said of all below it.
TEST(ALOS_SUITE, nothing_is_taken_on_a_way_that_trees_allow) {
  constexpr int kPaths = 20;
  int allowed = 0;
  for (int pair = 0; pair < ALOS_PAIRS; pair += kPaths) {
    Generator make(static_cast<uint32_t>(pair));
    std::vector<PlainRule> rules = make.entangled("/a");
    for (PlainRule& rule : rules) {
      rule.brokered = rule.effect == Effect::allow;
      for (auto* patterns : {&rule.paths, &rule.except})
        for (std::string& pattern : *patterns)
          if (!pattern.ends_with("/**")) pattern += "/**";
    }
    const CompiledPolicy policy = build(rules);
    for (int i = 0; i < kPaths; ++i) {
      const Request request = *Request::file(make.right(), make.path_below("/a"));
      if (reference(rules, request.right(), request.asked(), request.asked()).effect != Effect::allow) continue;
      ++allowed;
      ASSERT_FALSE(taken_on_way(policy, request.right(), request.asked())) << shown(rules, request);
    }
  }
  EXPECT_GT(allowed, ALOS_PAIRS / 20);
}

TEST(ALOS_SUITE, what_is_said_about_pairs_of_patterns_holds_for_every_path) {
  Generator make(7);
  std::vector<std::string> paths{"/"};
  for (int i = 0; i < 400; ++i) paths.push_back(make.path());
  int inclusions = 0, overlaps = 0;
  for (int i = 0; i < ALOS_PAIRS / 20; ++i) {
    const std::string left = make.pattern(), right = make.pattern();
    const Pattern a = *Pattern::parse(left), b = *Pattern::parse(right);
    inclusions += a.includes(b);
    overlaps += a.overlaps(b);
    for (const std::string& path : paths) {
      ASSERT_EQ(a.matches(path), matches(left, path)) << left << " " << path;
      if (a.includes(b) && b.matches(path)) {
        ASSERT_TRUE(a.matches(path)) << left << " includes " << right << " but " << path;
      }
      if (a.matches(path) && b.matches(path)) {
        ASSERT_TRUE(a.overlaps(b)) << left << " " << right << " share " << path;
      }
      if (a.matches(path) && path != "/") {
        const std::string parent = path.substr(0, std::max<size_t>(1, path.rfind('/')));
        ASSERT_TRUE(a.may_match_below(parent)) << left << " below " << parent;
      }
    }
  }
  EXPECT_GT(inclusions, 0);
  EXPECT_GT(overlaps, inclusions);
}

// Words in which lines and arguments meet.
std::string usage_line(Generator& make) {
  std::string out = "/c" + std::to_string(make.below(2));
  for (int i = make.below(4); i > 0; --i)
    out +=
        make.pick({" a", " b", " [a]", " [-v]", " [-n <n:int>]", " <w:word>", " <f:path:r>...", " a|b", " [a b]..."});
  return out;
}

// With commands, a clock, and now and then without what they are about.
Policy with_commands(Policy policy, Generator& make) {
  for (int i = make.below(5); i > 0; --i) {
    const bool deny = make.below(3) == 0;
    auto usage = Usage::parse(usage_line(make) + (deny && make.below(2) ? " ..." : ""));
    if (!usage) continue;
    CommandRule rule{
        "c" + std::to_string(i), deny ? Effect::deny : Effect::allow, std::move(*usage), {}, {}, {}, {}, "r", {}, "p"};
    rule.program = make.below(2) ? rule.usage.program() : "/c" + std::to_string(make.below(3));
    if (!deny) rule.read = patterns({make.pattern()});
    policy.commands.push_back(std::move(rule));
  }
  policy.no_commands = make.below(10) == 0;
  if (make.below(2)) policy.clock.each_ms = static_cast<uint64_t>(make.below(5)) + 1;
  if (make.below(2)) policy.clock.total_ms = 3;
  return policy;
}

Request any_request(Generator& make) {
  switch (make.below(4)) {
    case 0:
      return Request::sleep(static_cast<uint64_t>(make.below(7)));
    case 1: {
      std::vector<std::string> argv{"/c" + std::to_string(make.below(2))};
      for (int i = make.below(4); i > 0; --i) argv.emplace_back(make.pick({"a", "b", "-v", "-n", "1", "--", "x"}));
      return *Request::command(std::move(argv));
    }
    default:
      return *Request::file(make.right(), make.path(), make.path());
  }
}

TEST(ALOS_SUITE, an_archived_policy_decides_as_it_did) {
  int elevated = 0, denied = 0;
  for (int seed = 0; seed < ALOS_PAIRS / 20; ++seed) {
    Generator make(static_cast<uint32_t>(seed));
    std::vector<PlainRule> rules = make.rules();
    for (PlainRule& rule : rules) rule.brokered = rule.effect == Effect::allow && make.below(3) == 0;
    const CompiledPolicy before = compile(with_commands(build(rules).policy(), make));
    auto decoded = decode<Policy>(encode(before.policy()), "policy");
    ASSERT_TRUE(decoded) << seed;
    const CompiledPolicy after = compile(std::move(*decoded));
    for (int i = 0; i < 20; ++i) {
      const Request request = any_request(make);
      const Decision one = decide(before, request), two = decide(after, request);
      ASSERT_EQ(one.effect, two.effect) << shown(rules, request);
      ASSERT_EQ(one.rule_name(), two.rule_name()) << shown(rules, request);
      ASSERT_EQ(one.layer, two.layer) << shown(rules, request);
      ASSERT_EQ(one.elevated, two.elevated) << shown(rules, request);
      ASSERT_EQ(one.rule && one.rule->brokered, two.rule && two.rule->brokered) << shown(rules, request);
      elevated += one.elevated.has_value();
      denied += one.command && one.effect == Effect::deny;
    }
  }
  EXPECT_GT(elevated, ALOS_PAIRS / 200);
  EXPECT_GT(denied, ALOS_PAIRS / 400);
}

// What a line matches when argv is made from its own words a deny of the same line covers too, whatever is put between.
TEST(ALOS_SUITE, a_deny_covers_what_the_same_line_allows) {
  int matched = 0;
  for (int seed = 0; seed < ALOS_PAIRS; ++seed) {
    Generator make(static_cast<uint32_t>(seed));
    const auto usage = Usage::parse(usage_line(make));
    if (!usage) continue;
    std::vector<std::string> words;
    for (int i = make.below(5); i > 0; --i) words.emplace_back(make.pick({"a", "b", "-v", "-n", "1", "x"}));
    if (!usage->match(words)) continue;
    ++matched;
    ASSERT_TRUE(usage->covers(words)) << usage->text() << " seed " << seed;
    words.insert(words.begin() + make.below(static_cast<int>(words.size()) + 1), "--other");
    // Not between an option and its value, which then would be another.
    const auto at = std::ranges::find(words, "--other");
    if (at != words.begin() && *(at - 1) == "-n") continue;
    ASSERT_TRUE(usage->covers(words)) << usage->text() << " seed " << seed;
  }
  EXPECT_GT(matched, ALOS_PAIRS / 200);
}

// Printed and not judged: a loaded machine says nothing. The number to hold against is 200 ns with 1000 rules.
TEST(ALOS_SUITE, cost_of_a_decision_by_number_of_rules) {
  for (const int rules : {10, 100, 1000}) {
    std::vector<PlainRule> all{{"all", Effect::allow, kAll, {"/w/**"}, {}}};
    for (int i = 1; i < rules; ++i) {
      const std::string n = std::to_string(i);
      const char* form = i % 4 == 0 ? "/w/**/*.x" : i % 4 == 1 ? "/w/**/.secret" : i % 4 == 2 ? "/w/dir" : "/srv/d";
      all.push_back(
          {"r" + n, i % 4 == 3 ? Effect::allow : Effect::deny, kAll, {form + n + (i % 4 >= 2 ? "/**" : "")}, {}});
    }
    const CompiledPolicy policy = build(all);
    for (const char* path :
         {"/w/src", "/w/src/lib/core/main.c", "/w/a/b/c/d/e/f/g/h/i/j/k/main.c", "/w/a/b/.secret1"}) {
      const Request request = *Request::file(Right::read, path);
      constexpr int kRounds = 200'000;
      const auto begin = std::chrono::steady_clock::now();
      int denied = 0;
      for (int i = 0; i < kRounds; ++i) denied += decide(policy, request).effect == Effect::deny;
      const auto spent = std::chrono::steady_clock::now() - begin;
      std::cout << rules << " rules, " << path << ": "
                << std::chrono::duration<double, std::nano>(spent).count() / kRounds << " ns"
                << (denied ? ", denied" : "") << "\n";
    }
  }
}

}  // namespace
}  // namespace alos::policy::test
