#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/digest.h"
#include "base/paths.h"
#include "base/print.h"
#include "supervisor/cli/policy_common.h"

namespace alos::cli {
namespace {

struct Installed {
  std::string name, path, hash, about;
};

// The hash is that of the file alone, as `b2sum -l 256` prints it: what a policy amounts to has values that are given
// at start, and a hash of its own (`show --effective`).
Installed describe(const std::string& name, const std::string& path) {
  Installed out{name, path, "", ""};
  const auto text = read_policy(path);
  if (!text) return out.about = "(cannot be read: " + text.error().text() + ")", out;
  out.hash = hex(digest(*text));
  const auto ready = prepare_alone({.policy = name, .workspace = {}, .variables = {}});
  out.about = ready ? ready->compiled.policy().about : "(does not load: alos policy check " + name + ")";
  return out;
}

std::vector<Installed> installed() {
  std::vector<Installed> out;
  for (const auto& [name, path] : installed_policies()) out.push_back(describe(name, path));
  return out;
}

int run(bool json) {
  const std::vector<Installed> all = installed();
  nlohmann::json out = nlohmann::json::array();
  size_t names = 0, paths = 0;
  for (const Installed& each : all) {
    names = std::max(names, each.name.size());
    paths = std::max(paths, each.path.size());
    out.push_back({{"name", each.name}, {"path", each.path}, {"hash", each.hash}, {"about", each.about}});
  }
  if (json) {
    print_json({{"policies", std::move(out)}});
    return kYes;
  }
  for (const Installed& each : all)
    fmt::print("{:<{}}  {:<{}}  {}  {}\n", printable(each.name), names, printable(each.path), paths,
               each.hash.substr(0, 16), printable_text(each.about));
  if (all.empty()) alos::print_error("no policies in {}\n", policy::alternatives(policy_directories()));
  return kYes;
}

}  // namespace

std::function<int()> add_list(CLI::App& command) {
  auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "print JSON");
  return [json] { return run(*json); };
}

}  // namespace alos::cli
