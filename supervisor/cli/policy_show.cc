#include <fmt/format.h>

#include <memory>

#include "base/paths.h"
#include "policy/units.h"
#include "supervisor/cli/policy_common.h"

namespace alos::cli {
namespace {

enum class Form : uint8_t { written, effective };

struct Options {
  Selection selection;
  Form form = Form::written;
  bool json = false;
};

// One line of the result, with where it was written.
struct Line {
  std::string section, name, value;
  policy::Source source;
};

std::string in_units(const std::string& limit, uint64_t value) {
  if (limit == "memory" || limit == "disk") {
    for (const auto& [shift, unit] : {std::pair(40, "TiB"), {30, "GiB"}, {20, "MiB"}})
      if (value % (1ULL << shift) == 0) return fmt::format("{}{}", value >> shift, unit);
    return fmt::format("{}KiB", value >> 10);
  }
  if (limit == "disk-by") return value == policy::kDiskByImage ? "image" : "watched";
  if (limit == "cpus")
    return value % 1000 == 0 ? fmt::format("{}", value / 1000) : fmt::format("{}", static_cast<double>(value) / 1000);
  if (limit == "cpu-time" || limit == "wall") return policy::duration_text(value);
  return std::to_string(value);
}

std::string described(const policy::PathPattern& path) {
  const std::string pattern = printable_text(path.pattern.text());
  return path.written == path.pattern.text() ? pattern : fmt::format("{}  = {}", printable_text(path.written), pattern);
}

std::vector<Line> lines(const policy::Policy& policy) {
  std::vector<Line> out;
  const auto from = [&](const std::string& key) {
    const auto found = policy.sources.find(key);
    return found == policy.sources.end() ? policy::Source{"built in", 0, 0} : found->second;
  };
  for (const auto& [name, variable] : policy.variables) out.push_back({"vars", name, variable.value, {"given", 0, 0}});
  for (const policy::FileRule& rule : policy.files) {
    const std::string what =
        fmt::format("{} {}{}", name(rule.effect), rule.rights.text(), rule.brokered ? ", audit each" : "");
    for (const policy::PathPattern& path : rule.paths)
      out.push_back({"files", rule.name, fmt::format("{:<10}  {}", what, described(path)), path.source});
    for (const policy::PathPattern& except : rule.except)
      out.push_back({"files", rule.name, fmt::format("{:<10}  {}", "  except", described(except)), except.source});
  }
  if (policy.no_commands) out.push_back({"commands", "", "none", from("commands")});
  for (const policy::CommandRule& rule : policy.commands) {
    out.push_back({"commands", rule.name,
                   fmt::format("{:<10}  {}", name(rule.effect), printable_text(rule.usage.text())), rule.source});
    for (const auto& [letter, paths] : {std::pair("r", &rule.read), {"rw", &rule.write}})
      for (const policy::PathPattern& path : *paths)
        out.push_back({"commands", rule.name,
                       fmt::format("{:<10}  {}", fmt::format("  with {}", letter), described(path)), path.source});
  }
  for (const auto& [name, value] : {std::pair("each", policy.clock.each_ms), {"total", policy.clock.total_ms}})
    if (value)
      out.push_back({"clock", fmt::format("sleep {}", name), policy::duration_text(*value),
                     from(fmt::format("clock.sleep.{}", name))});
  if (policy.workspace_mode != policy::WorkspaceMode::none)
    out.push_back({"workspace", "", std::string(name(policy.workspace_mode)), from("workspace")});
  if (!policy.project.empty()) out.push_back({"project", "", policy.project, from("project")});
  out.push_back({"home", "", policy.keep_home ? "keep " + *policy.keep_home : "fresh", from("home")});
  out.push_back({"mdwe", "", policy.mdwe ? "on" : "off", from("mdwe")});
  for (const policy::LimitField& field : policy::limit_fields())
    if (const auto value = policy.limits.*field.value)
      out.push_back({"limits", field.name, in_units(field.name, *value), from(fmt::format("limits.{}", field.name))});
  for (const std::string& name : policy.env_pass) out.push_back({"env", name, "passed", from("env.pass")});
  for (const auto& [name, value] : policy.env_set)
    out.push_back({"env", name, fmt::format("\"{}\"", printable(value)), from("env.set." + name)});
  for (const std::string& layer : policy.degrade) out.push_back({"degrade", layer, "may be missing", from("degrade")});
  return out;
}

void print_table(const std::vector<Line>& all) {
  size_t names = 0, values = 0;
  for (const Line& line : all) {
    names = std::max(names, line.name.size());
    if (line.value.size() <= 90) values = std::max(values, line.value.size());
  }
  std::string section;
  for (const Line& line : all) {
    const bool first = std::exchange(section, line.section) != line.section;
    fmt::print("{:<10}  {:<{}}  {:<{}}  {}\n", first ? line.section : "", line.name, names, line.value, values,
               paint(Colour::dim, line.source.text()));
  }
}

int written(const Ready& ready, const Options& options) {
  for (const policy::SourceFile& file : ready.sources) {
    if (!file.present) continue;
    if (options.json)
      print_json({{"path", file.path}, {"hash", file.digest}, {"text", file.text}});
    else
      fmt::print("{}\n{}", paint(Colour::dim, fmt::format("# {}  {}", file.path, file.digest)), file.text);
    return kYes;  // the first is the one asked for; what it extends comes after
  }
  return kUnknown;
}

int run(const Options& options) {
  const auto ready = prepare(options.selection);
  if (!ready) return cannot_load(ready.error());
  if (options.form == Form::written) return written(*ready, options);
  const policy::Policy& policy = ready->compiled.policy();
  const std::vector<Line> all = lines(policy);
  if (options.json) {
    nlohmann::json out = nlohmann::json::array();
    for (const Line& line : all)
      out.push_back(
          {{"section", line.section}, {"name", line.name}, {"value", line.value}, {"at", to_json(line.source)}});
    print_json({{"policy", policy.name}, {"about", policy.about}, {"hash", policy.hash}, {"lines", std::move(out)}});
    return kYes;
  }
  fmt::print("{}: {}\n{}\n\n", policy.name, printable_text(policy.about), paint(Colour::dim, "hash " + policy.hash));
  print_table(all);
  for (const std::string& line : ready->plan.box.printed) fmt::print("note: {}\n", line);
  return kYes;
}

}  // namespace

std::function<int()> add_show(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("POLICY", options->selection.policy, "name of an installed policy, or a file (with a '/')")
      ->required();
  add_values(command, options->selection);
  command.add_flag_callback(
      "--effective", [options] { options->form = Form::effective; },
      "with everything it extends, each line with its source");
  command.add_flag("--json", options->json, "print JSON");
  return [options] { return run(*options); };
}

}  // namespace alos::cli
