// alos audit: reads the audit log (show) and checks it (verify).

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "base/paths.h"
#include "base/print.h"
#include "supervisor/audit/reader.h"
#include "supervisor/audit/verify.h"
#include "supervisor/cli/audit_show.h"
#include "supervisor/cli/audit_time.h"
#include "supervisor/cli/help.h"
#include "supervisor/cli/main.h"

namespace alos::cli {
namespace {

// Exit codes of every command: yes or nothing found; no or something found; used wrongly; cannot tell.
enum Exit : int { kFine = 0, kFound = 1, kUsage = 2, kUnknown = 3 };
enum class Follow : uint8_t { no, yes };

struct Arguments {
  std::string dir;
  bool json = false;
  // show
  std::string run, action, decision, rule, since, until;
  bool follow = false, all = false;
  // verify
  std::string anchor, key;
};

int complain(const Error& error, Exit code) {
  alos::print_error("alos audit: {}\n", error.text());
  return code;
}

int no_log(Error error) {
  if (error.code == ENOENT && error.hint.empty())
    error.hint = "nothing has been recorded here yet, or the log is elsewhere: see --dir";
  return complain(error, kUnknown);
}

Result<std::string> directory_of(const Arguments& arguments) {
  if (!arguments.dir.empty()) return arguments.dir;
  return TRY(directories(::geteuid())).state + "/audit";
}

Result<audit::Filter> filter_of(const Arguments& arguments) {
  audit::Filter filter{
      .run = arguments.run, .action = arguments.action, .decision = arguments.decision, .rule = arguments.rule};
  if (!arguments.since.empty()) filter.since_ns = TRY(parse_moment(arguments.since, wall_ns()));
  if (!arguments.until.empty()) filter.until_ns = TRY(parse_moment(arguments.until, wall_ns()));
  return filter;
}

// The log's own records tell a person nothing about what agents did, but for a torn write.
bool is_housekeeping(const audit::Entry& entry) {
  return entry.action == "audit.seal" || entry.action == "audit.segment" || entry.action == "audit.rotate";
}

// A damaged line, or the name of a directory, need not be UTF-8.
std::string text_of(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<size_t> show_records(audit::Reader& reader, const Arguments& arguments, Follow follow) {
  Table table(stdout, colour_for(stdout));
  size_t shown = 0;
  for (;;) {
    auto entry = TRY(reader.next());
    if (!entry) {
      table.flush();
      if (std::fflush(stdout) != 0) return fail_errno("write", "standard output");
      if (follow == Follow::no) return shown;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      continue;
    }
    if (is_housekeeping(*entry) && !arguments.all && arguments.action.empty() && !arguments.json) continue;
    ++shown;
    if (!arguments.json)
      table.add(std::move(*entry));
    else if (entry->damaged)
      fmt::print("{}\n", text_of({{"damaged", entry->raw}}, -1));
    else
      fmt::print("{}\n", entry->raw);
  }
}

int show(const Arguments& arguments) {
  auto filter = filter_of(arguments);
  if (!filter) return complain(filter.error(), kUsage);
  auto dir = directory_of(arguments);
  if (!dir) return complain(dir.error(), kUnknown);
  auto reader = audit::Reader::open(*dir, std::move(*filter),
                                    arguments.follow ? audit::Extent::growing : audit::Extent::as_opened);
  if (!reader) return no_log(std::move(reader).error());
  const auto shown = show_records(*reader, arguments, arguments.follow ? Follow::yes : Follow::no);
  if (!shown) return complain(shown.error(), kUnknown);
  if (*shown == 0 && !arguments.json) alos::print_error("no records match in {}\n", *dir);
  return kFine;
}

nlohmann::json json_of(const audit::Verdict& verdict, const std::string& dir) {
  auto findings = nlohmann::json::array();
  for (const audit::Finding& finding : verdict.findings)
    findings.push_back(
        {{"kind", audit::name(finding.kind)}, {"file", finding.file}, {"line", finding.line}, {"what", finding.what}});
  return {{"v", 1},
          {"sound", verdict.sound()},
          {"dir", dir},
          {"anchor", verdict.head.text()},
          {"records", verdict.records},
          {"seals", verdict.seals},
          {"files", verdict.files},
          {"first", verdict.first_time},
          {"last", verdict.last_time},
          {"notes", verdict.notes},
          {"findings", findings},
          {"more_findings", verdict.more_findings}};
}

std::string counted(uint64_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

void print_verdict(const audit::Verdict& verdict, const std::string& dir) {
  const bool colour = colour_for(stdout) == Colour::on;
  const auto mark = [&](const char* code, const char* text) {
    return colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  };
  const uint64_t findings = verdict.findings.size() + verdict.more_findings;
  fmt::print("{}  {} in {}, {}\n", verdict.sound() ? mark("32", "sound  ") : mark("31", "CHANGED"),
             counted(verdict.records, "record"), counted(verdict.files, "file"), counted(verdict.seals, "seal"));
  fmt::print("log      {}\n", dir);
  if (!verdict.first_time.empty()) fmt::print("time     {} to {}\n", verdict.first_time, verdict.last_time);
  for (const std::string& note : verdict.notes) fmt::print("note     {}\n", note);
  if (verdict.sound()) {
    fmt::print("anchor   {}\n", verdict.head.text());
    fmt::print("         Keep it somewhere else: verify --anchor then also finds a log whose end was cut.\n");
    return;
  }
  fmt::print("\n{}:\n", counted(findings, "finding"));
  for (const audit::Finding& finding : verdict.findings)
    fmt::print("  {:<15}  {:<11}  {}\n", finding.line ? fmt::format("{}:{}", finding.file, finding.line) : finding.file,
               audit::name(finding.kind), finding.what);
  if (verdict.more_findings) fmt::print("  ... and {} more\n", verdict.more_findings);
  fmt::print("\nKeep a copy of the directory as it is, before anything else is written to it.\n");
}

Result<audit::VerifyOptions> verify_options_of(const Arguments& arguments) {
  audit::VerifyOptions options;
  if (!arguments.anchor.empty()) options.anchor = TRY(audit::parse_head(arguments.anchor));
  if (!arguments.key.empty()) {
    audit::SealKey key;
    if (!unhex(arguments.key, key))
      return fail("key", arguments.key, EINVAL, "a key is the content of seal.pub: 64 hexadecimal digits");
    options.key = key;
  }
  return options;
}

int check(const Arguments& arguments) {
  const auto options = verify_options_of(arguments);
  if (!options) return complain(options.error(), kUsage);
  const auto dir = directory_of(arguments);
  if (!dir) return complain(dir.error(), kUnknown);
  const auto verdict = audit::verify(*dir, *options);
  if (!verdict) return no_log(verdict.error());
  if (arguments.json)
    fmt::print("{}\n", text_of(json_of(*verdict, *dir), 2));
  else
    print_verdict(*verdict, *dir);
  return verdict->sound() ? kFine : kFound;
}

void add_show(CLI::App& app, Arguments& arguments) {
  CLI::App* show = app.add_subcommand("show", "print the records that there are, oldest first");
  show->add_option("--run", arguments.run, "only this run")->type_name("RUN");
  show->add_option("--action", arguments.action, "only this action: fs.read, or fs for all of its kind")
      ->type_name("ACTION");
  show->add_option("--decision", arguments.decision, "only this decision")
      ->check(CLI::IsMember({"allow", "ask", "deny"}).description(""))
      ->type_name("allow|ask|deny");
  show->add_option("--rule", arguments.rule, "only decisions of this rule")->type_name("RULE");
  show->add_option("--since", arguments.since, "from then on: 10m, 2h, 3d, 2026-11-22T11:03")->type_name("WHEN");
  show->add_option("--until", arguments.until, "up to then")->type_name("WHEN");
  show->add_flag("--follow,-f", arguments.follow, "go on with what is recorded from now on");
  show->add_flag("--all", arguments.all, "the log's own records (seals, files) as well");
  show->add_flag("--json", arguments.json, "the records as they stand in the log, one a line");
  show->add_option("--dir", arguments.dir, "the log's directory")->type_name("DIR");
  show->footer(
      "Examples:\n  alos audit show --decision deny --since 10m\n\n"
      "Exit status: 0 shown, 2 used wrongly, 3 cannot tell.");
}

void add_verify(CLI::App& app, Arguments& arguments) {
  CLI::App* verify =
      app.add_subcommand("verify", "check that nothing in the log was changed, moved, added or taken out");
  verify->add_option("--anchor", arguments.anchor, "where the log stood once, as verify printed it")
      ->type_name("COUNT:HASH");
  verify->add_option("--key", arguments.key, "the log's public key (seal.pub), kept elsewhere")->type_name("HEX");
  verify->add_flag("--json", arguments.json, "the verdict as JSON");
  verify->add_option("--dir", arguments.dir, "the log's directory")->type_name("DIR");
  verify->footer(
      "Examples:\n  alos audit verify --anchor 1204:5f1c...\n\n"
      "Exit status: 0 sound, 1 changed, 2 used wrongly, 3 cannot tell.");
}

int run(int argc, char** argv) {
  CLI::App app("What agents asked for and what was decided: the audit log.", "alos audit");
  use_house_help(app);
  app.require_subcommand(1);
  Arguments arguments;
  add_show(app, arguments);
  add_verify(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kFine : kUsage;
  }
  return app.got_subcommand("show") ? show(arguments) : check(arguments);
}

}  // namespace
}  // namespace alos::cli

int main(int argc, char** argv) {
  return alos::cli::guarded_main("alos audit", argc, argv, alos::cli::run);
}
