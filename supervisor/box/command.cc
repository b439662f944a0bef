#include "supervisor/box/command.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/paths.h"
#include "base/sys.h"
#include "policy/elevation.h"
#include "policy/pattern.h"
#include "policy/planned_box.h"
#include "policy/usage.h"
#include "supervisor/box/view.h"

namespace alos::box {
namespace {

using policy::Pattern;
using policy::Right;

std::unexpected<Error> refuse(const policy::BoxCommand& command, std::string_view what, std::string_view why) {
  return fail(kRefused, command.rule, EACCES, fmt::format("{} (rule '{}', {})", why, command.rule, printable(what)));
}

Result<std::vector<policy::Binding>> files_of(const policy::BoxCommand& command, const std::vector<std::string>& argv) {
  if (argv.empty() || command.program.empty()) return fail("run", command.rule, EINVAL);
  const auto usage = TRY(policy::Usage::parse(command.usage));
  auto bound = usage.match(std::span(argv).subspan(1));
  if (!bound) return fail("run", command.rule, EACCES, bound.error().reason);
  std::erase_if(*bound, [](const policy::Binding& binding) { return !policy::is_path(binding.type); });
  return std::move(*bound);
}

bool box_s_own(std::string_view path, Right right) {
  const auto matches = [&](const char* text) { return Pattern::parse(text)->matches(path); };
  return std::ranges::any_of(policy::kBoxWritable, matches) ||
         (right == Right::read && policy::is_made_for_boxes(path));
}

// What the command has of the host at `path` is another file than the agent's box has there: one that is the box's own,
// or lies in a layer or a copy of which the command was given what is around the workspace.
bool hides(const policy::BoxPlan& plan, const policy::BoxCommand& command, std::string_view path, bool mounted) {
  const bool own = !mounted || policy::is_made_for_boxes(path);
  const bool copied = !plan.workspace.empty() && plan.workspace_mode != policy::WorkspaceMode::direct &&
                      lies_below(path, plan.workspace);
  return std::ranges::any_of(command.mounts, [&](const policy::BoxMount& mount) {
    return lies_below(path, mount.path) && (own || (copied && !lies_below(mount.path, plan.workspace)));
  });
}

Result<void> check_file(const policy::BoxPlan& plan, const policy::PlannedBox& box, const policy::BoxCommand& command,
                        const policy::Binding& binding) {
  const std::string& path = binding.value;
  if (!is_canonical_path(path)) return refuse(command, path, "a file is named by its absolute, canonical path");
  if (const std::string why = policy::not_handed_over(path); !why.empty()) return refuse(command, path, why);
  for (const policy::BoxMount& mount : command.mounts)
    if (mount.path != path && lies_below(mount.path, path))
      return refuse(command, path, "it is a directory above what the rule gives the run");
  const Right right = binding.type == policy::ArgumentType::path_read ? Right::read : Right::write;
  const policy::PlannedBox::Kept kept = box.kept(right, path);
  if (!kept.mounted && lies_below(path, "/tmp")) return refuse(command, path, policy::kOwnTmp);
  if (kept.mask) return refuse(command, path, fmt::format("rule '{}' takes it from the agent", kept.mask->rule));
  if (kept.mounted ? !kept.allowed : !box_s_own(path, right))
    return refuse(command, path, "it is not the agent's own to hand over");
  if (hides(plan, command, path, kept.mounted)) return refuse(command, path, policy::kHidden);
  return {};
}

// The run itself follows links there, to its interpreter and libraries.
bool is_among_programs(const View& agents_own, std::string_view path) {
  const Place* const place = agents_own.place_of(path);
  return place && (place->access & kLandlockExecute) != 0 && !is_written(*place);
}

Pattern pattern_of(const policy::BoxMount& mount) {
  return *Pattern::parse(Pattern::escape(mount.path) + (mount.tree ? "/**" : ""));
}

}  // namespace

Result<void> check_command(const policy::BoxPlan& plan, const policy::BoxCommand& command,
                           const std::vector<std::string>& argv) {
  const policy::PlannedBox box(plan);
  for (const policy::Binding& binding : TRY(files_of(command, argv))) TRY(check_file(plan, box, command, binding));
  return {};
}

Result<std::vector<std::string>> check_command_in(const policy::BoxPlan& plan, const policy::BoxCommand& command,
                                                  const std::vector<std::string>& argv, std::span<const Place> places,
                                                  size_t agents, const UniqueFd& host) {
  View view(plan, places, host);
  const View agents_own(plan, places.first(agents), host);
  const Followed program = TRY(view.follow("/", command.program));
  if (const std::string why = policy::not_elevated(program.path); !program.links.empty() && !why.empty())
    return refuse(command, program.path,
                  fmt::format("its program leads to one that is not run with more rights: {}", why));
  std::vector<std::string> handed;
  for (const policy::Binding& binding : TRY(files_of(command, argv))) {
    handed.push_back(binding.value);
    if (is_among_programs(agents_own, binding.value)) return refuse(command, binding.value, policy::kAmongPrograms);
    const Followed file = TRY(view.follow("/", binding.value));
    if (!file.links.empty()) return refuse(command, binding.value, "a link leads on from it");
    // Where the agent may put a link, too, the run follows none (compose.cc).
    if (file.end != Followed::End::there || agents_own.writable(binding.value)) continue;
    const std::optional<UniqueFd> node = TRY(view.open(binding.value));
    if (node && S_ISDIR(TRY(sys::fstat(node->get())).st_mode))
      return refuse(command, binding.value,
                    "it is a directory of the host, whose links lead to more than is the agent's");
  }
  return handed;
}

policy::BoxPlan plan_of_command(const policy::BoxPlan& plan, const policy::BoxCommand& command) {
  policy::BoxPlan out = plan;
  const auto denied = [&](const policy::BoxMask& mask) {
    return std::ranges::any_of(command.masks, [&](const policy::BoxMask& own) {
      return own.rule == mask.rule && own.pattern == mask.pattern && own.source.text() == mask.source.text();
    });
  };
  for (const policy::BoxMount& mount : command.mounts) {
    const Pattern pattern = pattern_of(mount);
    std::erase_if(out.masks, [&](const policy::BoxMask& mask) {
      return !denied(mask) && pattern.includes(*Pattern::parse(mask.pattern));
    });
    for (policy::BoxMask& mask : out.masks)
      if (!denied(mask) && pattern.overlaps(*Pattern::parse(mask.pattern))) mask.except.push_back(pattern.text());
  }
  out.masks.insert(out.masks.end(), command.masks.begin(), command.masks.end());
  return out;
}

}  // namespace alos::box
