#include "policy/way.h"

#include <algorithm>
#include <vector>

#include "base/paths.h"

namespace alos::policy {
namespace {

// A pattern held against a path component by component: after each one whether it matches what came so far.
class Steps {
 public:
  explicit Steps(const Pattern& pattern) : segments_(&pattern.segments()), reached_(segments_->size() + 1) { reach(0); }

  // False: it matches neither this path nor one below it.
  bool step(std::string_view component) {
    reached_.back() = false;
    // From the end, so that what is reached now is not gone on from.
    for (size_t i = segments_->size(); i-- > 0;) {
      if (!reached_[i]) continue;
      const Pattern::Segment& segment = (*segments_)[i];
      reached_[i] = false;
      if (segment.any_depth())
        reach(i);
      else if (segment.matches(component))
        reach(i + 1);
    }
    return std::ranges::find(reached_, true) != reached_.end();
  }
  bool matches() const { return reached_.back(); }

 private:
  // "**" may stand for nothing.
  void reach(size_t segment) {
    reached_[segment] = true;
    for (; segment < segments_->size() && (*segments_)[segment].any_depth(); ++segment) reached_[segment + 1] = true;
  }

  const std::vector<Pattern::Segment>* segments_;
  std::vector<bool> reached_;  // by how many segments
};

// Those of one rule.
class Patterns {
 public:
  explicit Patterns(const std::vector<PathPattern>& patterns) {
    for (const PathPattern& path : patterns) left_.emplace_back(path.pattern);
  }
  void step(std::string_view component) {
    std::erase_if(left_, [&](Steps& steps) { return !steps.step(component); });
  }
  bool match() const { return std::ranges::any_of(left_, &Steps::matches); }
  // Here or further on.
  bool may_match() const { return !left_.empty(); }

 private:
  std::vector<Steps> left_;
};

constexpr size_t kNone = std::string_view::npos;

struct Candidate {
  explicit Candidate(const FileRule& of) : rule(&of), paths(of.paths), except(of.except) {}
  void step(std::string_view component) {
    paths.step(component);
    except.step(component);
  }
  bool denies() const { return rule->effect == Effect::deny; }
  // Of where the pass is.
  bool gives() const { return !denies() && path && !excepted; }

  const FileRule* rule;
  Patterns paths, except;
  bool path = false, excepted = false;  // what is matched of where the pass is
  size_t taken = kNone;                 // where the first directory ends that it takes
};

// Where the component ends that begins behind `end`.
size_t next_end(std::string_view path, size_t end) {
  return std::min(path.find('/', end + 1), path.size());
}

size_t first_match(const Pattern& pattern, std::string_view path) {
  Steps steps(pattern);
  size_t end = 0;
  while (!steps.matches() && end < path.size()) {
    const size_t from = end + 1;
    end = next_end(path, end);
    steps.step(path.substr(from, end - from));
  }
  return end;
}

// By which primitives alone reach the path.
void each_reaching(const CompiledPolicy& compiled, Right right, std::string_view path, const auto& found) {
  for (const FileRule& rule : compiled.rules())
    if (rule.brokered && rule.rights.has(right))
      for (const PathPattern& given : rule.paths)
        if (given.pattern.matches(path)) found(given.pattern);
}

// At the directory that ends at `end`.
void look(std::vector<Candidate>& candidates, size_t end, bool counts) {
  for (Candidate& one : candidates) {
    one.path = one.paths.match();
    one.excepted = one.except.match();
  }
  const bool given = std::ranges::any_of(candidates, &Candidate::gives);
  for (Candidate& one : candidates) {
    if (one.denies() && one.excepted) one.taken = kNone;
    const bool takes = one.path && one.excepted != one.denies() && (one.denies() || (one.rule->brokered && !given));
    if (counts && takes) one.taken = std::min(one.taken, end);
  }
}

std::optional<TakenOnWay> first_taken(const std::vector<Candidate>& candidates, std::string_view path) {
  const auto givers = std::ranges::count_if(candidates, &Candidate::gives);
  const Candidate* first = nullptr;
  for (const Candidate& one : candidates) {
    const bool given_by_another = givers > (one.gives() ? 1 : 0);
    if (one.taken == kNone || (!one.denies() && given_by_another)) continue;
    if (!first || one.taken < first->taken) first = &one;
  }
  if (!first) return std::nullopt;
  TakenOnWay out{std::string(first->taken == 0 ? "/" : path.substr(0, first->taken)), {}};
  if (first->denies()) out.decision.rule = first->rule;
  return out;
}

// Who covers the directory that a pass over what is mounted is at.
const FileRule* coverer(const std::vector<Candidate>& mounted, const std::vector<Candidate>& taking, Right right) {
  for (const Candidate& one : taking)
    if (one.paths.match() && !one.except.may_match()) return one.rule;
  const FileRule* excepts = nullptr;
  for (const Candidate& one : mounted) {
    if (!one.rule->rights.has(right) || !one.paths.match()) continue;
    if (!one.except.match()) return nullptr;
    if (!excepts) excepts = one.rule;
  }
  return excepts;
}

}  // namespace

std::optional<TakenOnWay> taken_on_way(const CompiledPolicy& compiled, Right right, std::string_view path) {
  size_t begin = kNone;
  each_reaching(compiled, right, path,
                [&](const Pattern& pattern) { begin = std::min(begin, first_match(pattern, path)); });
  if (begin == kNone) return std::nullopt;
  if (path == "/") path = "";
  std::vector<Candidate> candidates;
  for (const FileRule& rule : compiled.rules())
    if (rule.rights.has(right) && rule.effect != Effect::ask) candidates.emplace_back(rule);
  look(candidates, 0, begin == 0);
  for (size_t end = 0; end < path.size();) {
    const size_t from = end + 1;
    end = next_end(path, end);
    for (Candidate& one : candidates) one.step(path.substr(from, end - from));
    look(candidates, end, end >= begin);
  }
  return first_taken(candidates, path);
}

std::optional<TakenOnWay> covered_on_way(const CompiledPolicy& compiled, Right right, std::string_view path) {
  std::vector<Candidate> mounted, taking;
  for (const FileRule& rule : compiled.rules()) {
    if (rule.brokered && rule.rights.has(right) && rule.matches(path)) return std::nullopt;
    if (rule.effect == Effect::allow && !rule.brokered) mounted.emplace_back(rule);
    if (rule.effect == Effect::deny && rule.rights.has(right)) taking.emplace_back(rule);
  }
  std::optional<TakenOnWay> out;
  for (size_t end = 0; end < path.size();) {
    const size_t from = end + 1;
    end = next_end(path, end);
    const std::string_view component = path.substr(from, end - from);
    for (std::vector<Candidate>* all : {&mounted, &taking})
      for (Candidate& one : *all) one.step(component);
    if (std::ranges::none_of(mounted, [](const Candidate& one) { return one.paths.match(); }))
      out.reset();
    else if (end < path.size())
      if (const FileRule* const by = coverer(mounted, taking, right))
        out = TakenOnWay{std::string(path.substr(0, end)), {.rule = by}};
  }
  return out;
}

std::optional<TakenOnWay> denied_on_way(const CompiledPolicy& compiled, const Request& request,
                                        const Decision& decision) {
  const std::string& path = request.reached();
  if (decision.rule && decision.rule->matches(path)) return std::nullopt;
  auto out = taken_on_way(compiled, request.right(), path);
  if (!out || out->decision.rule != decision.rule || out->directory == path) return std::nullopt;
  return out;
}

bool is_said_on_way(const CompiledPolicy& compiled, Right right, std::string_view path, std::string_view directory) {
  bool out = false;
  each_reaching(compiled, right, path,
                [&](const Pattern& pattern) { out = out || lies_below(pattern.literal_prefix(), directory); });
  return out;
}

}  // namespace alos::policy
