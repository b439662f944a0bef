#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/load.h"
#include "policy/plan.h"

namespace alos::cli {

// Exit codes of every command: yes or nothing found, no or something found, used wrongly, cannot tell.
enum Exit : int { kYes = 0, kNo = 1, kUsage = 2, kUnknown = 3 };

// A verb of `alos policy`: adds its options to `command` and gives what runs once they are parsed.
struct Verb {
  const char* name;
  const char* summary;
  const char* example;
  std::function<int()> (*add)(CLI::App& command);
};
std::function<int()> add_check(CLI::App& command);
std::function<int()> add_compile(CLI::App& command);
std::function<int()> add_explain(CLI::App& command);
std::function<int()> add_list(CLI::App& command);
std::function<int()> add_show(CLI::App& command);
std::function<int()> add_test(CLI::App& command);

// What says which policy is meant, and with which values: the same options for every verb.
struct Selection {
  std::string policy;
  std::string workspace;
  std::vector<std::string> variables;  // NAME=VALUE
};
// `otherwise` says what $workspace stands for when it is not given.
void add_values(CLI::App& command, Selection& selection, const std::string& otherwise = "the current one");

struct Ready {
  policy::CompiledPolicy compiled;
  policy::Plan plan;
  std::vector<policy::SourceFile> sources;
};
// Loads, compiles and plans. The workspace is the current directory where the policy declares one and none is given.
policy::Checked<Ready> prepare(const Selection& selection);
// The same for a policy judged alone: the values of its own tests stand in for those not given.
policy::Checked<Ready> prepare_alone(const Selection& selection);

// Reads regular files only, at most what a policy may have.
Result<std::string> read_policy(const std::string& path);
// Where names are looked up.
std::vector<std::string> policy_directories();
struct PolicyPath {
  std::string name, path;
};
std::vector<PolicyPath> installed_policies();               // all that lie there, by name
Result<std::string> read_project(const std::string& path);  // as LoadOptions::project_reader asks

// On stderr; gives kUnknown.
int cannot_load(const policy::Problems& problems);
nlohmann::json to_json(const policy::Source& source);
nlohmann::json to_json(const policy::Problem& problem);
void print_json(const nlohmann::json& value);

enum class Colour : uint8_t { green, red, dim };
// `text` in a colour where standard output is a terminal and NO_COLOR is not set.
std::string paint(Colour colour, const std::string& text);

}  // namespace alos::cli
