#include <fmt/format.h>

#include <memory>

#include "base/paths.h"
#include "policy/lint.h"
#include "supervisor/cli/policy_common.h"

namespace alos::cli {
namespace {

enum class Scope : uint8_t { all, tests };

struct Options {
  Scope scope;
  std::vector<std::string> policies;
  Selection selection;
  bool json = false;
};

struct Outcome {
  std::string policy;
  bool loads = false;
  size_t tests = 0, rules = 0;
  policy::Problems findings;
  std::vector<std::string> given_up;
};

Outcome examine(const Options& options, const std::string& name) {
  Selection selection = options.selection;
  selection.policy = name;
  Outcome out;
  out.policy = name;
  auto ready = prepare_alone(selection);
  if (!ready) {
    out.findings = std::move(ready.error());
    return out;
  }
  out.loads = true;
  out.tests = ready->compiled.policy().tests.size();
  out.rules = ready->compiled.policy().files.size() + ready->compiled.policy().commands.size();
  out.given_up = ready->plan.box.printed;
  if (options.scope == Scope::all) out.findings = policy::lint(ready->compiled, ready->plan);
  for (policy::Problem& failed : policy::run_tests(ready->compiled, ready->plan))
    out.findings.push_back(std::move(failed));
  policy::sort(out.findings);
  return out;
}

std::string counted(size_t n, const std::string& what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

void print(const Outcome& outcome, const Options& options) {
  fmt::print("{}", policy::render(outcome.findings));
  for (const std::string& line : outcome.given_up) fmt::print("note: {}\n", line);
  const bool good = outcome.findings.empty();
  std::string verdict = paint(good ? Colour::green : Colour::red, good ? "ok" : "failed");
  if (!outcome.loads)
    fmt::print("{}  {}: does not load, {}\n", verdict, printable(outcome.policy),
               counted(outcome.findings.size(), "problem"));
  else
    fmt::print("{}  {}: {}, {}, {}\n", verdict, printable(outcome.policy), counted(outcome.rules, "rule"),
               counted(outcome.tests, "test"),
               counted(outcome.findings.size(), options.scope == Scope::all ? "finding" : "failure"));
}

nlohmann::json to_json(const Outcome& outcome) {
  nlohmann::json findings = nlohmann::json::array();
  for (const policy::Problem& problem : outcome.findings) findings.push_back(cli::to_json(problem));
  return {{"policy", outcome.policy}, {"loads", outcome.loads},       {"rules", outcome.rules},
          {"tests", outcome.tests},   {"given_up", outcome.given_up}, {"findings", std::move(findings)}};
}

int run(const Options& options) {
  nlohmann::json all = nlohmann::json::array();
  bool found = false, unloadable = false;
  for (const std::string& name : options.policies) {
    const Outcome outcome = examine(options, name);
    found |= !outcome.findings.empty();
    unloadable |= !outcome.loads;
    if (options.json)
      all.push_back(to_json(outcome));
    else
      print(outcome, options);
  }
  if (options.json) print_json({{"policies", std::move(all)}});
  // check finds what keeps a policy from loading; test cannot tell what it would decide.
  if (unloadable && options.scope == Scope::tests) return kUnknown;
  return found ? kNo : kYes;
}

std::function<int()> add(CLI::App& command, Scope scope) {
  auto options = std::make_shared<Options>(Options{scope, {}, {}, false});
  command.add_option("POLICY", options->policies, "names of installed policies, or files (with a '/')")->required();
  add_values(command, options->selection, "what the policy's tests say");
  command.add_flag("--json", options->json, "print JSON");
  return [options] { return run(*options); };
}

}  // namespace

std::function<int()> add_check(CLI::App& command) {
  return add(command, Scope::all);
}
std::function<int()> add_test(CLI::App& command) {
  return add(command, Scope::tests);
}

}  // namespace alos::cli
