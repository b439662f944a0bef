#include "supervisor/cli/run_command.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <climits>
#include <map>

#include "base/child.h"
#include "base/paths.h"
#include "base/sys.h"
#include "policy/box_plan.h"
#include "policy/problem.h"
#include "supervisor/cli/help.h"
#include "supervisor/host/order.h"
#include "supervisor/host/run.h"
#include "supervisor/host/terminal.h"

namespace alos::cli {
namespace {

using host::Apply;
using host::RunOptions;

// Runs a program of alos beside this one and returns its exit code.
int call(const std::string& program, std::vector<std::string> words) {
  const auto directory = program_directory();
  if (!directory) return host::kNotRun;
  words.insert(words.begin(), *directory + "/" + program);
  const std::vector<char*> argv = sys::pointers_to(words);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(host::kNotRun);
  }
  const auto status = sys::wait_for(pid);
  return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : host::kNotRun;
}

// `workspace` is the run's own, as its supervisor says: empty when it had no layer.
void apply_after(Apply how, const std::string& workspace, const host::Terminal& terminal) {
  if (workspace.empty()) {
    std::fputs("alos: this run had no layer; there is nothing to apply\n", stderr);
    return;
  }
  if (how == Apply::safe) {
    call("alos-workspace", {"apply", "--workspace", workspace});
  } else if (host::Terminal::has_person()) {
    terminal.restore();
    call("alos-workspace", {"apply", "--ask", "--workspace", workspace});
  }
}

// A word that nothing goes by would give up nothing, and look as if it had.
Result<void> check_degrade(const std::vector<std::string>& given) {
  const std::vector<std::string> known(policy::kDegradable.begin(), policy::kDegradable.end());
  for (const std::string& what : given) {
    if (std::ranges::find(known, what) != known.end()) continue;
    const std::string near = policy::did_you_mean(what, known);
    return fail("--degrade", printable(what), 0,
                "what may be given up is " + policy::alternatives(known) + (near.empty() ? "" : "; " + near));
  }
  return {};
}

// "NAME=VALUE", each name once.
Result<std::map<std::string, std::string>> variables_of(const std::vector<std::string>& given) {
  std::map<std::string, std::string> out;
  for (const std::string& variable : given) {
    const size_t equals = variable.find('=');
    if (equals == variable.npos || equals == 0) return fail("--var", printable(variable), 0, "write it as NAME=VALUE");
    if (!out.emplace(variable.substr(0, equals), variable.substr(equals + 1)).second)
      return fail("--var", printable(variable), 0, "each variable has one value");
  }
  return out;
}

// "real", "virtual", or "virtual:FD" with the number of a descriptor to read orders from.
Result<void> set_clock(const std::string& given, RunOptions& options) {
  constexpr std::string_view kVirtual = "virtual";
  if (given == "real") return {};
  options.clock = host::ClockKind::given;
  if (given == kVirtual) return {};
  const std::string_view rest = std::string_view(given).substr(std::min(kVirtual.size(), given.size()));
  const bool number = rest.size() >= 2 && rest.size() <= 7 && rest[0] == ':' &&
                      std::ranges::all_of(rest.substr(1), [](char c) { return c >= '0' && c <= '9'; });
  if (!given.starts_with(kVirtual) || !number)
    return fail("--clock", printable(given), 0, "write real, virtual, or virtual:FD with the number of a descriptor");
  options.clock_orders = rest.substr(1);
  return {};
}

int not_run(const Error& error) {
  std::fprintf(stderr, "alos: %s\n", error.text().c_str());
  return host::kNotRun;
}

// With something to do afterwards the run is a child; terminal signals reach it as well, and end this one after it. Its
// code does not tell whether the program ran, which may end with any: the supervisor says so by a pipe.
int run_then_apply(RunOptions options) {
  const host::Terminal terminal;
  auto verdict = sys::pipe();
  if (!verdict) return not_run(verdict.error());
  for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
  const pid_t pid = ::fork();
  if (pid < 0) return not_run(fail_errno("fork", "run").error());
  if (pid == 0) {
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
    verdict->a.reset();
    options.verdict = verdict->b.release();
    std::exit(host::run(std::move(options)));
  }
  verdict->b.reset();
  const auto status = sys::wait_for(pid);
  if (!status) return not_run(status.error());
  const int code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  char word[1 + PATH_MAX];  // written at once, when it is (PIPE_BUF)
  const ssize_t told = ::read(verdict->a.get(), word, sizeof word);
  if (told >= 1 && word[0] == host::kRan) {
    apply_after(options.apply, std::string(word + 1, static_cast<size_t>(told - 1)), terminal);
  } else if (WIFSIGNALED(*status)) {
    terminal.restore();
    std::fputs(
        "alos: the run ended by a crash of its supervisor; nothing is applied ('alos diff' shows what is pending)\n",
        stderr);
  }
  return code;
}

}  // namespace

int run_command(int argc, char** argv) {
  RunOptions options;
  options.times = box::LaunchTimes::from_environment();
  options.times.mark("front.main");
  CLI::App app{"Runs CMD confined to what a policy gives it, and ends with its code.", "alos run"};
  use_house_help(app, "-- CMD [ARG]...");
  app.add_option("--policy", options.policy, "name of a policy, or a file (with a '/')")
      ->type_name("POLICY")
      ->default_str("strict");
  app.add_option("--workspace", options.workspace, "directory that $workspace stands for (default: the current one)")
      ->type_name("DIR");
  std::vector<std::string> variables;
  app.add_option("--var", variables, "value of a variable of the policy; may be given more than once")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  app.add_option("--name", options.name, "what 'alos ps' calls this run")->type_name("NAME");
  app.add_option("--events", options.events, "file or descriptor number for a stream of JSON lines")
      ->type_name("FILE|FD");
  app.add_option("--degrade", options.degrade, "layers or limits to go without, e.g. memory,cpus (see 'alos doctor')")
      ->type_name("WHAT,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_flag("--fresh", options.fresh, "drop pending changes of this workspace instead of continuing them");
  std::string apply = "none";
  app.add_option("--apply", apply, "what to do with the changes at the end")
      ->check(CLI::IsMember({"none", "safe", "ask"}).description(""))
      ->type_name("none|safe|ask")
      ->default_str("none");
  std::string fail_on;
  app.add_option("--fail-on", fail_on, "exit with 1 where CMD ended with 0 although something was denied to it")
      ->check(CLI::IsMember({"deny"}).description(""))
      ->type_name("deny");
  std::string clock = "real";
  app.add_option("--clock", clock,
                 "what primitives' times and 'wall' go by; virtual: stands, and moves on when every process waits in a "
                 "primitive, "
                 "not for a program's own sleep; FD: reads lines as 'advance 6h' from there")
      ->type_name("real|virtual[:FD]")
      ->default_str("real");
  app.add_option("--script", options.script,
                 "JSON file of answers, for tests: to commands that do not run then, and errors of files")
      ->type_name("FILE");
  std::string ask = "deny";
  app.add_option("--ask", ask, "who answers questions")
      ->check(CLI::IsMember({"deny"}).description(""))
      ->type_name("deny")
      ->default_str("deny");
  app.footer(
      "Examples:\n"
      "  alos run --policy coding --workspace ~/src/app -- python3 agent.py\n"
      "  alos run -- /usr/bin/python3 -c 'print(open(\"/etc/shadow\").read())'\n\n"
      "Exit status: that of CMD; 1 with --fail-on deny, if CMD ended with 0 and a primitive was denied;\n"
      "124 ended by a limit; 125 alos failed or was used wrongly, CMD never ran; 126 CMD cannot be\n"
      "executed; 127 CMD is not in the box; 128 and the number of the signal that ended it.");
  // Split here and not by the parser: whatever CMD is given is CMD's own.
  int own = 0;
  while (own < argc && std::string_view(argv[own]) != "--") ++own;
  for (int i = own + 1; i < argc; ++i) options.command.emplace_back(argv[i]);
  try {
    app.parse(own, argv);
    if (options.command.empty() && own < argc) throw CLI::RequiredError("a command after '--'");
    if (options.command.empty()) throw CLI::RequiredError("'-- CMD [ARG...]'");
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    app.exit(e);
    return host::kNotRun;
  }
  std::erase(options.degrade, "");
  if (const auto known = check_degrade(options.degrade); !known) return not_run(known.error());
  if (const auto known = set_clock(clock, options); !known) return not_run(known.error());
  auto values = variables_of(variables);
  if (!values) return not_run(values.error());
  options.variables = std::move(*values);
  options.fail_on_deny = fail_on == "deny";
  options.apply = apply == "safe" ? Apply::safe : apply == "ask" ? Apply::ask : Apply::none;
  return options.apply == Apply::none ? host::run(std::move(options)) : run_then_apply(std::move(options));
}

}  // namespace alos::cli
