// alos policy: tools for people who write and review policies. Run by the front `alos`.
#include <fmt/format.h>

#include "supervisor/cli/help.h"
#include "supervisor/cli/main.h"
#include "supervisor/cli/policy_common.h"

namespace {

using alos::cli::Verb;

constexpr Verb kVerbs[] = {
    {"check", "find what is wrong or questionable in policies, and run their tests",
     "alos policy check coding ./acme.yaml", alos::cli::add_check},
    {"explain", "say how a request is decided, by which rule, and who enforces it",
     "alos policy explain --policy coding fs.read .env", alos::cli::add_explain},
    {"test", "run the tests that policies carry", "alos policy test ./acme.yaml", alos::cli::add_test},
    {"show", "print a policy, or all that it amounts to", "alos policy show --effective coding", alos::cli::add_show},
    {"list", "list the policies that are installed", "alos policy list", alos::cli::add_list},
    {"compile", "write the form that a launch takes; 'alos run' does it by itself",
     "alos policy compile --output /tmp/strict.box strict", alos::cli::add_compile},
};

int run(int argc, char** argv) {
  CLI::App app("Policies say what an agent may touch. These tools check, explain, test and show them.", "alos policy");
  alos::cli::use_house_help(app);
  app.footer(
      "Examples:\n  alos policy explain --policy coding fs.read .env\n\n"
      "Exit status: 0 yes or nothing found, 1 no or something found, 2 used wrongly, 3 cannot tell.");
  app.require_subcommand(1);
  std::function<int()> chosen;
  for (const Verb& verb : kVerbs) {
    CLI::App* command = app.add_subcommand(verb.name, verb.summary);
    command->footer(fmt::format("Examples:\n  {}", verb.example));
    command->callback([&chosen, action = verb.add(*command)] { chosen = action; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? alos::cli::kYes : alos::cli::kUsage;
  }
  return chosen();
}

}  // namespace

int main(int argc, char** argv) {
  return alos::cli::guarded_main("alos policy", argc, argv, run);
}
