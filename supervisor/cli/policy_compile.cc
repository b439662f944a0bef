#include "supervisor/cli/policy_compile.h"

#include <fmt/format.h>

#include "base/sys.h"
#include "policy/plan.h"
#include "supervisor/box/seccomp.h"
#include "supervisor/box/spec.h"

namespace alos::cli {
namespace {

Result<box::Compiled> compiled_form(policy::BoxPlan plan, const std::vector<policy::SourceFile>& sources) {
  box::Compiled out;
  for (const policy::SourceFile& source : sources)
    out.sources.push_back({source.path, source.present, source.present ? digest(source.text) : Digest{}});
  seccomp::FilterOptions options;
  // The box's own network namespace holds loopback and nothing else: programs talk to themselves there.
  options.internet = seccomp::Internet::allowed;
  if (plan.memory_deny_write_execute) options.write_execute = seccomp::WriteExecute::refused;
  out.filter = TRY(seccomp::export_filter(options));
  out.rename_filter = TRY(seccomp::export_rename_notify_filter());
  out.plan = std::move(plan);
  return out;
}

}  // namespace

int write_compiled(const policy::Loaded& loaded, const std::string& output) {
  auto plan = policy::plan_box(policy::compile(loaded.policy));
  if (!plan) {
    fmt::print(stderr, "{}", policy::render(std::move(plan).error()));
    return 1;
  }
  const auto written = [&]() -> Result<void> {
    return sys::replace_file(output, encode(TRY(compiled_form(std::move(*plan), loaded.sources))), 0600);
  }();
  if (!written) fmt::print(stderr, "alos: {}\n", written.error().text());
  return written ? 0 : 1;
}

}  // namespace alos::cli
