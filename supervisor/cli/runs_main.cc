// alos-runs: `alos ps`, `alos logs`, `alos kill` for foreground runs.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/paths.h"
#include "base/print.h"
#include "base/sys.h"
#include "supervisor/cli/help.h"
#include "supervisor/cli/main.h"
#include "supervisor/host/crashes.h"
#include "supervisor/host/registry.h"
#include "supervisor/host/relay.h"

namespace {

using namespace alos;
using host::RunInfo;
using nlohmann::ordered_json;

enum Code { kYes = 0, kNo = 1, kUsage = 2, kCannotTell = 3 };

int say(const Error& error) {
  alos::print_error("alos: {}\n", error.text());
  return error.code == ENOENT || error.code == EEXIST ? kNo : kCannotTell;
}

std::string duration(int64_t ns) {
  const int64_t s = ns / 1'000'000'000;
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86'400) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d{:02}h", s / 86'400, s / 3600 % 24);
}

// "T" in the third field of /proc/PID/stat: stopped as a whole, by ^Z or a signal.
std::string state_of(const RunInfo& run) {
  if (run.where != host::here()) return "elsewhere";
  const auto text = sys::read_file("/proc/" + std::to_string(run.supervisor) + "/stat", 4096);
  if (!text) return "ending";
  const size_t paren = text->rfind(')');
  return paren != text->npos && paren + 2 < text->size() && (*text)[paren + 2] == 'T' ? "stopped" : "running";
}

ordered_json json_of(const RunInfo& run) {
  return {{"id", run.id},
          {"name", run.name},
          {"state", state_of(run)},
          {"policy", run.policy},
          {"policy_hash", run.policy_hash},
          {"about", run.about},
          {"workspace", run.workspace},
          {"workspace_mode", run.workspace_mode},
          {"argv", run.argv},
          {"started", rfc3339(run.started_ns)},
          {"age_s", (wall_ns() - run.started_ns) / 1'000'000'000},
          {"wall_ms", run.wall_ms},
          {"degraded", run.degraded},
          {"supervisor", run.supervisor},
          {"box", run.box}};
}

// Told once: the next 'ps' does not have it.
ordered_json json_of(const host::Crash& crash) {
  return {{"id", crash.run.id},
          {"name", crash.run.name},
          {"state", crash.how == host::Crash::How::unrecorded ? "ended" : "crashed"},
          {"how", host::name(crash.how)},
          {"policy", crash.run.policy},
          {"workspace", crash.run.workspace},
          {"started", rfc3339(crash.run.started_ns)},
          {"last_seen", rfc3339(crash.seen_ns)},
          {"pending", crash.pending}};
}

void print_json(const ordered_json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

int ps(const Directories& directories, bool json) {
  auto runs = host::list_runs(directories.runtime);
  if (!runs) return say(runs.error());
  auto crashes = host::take_crashes(directories);
  if (!crashes) return say(crashes.error());
  std::ranges::sort(*runs, {}, &RunInfo::started_ns);
  if (json) {
    ordered_json all = ordered_json::array();
    for (const host::Crash& crash : *crashes) all.push_back(json_of(crash));
    for (const RunInfo& run : *runs) all.push_back(json_of(run));
    print_json(all);
    return kYes;
  }
  for (const host::Crash& crash : *crashes) fmt::print("{}\n", host::text_of(crash));
  if (runs->empty()) {
    alos::print_error("nothing runs\n");
    return kYes;
  }
  size_t names = 4, policies = 6;
  for (const RunInfo& run : *runs) {
    names = std::max(names, std::min<size_t>(20, printable(run.name).size()));
    policies = std::max(policies, std::min<size_t>(20, printable(run.policy).size()));
  }
  fmt::print("{:<20}  {:<{}}  {:<{}}  {:<8} {:>7} {:>7}  COMMAND\n", "ID", "NAME", names, "POLICY", policies, "STATE",
             "AGE", "LEFT");
  for (const RunInfo& run : *runs) {
    const int64_t age = wall_ns() - run.started_ns;
    const std::string left =
        run.wall_ms == 0 ? "-" : duration(std::max<int64_t>(0, static_cast<int64_t>(run.wall_ms) * 1'000'000 - age));
    fmt::print("{:<20}  {:<{}}  {:<{}}  {:<8} {:>7} {:>7}  {}\n", printable(run.id), printable(run.name).substr(0, 20),
               names, printable(run.policy).substr(0, 20), policies, state_of(run), duration(age), left,
               printable_command(run.argv));
    if (!run.workspace.empty()) fmt::print("{:<20}  in {} ({})\n", "", printable(run.workspace), run.workspace_mode);
    for (const std::string& gone : run.degraded) fmt::print("{:<20}  without {}\n", "", printable(gone));
  }
  return kYes;
}

int logs(const Directories& directories, const std::string& name, bool json) {
  auto run = host::find_run(directories.runtime, name);
  if (!run) return say(run.error());
  const std::string path = directories.runtime + "/runs/" + run->id + "/output.log";
  const auto text = sys::read_file(path, 8 << 20);
  if (json) {
    ordered_json out = json_of(*run);
    out["output"] = text ? ordered_json(*text) : ordered_json();
    print_json(out);
    return kYes;
  }
  fmt::print("{}  {}  policy {} ({:.12})\n  started {}, {} ago\n  {}\n", printable(run->id), printable(run->name),
             printable(run->policy), run->policy_hash, rfc3339(run->started_ns), duration(wall_ns() - run->started_ns),
             printable_command(run->argv));
  if (!text) {
    fmt::print("  its output goes where its caller sent it; only what is written to a terminal is kept\n");
    return kYes;
  }
  const bool all = text->size() < host::Relay::kLogBytes;
  fmt::print("  output so far{}:\n", all ? "" : ", of which only the beginning is kept");
  // Line by line and made visible: what an agent prints may hold escape sequences.
  for (size_t at = 0; at < text->size();) {
    size_t end = text->find('\n', at);
    if (end == text->npos) end = text->size();
    std::string_view line(text->data() + at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    fmt::print("  | {}\n", printable_text(line));
    at = end + 1;
  }
  return kYes;
}

// Asks the program first (SIGTERM), then ends the box. The supervisor is addressed by a descriptor that is checked
// after it was opened: its lock is still held, so the pid is still the supervisor's. One that stands still is set going
// again, for it takes no signal otherwise.
int kill_run(const Directories& directories, const std::string& name, double grace, bool json) {
  auto run = host::find_run(directories.runtime, name);
  if (!run) return say(run.error());
  if (run->where != host::here())
    return say(
        {"kill", run->id, EXDEV, "it runs on another machine or container that shares this directory; end it there"});
  auto supervisor = sys::pidfd_open(run->supervisor);
  if (!supervisor) return say(supervisor.error());
  const auto again = host::find_run(directories.runtime, run->id);
  if (!again) return say(again.error());
  if (again->id != run->id) return say({"run", run->id, ENOENT, "it has just ended"});
  const auto send = [&](int signal) -> Result<void> {
    TRY(sys::pidfd_signal(supervisor->get(), signal));
    (void)sys::pidfd_signal(supervisor->get(), SIGCONT);  // unless it has ended by the first
    return {};
  };
  const auto ended_within = [&](double seconds) {
    pollfd gone{.fd = supervisor->get(), .events = POLLIN, .revents = 0};
    return ::poll(&gone, 1, static_cast<int>(seconds * 1000)) == 1;
  };
  std::string how = "by itself";
  if (grace > 0) {
    if (auto sent = send(SIGTERM); !sent) return say(sent.error());
  }
  if (grace <= 0 || !ended_within(grace)) {
    how = "with its box";
    if (auto sent = send(SIGRTMIN); !sent && sent.error().code != ESRCH) return say(sent.error());
    if (!ended_within(15)) {
      alos::print_error("alos: {} does not end; its supervisor is process {}\n", run->id, run->supervisor);
      return kCannotTell;
    }
  }
  if (json)
    print_json({{"id", run->id}, {"ended", true}, {"how", how}});
  else
    fmt::print("{} ended {}\n", run->id, how);
  return kYes;
}

int run(int argc, char** argv) {
  CLI::App app{"Runs in progress.", "alos"};
  cli::use_house_help(app);
  app.require_subcommand(1);
  bool json = false;
  std::string name;
  double grace = 5;
  auto* ps_command = app.add_subcommand("ps", "lists the runs in progress");
  auto* logs_command = app.add_subcommand("logs", "shows what a run wrote on its terminal");
  auto* kill_command = app.add_subcommand("kill", "ends a run: asks the program, then ends the box");
  ps_command->footer("Examples:\n  alos ps --json\n\nExit status: 0 told, 2 used wrongly, 3 cannot tell.");
  const std::string codes = "\n\nExit status: 0 done, 1 no such run, or several, 2 used wrongly, 3 cannot tell.";
  logs_command->footer("Examples:\n  alos logs python3" + codes);
  kill_command->footer("Examples:\n  alos kill --grace 0 run_1f0c" + codes);
  for (CLI::App* command : {ps_command, logs_command, kill_command}) command->add_flag("--json", json, "for programs");
  for (CLI::App* command : {logs_command, kill_command})
    command->add_option("RUN", name, "name, id, or the beginning of one")->required();
  kill_command->add_option("--grace", grace, "seconds between asking and ending")
      ->check(CLI::Range(0.0, 3600.0).description(""))
      ->type_name("SECONDS")
      ->default_str("5");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kYes : kUsage;
  }
  const auto where = directories(::geteuid());
  if (!where) return say(where.error());
  if (*ps_command) return ps(*where, json);
  if (*logs_command) return logs(*where, name, json);
  return kill_run(*where, name, grace, json);
}

}  // namespace

int main(int argc, char** argv) {
  return alos::cli::guarded_main("alos", argc, argv, run);
}
