#include "supervisor/cli/audit_show.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "supervisor/cli/audit_time.h"

namespace alos::cli {
namespace {

constexpr size_t kHeld = 200;
constexpr size_t kMostRun = 20, kMostRule = 28;

// Columns are counted in characters, not in bytes; wide characters are rare in names and only shift their own line.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(std::string text, size_t width) {
  const size_t has = width_of(text);
  if (has < width) text.append(width - has, ' ');
  return text;
}

std::string rule_of(const audit::Entry& entry) {
  if (entry.rule.empty()) return "-";
  return printable(entry.rule);
}

// The words of a command, and what a primitive was asked for, are recorded as they are shown.
std::string target_of(const audit::Entry& entry) {
  const bool shown =
      std::ranges::any_of(std::initializer_list<std::string_view>{"run.start", "fs.", "shell.", "clock.", "policy."},
                          [&](std::string_view kind) { return entry.action.starts_with(kind); });
  return shown ? printable_text(entry.target) : printable(entry.target);
}

const char* colour_of(const std::string& decision) {
  if (decision == "deny") return "\x1b[31m";
  if (decision == "ask") return "\x1b[33m";
  if (decision == "allow") return "\x1b[32m";
  return "";
}

std::string value_of(const nlohmann::json& value) {
  if (value.is_object() && value.contains("size")) {
    const std::string preview = value.value("preview", "");
    return value["size"].dump() + " bytes" + (preview.empty() ? "" : " \"" + printable_text(preview) + "\"");
  }
  return value.is_string() ? printable(value.get<std::string>()) : printable_text(value.dump(-1, ' ', true));
}

// What follows the request: outcome, counts, where the rule stands, details.
std::string tail_of(const audit::Entry& entry) {
  std::string out;
  if (!entry.outcome.empty()) out += "  -> " + printable_text(entry.outcome);
  const auto detail = nlohmann::json::parse(entry.detail, nullptr, /*allow_exceptions=*/false);
  if (detail.is_object()) {
    const auto repeated = detail.find("repeated");
    if (repeated != detail.end()) out += fmt::format("  {} more times", value_of(*repeated));
    for (const auto& [name, value] : detail.items())
      if (name != "repeated" && name != "first" && name != "last")
        out += fmt::format("  {}={}", printable(name), value_of(value));
  }
  if (!entry.source.empty()) out += "  (" + printable_text(entry.source) + ")";
  return out;
}

}  // namespace

Colour colour_for(std::FILE* out) {
  return ::isatty(::fileno(out)) && !std::getenv("NO_COLOR") ? Colour::on : Colour::off;
}

void Table::add(audit::Entry entry) {
  if (measured_) return print(entry);
  held_.push_back(std::move(entry));
  if (held_.size() >= kHeld) flush();
}

void Table::flush() {
  if (!measured_ && !held_.empty()) {
    measured_ = true;
    run_width_ = 3, rule_width_ = 4;
    for (const audit::Entry& entry : held_) {
      run_width_ = std::clamp(width_of(printable(entry.run)), run_width_, kMostRun);
      rule_width_ = std::clamp(width_of(rule_of(entry)), rule_width_, kMostRule);
    }
    for (const audit::Entry& entry : held_) print(entry);
    held_.clear();
  }
  std::fflush(out_);
}

void Table::print(const audit::Entry& entry) {
  ++rows_;
  if (entry.damaged) {
    fmt::print(out_, "{}: no record can be read here; see 'alos audit verify'\n", entry.raw);
    return;
  }
  if (const std::string day = local_day(entry.ns); day != day_) {
    fmt::print(out_, "{}{} {}\n", day_.empty() ? "" : "\n", day, local_zone(entry.ns));
    if (day_.empty())
      fmt::print(out_, "{}  {}  {}  {}  {}\n", padded("TIME", 12), padded("RUN", run_width_), "DECISION",
                 padded("RULE", rule_width_), "REQUEST");
    day_ = day;
  }
  const bool coloured = colour_ == Colour::on && !entry.decision.empty();
  fmt::print(out_, "{}  {}  {}{}{}  {}  {}{}{}\n", local_time(entry.ns),
             padded(entry.run.empty() ? "-" : printable(entry.run), run_width_),
             coloured ? colour_of(entry.decision) : "",
             padded(entry.decision.empty() ? "-" : printable(entry.decision), 8), coloured ? "\x1b[0m" : "",
             padded(rule_of(entry), rule_width_), printable(entry.action),
             entry.target.empty() ? "" : " " + target_of(entry), tail_of(entry));
}

}  // namespace alos::cli
