// alos: the slim front. Knows which program does what; `run` it does itself, since a launch is judged in milliseconds.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "base/paths.h"
#include "base/print.h"
#include "policy/problem.h"
#include "supervisor/cli/main.h"
#include "supervisor/cli/run_command.h"

namespace {

struct Verb {
  std::string_view name;
  std::string_view program;  // empty: this one, in main
  bool passed;               // the program is given the verb as well
  std::string_view about;
};

constexpr Verb kVerbs[] = {
    {"run", "", true, "run a program confined to what a policy gives it"},
    {"policy", "alos-policy", false, "check, explain, test, show, list policies"},
    {"diff", "alos-workspace", true, "what runs changed in their layer"},
    {"apply", "alos-workspace", true, "bring changes to the host"},
    {"undo", "alos-workspace", true, "drop changes"},
    {"gc", "alos-workspace", true, "remove layers that nothing needs"},
    {"audit", "alos-audit", false, "show and verify what was recorded"},
    {"ps", "alos-runs", true, "runs in progress"},
    {"logs", "alos-runs", true, "what a run wrote on its terminal"},
    {"kill", "alos-runs", true, "end a run"},
    {"doctor", "alos-doctor", false, "what this machine offers, and what is missing"},
};

int usage(int code) {
  FILE* out = code == 0 ? stdout : stderr;
  fmt::print(out,
             "Usage: alos COMMAND [ARG]...\n\nRuns programs with exactly the authority that a policy gives them.\n\n");
  fmt::print(out,
             "Options:\n  -h, --help                print this and exit\n"
             "      --version             print the version and exit\n\nCommands:\n");
  for (const Verb& verb : kVerbs) fmt::print(out, "  {:<24}  {}\n", verb.name, verb.about);
  fmt::print(out, "\nExamples:\n  alos run --policy coding -- python3 agent.py\n\n'alos COMMAND --help' tells more.\n");
  return code;
}

int front(int argc, char** argv) {
  if (argc < 2) return usage(2);
  const std::string_view word = argv[1];
  if (word == "--help" || word == "-h" || word == "help") return usage(0);
  if (word == "--version") {
    fmt::print("alos {}\n", ALOS_VERSION);
    return 0;
  }
  for (const Verb& verb : kVerbs) {
    if (verb.name != word) continue;
    const auto directory = alos::program_directory();
    if (!directory) {
      alos::print_error("alos: {}\n", directory.error().text());
      return 3;
    }
    const std::string path = *directory + "/" + std::string(verb.program);
    std::vector<char*> words(argv + 1, argv + argc);
    std::string name(verb.program);
    if (verb.passed)
      words.insert(words.begin(), name.data());
    else
      words[0] = name.data();
    words.push_back(nullptr);
    ::execv(path.c_str(), words.data());
    alos::print_error("alos: cannot execute {}: {}; the installation is incomplete\n", path, strerrordesc_np(errno));
    return 3;
  }
  std::vector<std::string> known;
  for (const Verb& verb : kVerbs) known.emplace_back(verb.name);
  const std::string near = alos::policy::did_you_mean(word, known);
  alos::print_error("alos: no command '{}'{}\n'alos --help' lists them.\n", alos::printable(word),
                    near.empty() ? "" : "; " + near);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  // A caller may ignore it, which execve keeps: ends of children, the box's among them, would be told to nobody.
  ::signal(SIGCHLD, SIG_DFL);
  // It refuses closed streams itself, and gives the program's own code.
  if (argc >= 2 && std::string_view(argv[1]) == "run") return alos::cli::run_command(argc - 1, argv + 1);
  return alos::cli::guarded_main("alos", argc, argv, front);
}
