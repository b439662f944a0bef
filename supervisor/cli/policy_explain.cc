#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include <memory>

#include "base/print.h"
#include "policy/explain.h"
#include "supervisor/cli/policy_common.h"

namespace alos::cli {
namespace {

struct Options {
  Selection selection{.policy = "strict", .workspace = {}, .variables = {}};  // as of `alos run`
  std::vector<std::string> words;
  std::string reached;
  bool json = false;
};

// As typed: what is no absolute path is meant from the current directory.
Result<std::string> absolute(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  char here[PATH_MAX];
  if (!::getcwd(here, sizeof here)) return fail_errno("getcwd", ".");
  return std::string(here) + "/" + path;
}

Result<policy::Request> request(const Options& options, const policy::Variables& variables) {
  // One word may be the whole line, as in a denial that is repeated here.
  const bool split = options.words.size() > 1 && options.words[0] == "shell.run";
  std::string line;
  for (const std::string& word : options.words)
    line += (line.empty() ? "" : " ") + (split && !line.empty() ? policy::quote_word(word) : word);
  line = TRY(policy::expand_request(line, variables));
  const size_t object = line.find(' ') + 1;
  if (line.starts_with("fs.") && object != 0) line = line.substr(0, object) + TRY(absolute(line.substr(object)));
  policy::Request asked = TRY(policy::Request::parse(line));
  if (options.reached.empty() || asked.kind() != policy::Request::Kind::file) return asked;
  return policy::Request::file(asked.right(), asked.asked(),
                               TRY(absolute(TRY(policy::expand_text(options.reached, variables)))));
}

nlohmann::json to_json(const policy::Explanation& explanation) {
  nlohmann::json matches = nlohmann::json::array();
  for (const policy::Match& match : explanation.matches)
    matches.push_back({{"rule", match.rule_name()},
                       {"effect", name(match.effect())},
                       {match.rule ? "rights" : "usage", match.what()},
                       {"layer", name(match.layer)},
                       {"at", cli::to_json(match.source())},
                       {"asked", match.asked},
                       {"reached", match.reached}});
  const policy::Decision& decision = explanation.decision;
  return {{"request", explanation.request},        {"effect", name(decision.effect)},  {"rule", decision.rule_name()},
          {"at", cli::to_json(decision.source())}, {"layer", name(decision.layer)},    {"reason", decision.reason()},
          {"matches", std::move(matches)},         {"enforced", explanation.enforced}, {"change", explanation.change}};
}

int run(const Options& options) {
  const auto ready = prepare(options.selection);
  if (!ready) return cannot_load(ready.error());
  const auto asked = request(options, ready->compiled.policy().variables);
  if (!asked) {
    alos::print_error("alos policy explain: {}\n", asked.error().text());
    return kUsage;
  }
  const auto explanation = policy::explain(ready->compiled, ready->plan, ready->sources, *asked);
  const bool allowed = explanation.decision.effect == policy::Effect::allow;
  if (options.json) {
    print_json(to_json(explanation));
  } else {
    const std::string text = explanation.text();
    const size_t verdict = text.find(' ');
    fmt::print("{}{}", paint(allowed ? Colour::green : Colour::red, text.substr(0, verdict)), text.substr(verdict));
  }
  return allowed ? kYes : kNo;
}

}  // namespace

std::function<int()> add_explain(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("--policy", options->selection.policy, "name of an installed policy, or a file (with a '/')")
      ->type_name("POLICY")
      ->capture_default_str();
  add_values(command, options->selection);
  command.add_option("--reached", options->reached, "the file that the name leads to, where that is another one")
      ->type_name("PATH");
  command.add_flag("--json", options->json, "print JSON");
  command
      .add_option("REQUEST", options->words,
                  "what is asked: fs.read PATH, fs.write PATH, net.connect HOST:PORT, "
                  "shell.run PROGRAM ARGUMENT ..., clock.sleep DURATION ...")
      ->required();
  return [options] { return run(*options); };
}

}  // namespace alos::cli
