#include "supervisor/cli/doctor_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/paths.h"

namespace alos::cli {
namespace {

using host::By;
using host::State;

constexpr size_t kMark = 8, kName = 17, kText = 68;

std::vector<std::string> wrapped(std::string_view text) {
  std::vector<std::string> out;
  while (text.size() > kText) {
    size_t space = text.rfind(' ', kText);
    if (space == text.npos || space == 0) space = std::min(text.find(' '), text.size());
    out.emplace_back(text.substr(0, space));
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  if (!text.empty()) out.emplace_back(text);
  return out;
}

class Page {
 public:
  Page(std::FILE* out, Style style) : out_(out), style_(style) {}

  void heading(std::string_view text) { fmt::print(out_, "\n{}\n", coloured("1", text)); }
  // "  ok       overlay          writes go to a layer"
  void row(std::string_view mark, const char* colour, std::string_view name, std::string_view text) {
    fmt::print(out_, "  {}{:{}} {:{}} {}\n", coloured(colour, mark), "", kMark - std::min(kMark, mark.size()), name,
               kName, text);
  }
  // Indented below a row, wrapped.
  void under(std::string_view label, std::string_view text) {
    for (const std::string& part : wrapped(text)) {
      fmt::print(out_, "  {:{}} {:{}} {:<4} {}\n", "", kMark, "", kName, label, part);
      label = "";
    }
  }
  void line(std::string_view text) { fmt::print(out_, "{}\n", text); }
  std::string coloured(const char* code, std::string_view text) const {
    return style_ == Style::colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }

 private:
  std::FILE* out_;
  Style style_;
};

constexpr const char* kGreen = "32";
constexpr const char* kRed = "1;31";
constexpr const char* kYellow = "33";
constexpr const char* kDim = "2";

void print_there(Page& page, const Finding& finding) {
  const std::string detail = finding.fact.detail.empty() ? "" : "  [" + printable_text(finding.fact.detail) + "]";
  page.row("ok", kGreen, finding.name, finding.what_for + detail);
}

void print_missing(Page& page, const Finding& finding) {
  const bool unknown = finding.fact.state == State::unknown;
  page.row(unknown ? "unknown" : "MISSING", finding.need == Need::required ? kRed : kYellow, finding.name,
           finding.what_for);
  page.under("why", printable_text(finding.fact.detail));
  page.under("so", finding.without);
  page.under("do", finding.fact.remedy);
}

void print_note(Page& page, const Finding& finding) {
  std::string text = printable_text(finding.fact.detail);
  const std::string& rest = finding.fact.there() && !finding.what_for.empty() ? finding.what_for : finding.without;
  if (!rest.empty()) text += (text.empty() ? "" : "; ") + rest;
  page.row(finding.fact.there() ? "yes" : "no", kDim, finding.name, text);
}

void print_limit(Page& page, const host::Enforcer& enforcer) {
  switch (enforcer.by) {
    case By::nothing:
      return page.row("NOBODY", kRed, name(enforcer.limit), enforcer.how);
    case By::watched:
      return page.row("watched", kYellow, name(enforcer.limit), enforcer.how);
    default:
      return page.row("held", kGreen, name(enforcer.limit), fmt::format("{:<10} {}", name(enforcer.by), enforcer.how));
  }
}

void print_limits(Page& page, const Report& report) {
  page.heading("Limits of a box: who holds them");
  for (const host::Enforcer& enforcer : report.limits)
    if (std::ranges::find(report.asked, enforcer.limit) != report.asked.end()) print_limit(page, enforcer);
  if (report.degrade.empty()) return;
  page.under("so", "a run whose policy sets a limit that nobody holds is refused without " + report.degrade_flag());
  std::vector<std::string> told;  // most of them are got in the same way
  for (const host::Enforcer& enforcer : report.limits) {
    if (enforcer.remedy.empty() || std::ranges::find(report.degrade, enforcer.limit) == report.degrade.end()) continue;
    if (std::ranges::find(told, enforcer.remedy) == told.end()) page.under("do", told.emplace_back(enforcer.remedy));
  }
}

// What hangs on one missing thing is one line: the way to all of it is the same.
void print_untried(Page& page, const std::vector<std::string>& names) {
  if (names.empty()) return;
  page.row("unknown", kYellow, fmt::format("{} more", names.size()), host::kUntried);
  page.under("", fmt::format("{}", fmt::join(names, ", ")));
}

std::string_view word_for(State state) {
  return state == State::yes ? "yes" : state == State::no ? "no" : "unknown";
}
std::string_view word_for(Need need) {
  return need == Need::required ? "required" : need == Need::wanted ? "wanted" : "note";
}

std::string last_line(const Report& report) {
  if (!report.runs()) return "alos run cannot work here: what is MISSING above and required comes first";
  const std::string flag = report.degrade_flag();
  return "alos run needs here: " + (flag.empty() ? "nothing more" : flag);
}

}  // namespace

void print_report(std::FILE* out, const Report& report, Style style) {
  Page page(out, style);
  page.line(
      fmt::format("kernel {}, as {}", report.kernel, report.uid == 0 ? "root" : fmt::format("uid {}", report.uid)));
  // What is wrong comes first: whoever asks wants to know that.
  const auto wrong = [](const Finding& f) { return f.need != Need::note && !f.fact.there(); };
  if (std::ranges::any_of(report.findings, wrong)) page.heading("Missing");
  std::vector<std::string> untried;
  for (const Finding& finding : report.findings) {
    if (!wrong(finding)) continue;
    if (finding.fact.detail == host::kUntried)
      untried.push_back(finding.name);
    else
      print_missing(page, finding);
  }
  print_untried(page, untried);
  page.heading("There");
  for (const Finding& finding : report.findings)
    if (finding.need != Need::note && finding.fact.there()) print_there(page, finding);
  print_limits(page, report);
  page.heading("Worth knowing");
  for (const Finding& finding : report.findings)
    if (finding.need == Need::note) print_note(page, finding);
  page.line("");
  page.line(page.coloured(report.runs() && report.degrade.empty() ? kGreen : kRed, last_line(report)));
}

std::string json_of(const Report& report) {
  auto features = nlohmann::json::array();
  for (const Finding& finding : report.findings) {
    const size_t start = finding.name.find_first_not_of(' ');
    features.push_back({{"name", finding.name.substr(start)},
                        {"need", word_for(finding.need)},
                        {"there", word_for(finding.fact.state)},
                        {"for", finding.what_for},
                        {"without", finding.without},
                        {"detail", finding.fact.detail},
                        {"remedy", finding.fact.remedy}});
  }
  auto limits = nlohmann::json::array();
  for (const host::Enforcer& enforcer : report.limits)
    limits.push_back({{"limit", name(enforcer.limit)},
                      {"by", name(enforcer.by)},
                      {"how", enforcer.how},
                      {"remedy", enforcer.remedy}});
  auto degrade = nlohmann::json::array();
  for (const host::Limit limit : report.degrade) degrade.push_back(name(limit));
  // What the machine says of itself need not be UTF-8.
  return nlohmann::json{
      {"v", 1},           {"kernel", report.kernel}, {"uid", report.uid},     {"features", features},
      {"limits", limits}, {"degrade", degrade},      {"runs", report.runs()}, {"missing", report.missing()}}
      .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace alos::cli
