#include "supervisor/cli/policy_common.h"

#include <fmt/format.h>
#include <linux/openat2.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/follow_links.h"
#include "base/paths.h"
#include "base/print.h"
#include "base/sys.h"
#include "policy/document.h"
#include "policy/project.h"

namespace alos::cli {
namespace {

using policy::Checked;
using policy::Problem;
using policy::Problems;

std::unexpected<Problems> refuse(const Selection& selection, std::string text, std::string expected) {
  return std::unexpected(Problems{{{selection.policy, 0, 0}, std::move(text), std::move(expected), ""}});
}

Checked<std::string> real_directory(const Selection& selection, const std::string& path) {
  std::error_code error;
  std::string real = std::filesystem::canonical(path, error).string();
  if (error)
    return refuse(selection, "--workspace " + printable(path) + ": " + error.message(), "a directory that exists");
  if (!std::filesystem::is_directory(real, error))
    return refuse(selection, "--workspace " + printable(path) + " is not a directory", "a directory");
  return real;
}

std::vector<std::string> policy_names() {
  std::vector<std::string> out;
  for (PolicyPath& policy : installed_policies()) out.push_back(std::move(policy.name));
  return out;
}

Checked<policy::LoadOptions> options(const Selection& selection, policy::Missing missing) {
  policy::LoadOptions out{policy_directories(), {}, missing, read_project, way_of, policy_names};
  for (const std::string& given : selection.variables) {
    const size_t equals = given.find('=');
    if (equals == given.npos || equals == 0) return refuse(selection, "--var " + printable(given), "--var NAME=VALUE");
    if (!out.variables.emplace(given.substr(0, equals), given.substr(equals + 1)).second)
      return refuse(selection, "--var " + printable(given.substr(0, equals)) + " twice", "each variable once");
  }
  if (!selection.workspace.empty()) {
    auto directory = real_directory(selection, selection.workspace);
    if (!directory) return std::unexpected(directory.error());
    if (!out.variables.emplace("workspace", *directory).second)
      return refuse(selection, "--workspace and --var workspace=... together", "one of them");
  }
  return out;
}

// A policy that takes a workspace gets the current directory, as `alos run` does.
Checked<void> default_workspace(const Selection& selection, policy::LoadOptions& options) {
  if (options.variables.contains("workspace")) return {};
  const auto declared = policy::declared_variables(selection.policy, options, read_policy);
  if (!declared) return std::unexpected(declared.error());
  const auto found = declared->find("workspace");
  if (found == declared->end() || found->second != policy::VariableType::dir) return {};
  auto directory = real_directory(selection, ".");
  if (!directory) return std::unexpected(directory.error());
  options.variables.emplace("workspace", *directory);
  return {};
}

Checked<Ready> load_and_plan(const Selection& selection, const policy::LoadOptions& options) {
  auto loaded = policy::load(selection.policy, options, read_policy);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  Ready out{policy::compile(std::move(loaded->policy)), {}, std::move(loaded->sources)};
  auto plan = policy::plan(out.compiled);
  if (!plan) return std::unexpected(std::move(plan.error()));
  out.plan = std::move(*plan);
  return out;
}

}  // namespace

void add_values(CLI::App& command, Selection& selection, const std::string& otherwise) {
  command
      .add_option("--workspace", selection.workspace,
                  "directory that $workspace stands for (default: " + otherwise + ")")
      ->type_name("DIR");
  command.add_option("--var", selection.variables, "value of a variable of the policy")
      ->type_name("NAME=VALUE")
      ->take_all()
      ->allow_extra_args(false);
}

Checked<Ready> prepare(const Selection& selection) {
  auto values = options(selection, policy::Missing::refuse);
  if (!values) return std::unexpected(std::move(values.error()));
  if (auto workspace = default_workspace(selection, *values); !workspace)
    return std::unexpected(std::move(workspace.error()));
  return load_and_plan(selection, *values);
}

Checked<Ready> prepare_alone(const Selection& selection) {
  auto values = options(selection, policy::Missing::from_tests);
  if (!values) return std::unexpected(std::move(values.error()));
  return load_and_plan(selection, *values);
}

Result<std::string> read_policy(const std::string& path) {
  auto text = sys::read_regular(path, policy::kMaxDocumentBytes);
  if (!text && text.error().code == EINVAL) text.error().hint = "a policy is a regular file";
  return text;
}

Result<std::string> read_project(const std::string& path) {
  return sys::read_regular(path, policy::kMaxProjectBytes, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

std::vector<std::string> policy_directories() {
  std::vector<std::string> out;
  if (auto shipped = profile_directory()) out.push_back(std::move(*shipped));
  out.emplace_back("/etc/alos/policies");
  return out;
}

std::vector<PolicyPath> installed_policies() {
  std::vector<PolicyPath> out;
  for (const std::string& directory : policy_directories()) {
    std::error_code error;  // a directory that is not there holds no policies
    for (const auto& entry : std::filesystem::directory_iterator(directory, error))
      if (entry.path().extension() == ".yaml") out.push_back({entry.path().stem(), entry.path()});
  }
  std::ranges::sort(out, {}, &PolicyPath::name);
  return out;
}

int cannot_load(const Problems& problems) {
  alos::print_error("{}", policy::render(problems));
  return kUnknown;
}

nlohmann::json to_json(const policy::Source& source) {
  return {{"file", source.file}, {"line", source.line}, {"column", source.column}};
}

nlohmann::json to_json(const Problem& problem) {
  return {{"at", to_json(problem.at)}, {"text", problem.text}, {"expected", problem.expected}, {"fix", problem.fix}};
}

void print_json(const nlohmann::json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string paint(Colour colour, const std::string& text) {
  static const bool wanted = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  if (!wanted) return text;
  const char* code = colour == Colour::green ? "32" : colour == Colour::red ? "31" : "2";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

}  // namespace alos::cli
