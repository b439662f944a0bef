#include "supervisor/audit/reader.h"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/sys.h"
#include "supervisor/audit/line.h"

namespace alos::audit {
namespace {

std::string text_of(const nlohmann::json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

bool Filter::passes(const Entry& entry) const {
  const bool of_kind =
      entry.action.starts_with(action) && (entry.action.size() == action.size() || entry.action[action.size()] == '.');
  return (run.empty() || entry.run == run) && (action.empty() || of_kind) &&
         (decision.empty() || entry.decision == decision) && (rule.empty() || entry.rule == rule);
}

Result<Reader> Reader::open(const std::string& path, Filter filter, Extent extent) {
  UniqueFd dir = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
  Reader reader(std::move(dir), path, std::move(filter));
  const Snapshot now = TRY(take_snapshot(reader.dir_.get(), path));
  if (extent == Extent::as_opened) reader.opened_ = now;
  TRY(reader.open_segment(now.segments.front()));
  return reader;
}

Result<void> Reader::open_segment(unsigned number) {
  UniqueFd fd = TRY(sys::openat(dir_.get(), segment_name(number), O_RDONLY | O_NOFOLLOW));
  number_ = number;
  size_ = 0;
  lines_.emplace(std::move(fd), segment_name(number), 0);
  TRY(advance());
  return {};
}

Result<Snapshot> Reader::present() const {
  if (opened_) return *opened_;
  return take_snapshot(dir_.get(), path_);
}

// Looks how far the log goes by now; true when there is more to read.
Result<bool> Reader::advance() {
  const Snapshot now = TRY(present());
  uint64_t size = now.last_size;
  if (now.segments.back() != number_)
    size = static_cast<uint64_t>(TRY(sys::lstatat(dir_.get(), segment_name(number_))).st_size);
  if (size != size_) {
    size_ = size;
    lines_->extend(size);
    return true;
  }
  const auto next = std::ranges::upper_bound(now.segments, number_);
  if (next == now.segments.end()) return false;
  TRY(open_segment(*next));
  return true;
}

Result<std::optional<Entry>> Reader::next() {
  for (;;) {
    const Lines::Next next = TRY(lines_->next());
    if (next.kind == Lines::Kind::line) {
      if (auto entry = parse(next.text)) return entry;
    } else if (next.kind == Lines::Kind::overlong) {
      return damaged();
    } else if (!TRY(advance())) {
      return std::nullopt;
    }
  }
}

std::optional<Entry> Reader::parse(std::string_view text) const {
  const auto line = parse_line(text);
  if (!line) return damaged();
  // Before the JSON is read: most records of a long log are outside of the time asked for.
  const auto ns = static_cast<int64_t>(number_in(line->body, "ns").value_or(0));
  if (!filter_.in_time(ns)) return {};
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return damaged();
  Entry out;
  out.seq = line->seq;
  out.ns = ns;
  for (auto [field, name] : {std::pair{&out.id, "id"},
                             {&out.run, "run"},
                             {&out.process, "process"},
                             {&out.action, "action"},
                             {&out.target, "target"},
                             {&out.decision, "decision"},
                             {&out.rule, "rule"},
                             {&out.source, "source"},
                             {&out.outcome, "outcome"},
                             {&out.parent, "parent"}})
    *field = text_of(json, name);
  if (const auto detail = json.find("detail"); detail != json.end()) out.detail = detail->dump();
  if (!filter_.passes(out)) return {};
  out.raw = text;
  return out;
}

Entry Reader::damaged() const {
  Entry out;
  out.damaged = true;
  out.raw = lines_->name() + ":" + std::to_string(lines_->line());
  return out;
}

}  // namespace alos::audit
