#include "supervisor/workspace/gc.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/changes.h"
#include "supervisor/workspace/meter.h"

namespace alos::workspace {
namespace {

constexpr int64_t kMeasureNs = 5'000'000'000;

// What was found so far, where the agent left more than can be measured.
uint64_t measure(const Layer& layer) {
  auto root = sys::dup(layer.dir.get());
  if (!root) return 0;
  Meter meter(std::move(*root));
  const int64_t until = boot_ns() + kMeasureNs;
  while (meter.rounds() == 0 && meter.failure().empty() && boot_ns() < until) meter.step(4096);
  return meter.bytes();
}

int64_t last_use(const Record& record) {
  int64_t last = record.stamp_ns;
  for (const Run& run : record.runs) last = std::max(last, run.started_ns);
  return last;
}

Candidate broken(Candidate candidate, const Error& error) {
  candidate.verdict = Verdict::broken;
  candidate.reason = error.text();
  return candidate;
}

Node record_file(int dir, const std::string& path) {
  const auto st = sys::lstatat(dir, path);
  return st ? Node::of(*st) : Node{};
}

Candidate examine(const std::string& path, int64_t now_ns, std::optional<int64_t> older_than_ns) {
  Candidate candidate;
  candidate.path = path;
  candidate.record = record_file(AT_FDCWD, path + "/layer.json");
  const auto layer = open_layer_at(path, Access::look);
  if (!layer && layer.error().code == EBUSY) {
    candidate.verdict = Verdict::in_use;
    candidate.reason = layer.error().hint;
    return candidate;
  }
  if (!layer) return broken(std::move(candidate), layer.error());
  candidate.workspace = layer->record.workspace;
  candidate.used_ns = last_use(layer->record);
  candidate.bytes = measure(*layer);
  if (!holder(path).empty()) {
    candidate.verdict = Verdict::in_use;
  } else if (is_gone(layer->record)) {
    candidate.verdict = Verdict::orphan;
  } else {
    const auto changed = has_changes(*layer);
    if (!changed) return broken(std::move(candidate), changed.error());
    const bool old = older_than_ns && candidate.used_ns < now_ns - *older_than_ns;
    candidate.verdict = !*changed ? Verdict::empty : old ? Verdict::old : Verdict::pending;
  }
  return candidate;
}

}  // namespace

std::string_view name(Verdict verdict) {
  constexpr std::string_view kNames[] = {"in use", "empty", "orphan", "old", "pending", "broken"};
  return kNames[static_cast<size_t>(verdict)];
}

Result<int64_t> parse_age(std::string_view text) {
  constexpr int64_t kHour = 3'600'000'000'000;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view count = text.substr(0, digits), unit = text.substr(digits);
  int64_t number = 0;
  const auto parsed = std::from_chars(count.data(), count.data() + count.size(), number);
  if (parsed.ec == std::errc::result_out_of_range) number = INT64_MAX;
  if (digits == 0 || (unit != "d" && unit != "h"))
    return fail("age", printable(text), EINVAL, "write a number of days or hours, as in 30d or 12h");
  return long_ns(number, unit == "d" ? 24 * kHour : kHour);
}

Result<std::vector<Candidate>> survey(const std::string& state, int64_t now_ns, std::optional<int64_t> older_than_ns) {
  std::vector<Candidate> out;
  for (const std::string& path : TRY(list_layers(state))) out.push_back(examine(path, now_ns, older_than_ns));
  return out;
}

Result<void> remove_layer(const Candidate& seen) {
  const std::string& path = seen.path;
  const std::string above = path.substr(0, path.rfind('/'));
  const UniqueFd dir = TRY(sys::open(above, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const UniqueFd layer = TRY(sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const UniqueFd lock = TRY(sys::openat(layer.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (!sys::lock(lock.get())) return fail("gc", path, EBUSY, printable(holder(path)) + " is using it");
  const Node record = record_file(layer.get(), "layer.json");
  if (!record.same_inode(seen.record) || record.ctime_ns != seen.record.ctime_ns)
    return fail("gc", path, ESTALE, "it was used since it was looked at; look again");
  return remove_tree(dir.get(), path.substr(above.size() + 1));
}

}  // namespace alos::workspace
