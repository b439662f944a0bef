#include "policy/way.h"

#include <algorithm>
#include <vector>

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

 private:
  std::vector<Steps> left_;
};

constexpr size_t kNone = std::string_view::npos;

struct Candidate {
  explicit Candidate(const FileRule& of) : rule(&of), paths(of.paths), except(of.except) {}
  bool denies() const { return rule->effect == Effect::deny; }
  // Of where the pass is.
  bool holds() const { return path && !excepted; }
  bool gives() const { return rule->effect == Effect::allow && holds(); }

  const FileRule* rule;
  Patterns paths, except;
  bool path = false, excepted = false;  // what is matched of where the pass is
  size_t taken = kNone;                 // where the first directory ends that it takes
};

// Where the component ends that begins behind `end`.
size_t next_end(std::string_view path, size_t end) {
  return std::min(path.find('/', end + 1), path.size());
}

// Where directories end of which something is said, of what primitives alone reach. kNone: the path is none of that.
struct Begin {
  size_t taken = kNone;  // the first that is matched by what matches the path
  size_t kept = kNone;   // the shortest literal beginning of those
};

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

Begin begin_of(const CompiledPolicy& compiled, Right right, std::string_view path) {
  Begin out;
  for (const FileRule& rule : compiled.rules()) {
    if (!rule.brokered || !rule.rights.has(right)) continue;
    for (const PathPattern& given : rule.paths) {
      if (!given.pattern.matches(path)) continue;
      const std::string prefix = given.pattern.literal_prefix();
      out.kept = std::min(out.kept, prefix == "/" ? 0 : prefix.size());
      out.taken = std::min(out.taken, first_match(given.pattern, path));
    }
  }
  return out;
}

// At the directory that ends at `end`. Whether it is allowed by its own name.
bool look(std::vector<Candidate>& candidates, size_t end, bool counts) {
  bool given = false, kept = false;
  for (Candidate& one : candidates) {
    one.path = one.paths.match();
    one.excepted = one.except.match();
    given = given || one.gives();
    kept = kept || (one.holds() && !one.gives());
  }
  for (Candidate& one : candidates) {
    if (one.denies() && one.excepted) one.taken = kNone;
    const bool takes = one.denies() ? one.holds() : one.rule->brokered && one.path && one.excepted && !given;
    if (counts && takes) one.taken = std::min(one.taken, end);
  }
  return given && !kept;
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

}  // namespace

OnWay on_way(const CompiledPolicy& compiled, Right right, std::string_view path) {
  const auto [taken, kept] = begin_of(compiled, right, path);
  if (taken == kNone) return {};
  if (path == "/") path = "";
  std::vector<Candidate> candidates;
  for (const FileRule& rule : compiled.rules())
    if (rule.rights.has(right)) candidates.emplace_back(rule);
  OnWay out;
  for (size_t end = 0;;) {
    const bool allowed = look(candidates, end, end >= taken);
    if (end == path.size()) break;
    out.kept = out.kept || (!allowed && end >= kept);
    const size_t from = end + 1;
    end = next_end(path, end);
    for (Candidate& one : candidates) {
      one.paths.step(path.substr(from, end - from));
      one.except.step(path.substr(from, end - from));
    }
  }
  out.taken = first_taken(candidates, path);
  return out;
}

}  // namespace alos::policy
