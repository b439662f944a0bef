#include <fmt/format.h>

#include <memory>

#include "base/paths.h"
#include "base/print.h"
#include "base/sys.h"
#include "supervisor/box/seccomp.h"
#include "supervisor/box/spec.h"
#include "supervisor/cli/policy_common.h"

namespace alos::cli {
namespace {

// Nothing that the box writes is on the host before it is applied.
bool writes_come_by_apply(const policy::BoxPlan& plan) {
  for (const policy::BoxMount& mount : plan.mounts) {
    const bool in_workspace = !plan.workspace.empty() && lies_below(mount.path, plan.workspace);
    if (!in_workspace && mount.rights.overlaps(policy::kWrite)) return false;
  }
  return plan.workspace_mode != policy::WorkspaceMode::direct;
}

Result<box::Compiled> compiled_form(const Ready& ready) {
  box::Compiled out;
  for (const policy::SourceFile& source : ready.sources)
    out.sources.push_back(
        {source.path, source.present, source.present ? digest(source.text) : Digest{}, source.project});
  for (const policy::CommandRule& rule : ready.compiled.policy().commands) {
    std::vector<std::string>& way = out.programs[rule.usage.program()] = rule.links;
    way.push_back(rule.program);
  }
  seccomp::FilterOptions options;
  // A box's own network namespace holds loopback and nothing else: there its programs talk to each other.
  options.internet = seccomp::Internet::allowed;
  if (ready.plan.box.memory_deny_write_execute) options.write_execute = seccomp::WriteExecute::refused;
  if (writes_come_by_apply(ready.plan.box)) options.set_group = seccomp::SetGroup::allowed;
  out.filter = TRY(seccomp::export_filter(options));
  out.rename_filter = TRY(seccomp::export_rename_notify_filter());
  out.plan = ready.plan.box;
  out.rules = encode(ready.compiled.policy());
  return out;
}

int compile(const Selection& selection, const std::string& output) {
  const auto ready = prepare(selection);
  if (!ready) return cannot_load(ready.error());
  const auto written = [&]() -> Result<void> {
    return sys::replace_file(output, encode(TRY(compiled_form(*ready))), 0600);
  }();
  if (written) return kYes;
  alos::print_error("alos policy: {}\n", written.error().text());
  return kUnknown;
}

}  // namespace

// What `alos run` calls when its cache has nothing for a policy: writes the form that the launcher takes (box/spec.h),
// whole or not at all.
std::function<int()> add_compile(CLI::App& command) {
  auto selection = std::make_shared<Selection>();
  auto output = std::make_shared<std::string>();
  command.add_option("policy", selection->policy, "a name, or a file (with a '/')")->required();
  command.add_option("--output", *output, "file to write")->type_name("FILE")->required();
  add_values(command, *selection);
  return [selection, output] { return compile(*selection, *output); };
}

}  // namespace alos::cli
