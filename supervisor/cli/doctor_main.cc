// alos doctor: what this machine offers to boxes, what is missing, and what that means for a run.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "base/paths.h"
#include "base/print.h"
#include "supervisor/cli/doctor_print.h"
#include "supervisor/cli/help.h"
#include "supervisor/cli/main.h"
#include "supervisor/cli/policy_common.h"
#include "supervisor/host/probe.h"

namespace alos::cli {
namespace {

constexpr int kFine = kYes, kMissing = kNo;

Result<std::vector<host::Limit>> limits_of(const std::vector<std::string>& names) {
  if (names.empty()) return std::vector<host::Limit>(host::kLimits.begin(), host::kLimits.end());
  std::vector<host::Limit> out;
  for (const std::string& text : names) {
    const auto at = std::ranges::find(host::kLimits, text, [](host::Limit limit) { return host::name(limit); });
    if (at == host::kLimits.end())
      return fail("limit", text, EINVAL, "limits are memory, processes, cpus, cpu-time, disk, open-files, wall");
    out.push_back(*at);
  }
  return out;
}

// The limits that a policy sets; its problems are printed.
std::optional<std::vector<std::string>> limits_in(const std::string& policy) {
  const auto ready = prepare({policy, "", {}});
  if (!ready) {
    cannot_load(ready.error());
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (const host::Limit limit : box::set_in(ready->plan.box.limits)) out.emplace_back(host::name(limit));
  return out;
}

int complain(const Error& error, int code) {
  alos::print_error("alos doctor: {}\n", error.text());
  return code;
}

int examine(const std::vector<std::string>& limit_names, bool json) {
  const auto limits = limits_of(limit_names);
  if (!limits) return complain(limits.error(), kUsage);
  const auto places = directories(::geteuid());
  const auto facts = host::probe(places ? places->state : "/");
  if (!facts) return complain(facts.error(), kUnknown);
  const Report report = report_on(*facts, *limits);
  if (json)
    fmt::print("{}\n", json_of(report));
  else
    print_report(stdout, report, ::isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR") ? Style::colour : Style::plain);
  return report.missing() ? kMissing : report.unsure() ? kUnknown : kFine;
}

int run(int argc, char** argv) {
  CLI::App app("What this machine offers to boxes, what is missing, and what that means for a run.", "alos doctor");
  use_house_help(app);
  std::vector<std::string> limits;
  std::string policy;
  bool json = false;
  app.add_option("--limits", limits, "the limits that matter, as in a policy; all of them otherwise")
      ->delimiter(',')
      ->type_name("LIMIT,...");
  app.add_option("--policy", policy, "only the limits that this policy sets: a name, or a file (with a '/')")
      ->type_name("POLICY")
      ->excludes("--limits");
  app.add_flag("--json", json, "the findings as JSON");
  app.footer(
      "Examples:\n  alos doctor --policy coding\n\n"
      "Exit status: 0 all there, 1 something missing, 2 used wrongly, 3 cannot tell.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kFine : kUsage;
  }
  if (!policy.empty()) {
    auto set = limits_in(policy);
    if (!set) return kUnknown;
    limits = std::move(*set);
    if (limits.empty()) limits = {"wall"};  // which is always held
  }
  return examine(limits, json);
}

}  // namespace
}  // namespace alos::cli

int main(int argc, char** argv) {
  return alos::cli::guarded_main("alos doctor", argc, argv, alos::cli::run);
}
