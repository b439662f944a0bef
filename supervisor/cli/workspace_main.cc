#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/digest.h"
#include "base/paths.h"
#include "base/print.h"
#include "base/sys.h"
#include "supervisor/cli/help.h"
#include "supervisor/cli/main.h"
#include "supervisor/cli/workspace_show.h"
#include "supervisor/host/action.h"
#include "supervisor/host/terminal.h"
#include "supervisor/workspace/apply.h"
#include "supervisor/workspace/gc.h"
#include "supervisor/workspace/undo.h"

// `alos diff`, `apply`, `undo` and `gc`: what agents changed in a layered workspace.
namespace alos::workspace {
namespace {

constexpr int kNothing = 0, kSomething = 1, kUsage = 2, kCannotTell = 3;

struct Arguments {
  std::string workspace;
  std::vector<std::string> paths;
  bool json = false, stat = false, dry_run = false, yes = false, ask = false, open = false;
  std::string older_than;
};

// An ordinary user may own files that their mode forbids them to read, as the agent's chmod left them. In a user
// namespace of its own the program may read what its user owns, and nothing else. Where that is forbidden, such paths
// are refused by name.
void read_own_files() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (uid == 0 || ::unshare(CLONE_NEWUSER) != 0) return;
  const auto put = [](const char* file, const std::string& text) {
    const auto fd = sys::open(file, O_WRONLY);
    return fd && sys::write_all(fd->get(), text);
  };
  const bool mapped = put("/proc/self/setgroups", "deny") &&
                      put("/proc/self/uid_map", fmt::format("{} {} 1", uid, uid)) &&
                      put("/proc/self/gid_map", fmt::format("{} {} 1", gid, gid));
  if (mapped) return;
  alos::print_error("alos: cannot set up a user namespace of its own\n");
  std::exit(kCannotTell);  // half mapped, it would take the user's files for somebody else's
}

Result<std::string> real_directory(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  if (!real) return fail_errno("realpath", printable(path));
  return std::string(real.get());
}

// The named directory, or the nearest one from here up that has a layer.
Result<std::string> find_workspace(const std::string& state, const Arguments& arguments) {
  if (!arguments.workspace.empty()) return real_directory(arguments.workspace);
  const std::string here = TRY(real_directory("."));
  for (std::string at = here; !at.empty(); at.resize(at.rfind('/')))
    if (::access((layers_directory(state) + "/" + layer_key(at)).c_str(), F_OK) == 0) return at;
  return fail("layer", printable(here), ENOENT,
              "no agent has run here or above with a layered workspace; name one with --workspace");
}

// As typed, from the current directory, to the path below the workspace.
Result<std::vector<std::string>> below_workspace(const std::string& workspace, const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  const std::string here = TRY(real_directory("."));
  // Relative names are meant from here when here is in the workspace, else from its top.
  const std::string base = lies_below(here, workspace) ? here : workspace;
  for (const std::string& path : paths) {
    const std::string full = TRY(canonical_path(path.starts_with('/') ? path : base + "/" + path));
    if (!lies_below(full, workspace))
      return fail("path", printable(path), EXDEV, "it does not lie in " + printable(workspace));
    out.push_back(full == workspace ? "" : full.substr(workspace.size() + 1));
  }
  return out;
}

struct Opened {
  Layer layer;
  std::vector<std::string> paths;
  Matcher denied;
};

Result<Opened> open_for(const Arguments& arguments, Access access) {
  const std::string state = TRY(directories(::geteuid())).state;
  const std::string workspace = TRY(find_workspace(state, arguments));
  Opened opened{TRY(open_layer(state, workspace, access)), TRY(below_workspace(workspace, arguments.paths)), {}};
  opened.denied = matcher_of(opened.layer.record.layer_denies);
  return opened;
}

bool confirmed(const Arguments& arguments, const std::string& question) {
  if (arguments.yes) return true;
  if (!host::Terminal::has_person()) {
    alos::print_error("alos: {} needs a person or --yes\n", question);
    return false;
  }
  const auto answer = host::Terminal().ask(question + "? [y/N] ");
  return answer == "y" || answer == "yes";
}

std::vector<Change> chosen(std::vector<Change> changes, const std::vector<std::string>& paths) {
  std::erase_if(changes, [&](const Change& change) {
    const auto covers = [&](const std::string& path) { return is_below(change.path, path); };
    return !paths.empty() && std::none_of(paths.begin(), paths.end(), covers);
  });
  return changes;
}

// Says which of the paths that were named have no change at or below them: a slip of the pen, mostly. False: none.
bool say_unknown(const std::vector<Change>& changes, const std::vector<std::string>& paths) {
  bool any = false;
  for (const std::string& path : paths) {
    const auto covered = [&](const Change& change) { return is_below(change.path, path); };
    if (path.empty() || std::ranges::any_of(changes, covered)) continue;
    alos::print_error("alos: {}: the layer has nothing there\n", printable(path));
    any = true;
  }
  return any;
}

void say(const std::string& unseen) {
  if (!unseen.empty()) alos::print_error("alos: {}\n", unseen);
}

Result<int> diff(const Arguments& arguments) {
  const Opened opened = TRY(open_for(arguments, Access::look));
  Tree host = TRY(open_workspace(opened.layer.record));
  Tree content(TRY(sys::dup(opened.layer.content())));
  Scan found = TRY(scan(opened.layer, host, {opened.denied, false}));
  say(found.unseen);
  std::vector<Change> changes = chosen(std::move(found.changes), opened.paths);
  (void)say_unknown(changes, opened.paths);
  const std::string who = holder(opened.layer.path);
  if (arguments.json) {
    fmt::print("{}", json_of(opened.layer, who, changes));
    return changes.empty() ? kNothing : kSomething;
  }
  if (!who.empty()) fmt::print("{} goes on: this may change meanwhile\n", printable(who));
  if (changes.empty()) {
    fmt::print("no changes in {}\n", printable(opened.layer.record.workspace));
    return kNothing;
  }
  show_changes(changes, Purpose::look, Style::for_stdout());
  if (arguments.stat) return kSomething;
  // What is one line above is too much to show, unless it is asked for.
  if (opened.paths.empty()) std::erase_if(changes, [](const Change& change) { return change.goes_with_whole(); });
  show_texts(changes, host, content, Style::for_stdout());
  return kSomething;
}

Step progress() {
  if (::isatty(STDERR_FILENO) != 1) return {};
  return [begun = boot_ns(), last = boot_ns(), done = 0](std::string_view) mutable {
    ++done;
    if (boot_ns() - begun < 1'000'000'000 || boot_ns() - last < 200'000'000) return;
    last = boot_ns();
    alos::print_error("\r{} steps", done);
  };
}

// The intent before anything is touched; what came of it afterwards.
Result<void> record(std::string_view action, const Layer& layer, std::string_view outcome, audit::Detail detail) {
  const std::string run = layer.pending_since();
  audit::Record record;
  record.run = run;
  record.action = action;
  record.target = layer.record.workspace;
  record.rule = layer.record.policy;
  record.outcome = outcome;
  record.charge = audit::Charge::supervisor;
  record.detail = std::move(detail);
  return host::record_action(TRY(directories(::geteuid())).state, record);
}

constexpr size_t kPathsRecorded = 100;  // of a list; the counts are whole

audit::Detail named(const std::vector<std::string>& paths) {
  audit::Detail out;
  out.add("named", uint64_t{paths.size()});
  for (size_t i = 0; i < std::min(paths.size(), kPathsRecorded); ++i) out.add("path", paths[i]);
  return out;
}

// By a word that nobody knew before it was asked for: an answer that an agent had its terminal send, however late it
// arrives, is none.
bool agreed() {
  const std::string word = random_hex(2);
  return host::Terminal().ask("apply what nothing on the host would execute? type " + word +
                              " to apply, anything else keeps it in the layer: ") == word;
}

// What a person was shown and let go; none when there is nothing, or the answer was another. The layer is held from the
// look to the apply, so that no run can write to it in between.
Result<std::optional<std::set<std::string>>> ask(const Opened& opened) {
  TRY(opened.layer.hold("an 'alos apply' that waits for an answer"));
  Tree host = TRY(open_workspace(opened.layer.record));
  Scan found = TRY(scan(opened.layer, host, {opened.denied, false}));
  say(found.unseen);
  const std::vector<Change> changes = chosen(std::move(found.changes), opened.paths);
  if (changes.empty()) {
    fmt::print("no changes in {}\n", printable(opened.layer.record.workspace));
    return std::nullopt;
  }
  show_changes(changes, Purpose::look, Style::for_stdout());
  std::set<std::string> shown;
  for (const Change& change : changes)
    if (change.safe()) shown.insert(change.path);
  if (shown.empty() || !agreed()) return std::nullopt;
  return shown;
}

Result<int> apply(const Arguments& arguments) {
  Opened opened = TRY(open_for(arguments, arguments.dry_run ? Access::look : Access::change));
  const Effect effect = arguments.dry_run ? Effect::show : Effect::apply;
  std::optional<std::set<std::string>> shown;
  if (arguments.ask) {
    if (!host::Terminal::has_person()) return fail("--ask", "terminal", ENOTTY, "it needs a person at a terminal");
    shown = TRY(ask(opened));
    if (!shown) return kSomething;
  }
  if (effect == Effect::apply) TRY(record("workspace.apply", opened.layer, "intended", named(opened.paths)));
  const Opening opening = arguments.open ? Opening::named : Opening::held;
  const ApplyReport report =
      TRY(apply(opened.layer, {opened.paths, effect, opened.denied, progress(), opening, std::move(shown)}));
  if (effect == Effect::apply) {
    audit::Detail counts;
    counts.add("applied", report.count(Outcome::applied)).add("of", uint64_t{report.lines.size()});
    size_t recorded = 0;
    for (const Line& line : report.lines)
      if (line.outcome == Outcome::applied && recorded++ < kPathsRecorded) counts.add("path", line.change.path);
    TRY(record("workspace.applied", opened.layer, "ok", std::move(counts)));
  }
  if (!arguments.ask) say(report.unseen);
  if (arguments.json)
    fmt::print("{}", json_of(report, effect));
  else if (report.lines.empty() && report.unknown.empty())
    fmt::print("nothing to apply in {}\n", printable(opened.layer.record.workspace));
  else
    show_report(report, effect, Style::for_stdout());
  return report.unknown.empty() && report.count(Outcome::applied) == report.lines.size() ? kNothing : kSomething;
}

Result<void> drop(const Arguments& arguments, Opened& opened) {
  TRY(record("workspace.undo", opened.layer, "intended", named(opened.paths)));
  TRY(undo(opened.layer, opened.paths, opened.denied, progress()));
  if (!arguments.json) fmt::print("dropped\n");
  return {};
}

// A no is an answer; without a person the question could not be asked.
int not_confirmed() {
  return host::Terminal::has_person() ? kSomething : kUsage;
}

// All of it, where it is more than can be listed.
Result<int> undo_unseen(const Arguments& arguments, Opened& opened) {
  alos::print_error("alos: the layer holds more and deeper paths than can be shown\n");
  if (arguments.dry_run) return kSomething;
  if (!confirmed(arguments, "drop all changes")) return not_confirmed();
  TRY(drop(arguments, opened));
  return kNothing;
}

Result<int> undo(const Arguments& arguments) {
  Opened opened = TRY(open_for(arguments, Access::change));
  Tree host = TRY(open_workspace(opened.layer.record));
  auto found = scan(opened.layer, host, {opened.denied, false, OtherNames::skip});
  if (!found && found.error().code == E2BIG && opened.paths.empty()) return undo_unseen(arguments, opened);
  const std::vector<Change> changes = chosen(TRY(std::move(found)).changes, opened.paths);
  const bool unknown = say_unknown(changes, opened.paths);
  if (arguments.json) fmt::print("{}", json_of(opened.layer, "", changes));
  if (!arguments.json && changes.empty() && !unknown)
    fmt::print("nothing to undo in {}\n", printable(opened.layer.record.workspace));
  if (!arguments.json && !changes.empty()) {
    const Style style = Style::for_stdout();
    show_changes(changes, Purpose::drop, style);
  }
  if (arguments.dry_run || changes.empty()) return changes.empty() && !unknown ? kNothing : kSomething;
  if (!confirmed(arguments,
                 changes.size() == 1 ? "drop this change" : fmt::format("drop these {} changes", changes.size())))
    return not_confirmed();
  TRY(drop(arguments, opened));
  return unknown ? kSomething : kNothing;
}

bool removable(const Arguments& arguments, const Candidate& layer) {
  if (layer.verdict == Verdict::empty) return true;
  if (layer.verdict != Verdict::old && layer.verdict != Verdict::orphan) return false;
  return confirmed(arguments,
                   fmt::format("remove the changes of {} ({})", printable(layer.workspace), name(layer.verdict)));
}

Result<int> gc(const Arguments& arguments) {
  const std::string state = TRY(directories(::geteuid())).state;
  std::optional<int64_t> older_than;
  if (!arguments.older_than.empty()) {
    const auto age = parse_age(arguments.older_than);
    if (!age) {
      alos::print_error("alos gc: {}\n", age.error().text());
      return kUsage;
    }
    older_than = *age;
  }
  const auto layers = TRY(survey(state, wall_ns(), older_than));
  if (!arguments.json) show_layers(layers, wall_ns());
  std::vector<std::string> removed;
  int code = kNothing;
  for (const Candidate& layer : layers) {
    if (arguments.dry_run || !removable(arguments, layer)) continue;
    audit::Record record;
    record.action = "workspace.gc";
    record.target = layer.path;
    record.charge = audit::Charge::supervisor;
    TRY(host::record_action(state, record));
    if (const auto done = remove_layer(layer)) {
      removed.push_back(layer.path);
    } else {
      alos::print_error("alos: {}\n", done.error().text());
      code = kCannotTell;
    }
  }
  if (arguments.json)
    fmt::print("{}", json_of(layers, removed));
  else
    fmt::print("removed {} of {} layers\n", removed.size(), layers.size());
  return code;
}

void options_of(CLI::App* command, Arguments& arguments, const std::string& example, const std::string& codes) {
  command->add_flag("--json", arguments.json, "for programs");
  command->footer("Examples:\n  " + example + "\n\nExit status: " + codes + ", 2 used wrongly, 3 cannot tell.");
}

void workspace_of(CLI::App* command, Arguments& arguments) {
  command
      ->add_option("--workspace", arguments.workspace,
                   "the directory (default: the nearest from here up that has a layer)")
      ->type_name("DIR");
}

int run(int argc, char** argv) {
  CLI::App app("What agents changed in a workspace: look at it, bring it to the host, drop it.", "alos");
  cli::use_house_help(app);
  app.require_subcommand(1);
  Arguments arguments;
  bool all_safe = false;  // what happens without it
  CLI::App* diff_command = app.add_subcommand("diff", "shows what is in the layer");
  diff_command->add_option("PATHS", arguments.paths, "only these and what is below them");
  diff_command->add_flag("--stat", arguments.stat, "paths alone, no text");
  workspace_of(diff_command, arguments);
  options_of(diff_command, arguments, "alos diff --stat src", "0 no changes, 1 there are some");
  CLI::App* apply_command =
      app.add_subcommand("apply", "brings changes to the host; what a tool there would run only when named");
  apply_command->add_option("PATHS", arguments.paths,
                            "only these and what is safe below them, of .git what git keeps; default: all "
                            "that is safe");
  apply_command
      ->add_flag("--open", arguments.open,
                 "of a directory that PATHS names also a mode that lets others in; without it, only what is "
                 "in it")
      ->needs(apply_command->get_option("PATHS"));
  apply_command->add_flag("--dry-run", arguments.dry_run, "says what would be done");
  apply_command->add_flag("--ask", arguments.ask, "shows what is pending and brings what is safe of it after a word")
      ->excludes("--dry-run", "--open", "PATHS");
  apply_command->add_flag("--all-safe", all_safe, "everything that is not flagged (the default)")->excludes("PATHS");
  workspace_of(apply_command, arguments);
  options_of(apply_command, arguments, "alos apply src docs/README.md", "0 all was brought, 1 something stayed");
  apply_command->get_option("--ask")->excludes("--json");
  CLI::App* undo_command = app.add_subcommand("undo", "drops changes; the host is not touched");
  undo_command->add_option("PATHS", arguments.paths, "only these and what is below them");
  undo_command->add_flag("--yes", arguments.yes, "does not ask");
  undo_command->add_flag("--dry-run", arguments.dry_run, "says what would be dropped");
  workspace_of(undo_command, arguments);
  options_of(undo_command, arguments, "alos undo --yes src/generated",
             "0 dropped or nothing to drop, 1 kept by --dry-run or an answer, or not there");
  CLI::App* gc_command = app.add_subcommand("gc", "lists the layers and removes those without changes");
  gc_command
      ->add_option("--older-than", arguments.older_than,
                   "also those with changes not used for so long (30d, 12h); asks")
      ->type_name("AGE");
  gc_command->add_flag("--yes", arguments.yes, "does not ask");
  gc_command->add_flag("--dry-run", arguments.dry_run, "lists only");
  options_of(gc_command, arguments, "alos gc --older-than 30d", "0 done");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kNothing : kUsage;
  }
  read_own_files();
  const auto result = *diff_command    ? diff(arguments)
                      : *apply_command ? apply(arguments)
                      : *undo_command  ? undo(arguments)
                                       : gc(arguments);
  if (result) return *result;
  alos::print_error("alos: {}\n", result.error().text());
  return kCannotTell;
}

}  // namespace
}  // namespace alos::workspace

int main(int argc, char** argv) {
  ::umask(077);
  return alos::cli::guarded_main("alos", argc, argv, alos::workspace::run);
}
