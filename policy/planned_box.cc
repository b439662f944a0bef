#include "policy/planned_box.h"

#include <algorithm>

#include "base/paths.h"

namespace alos::policy {
namespace {

// Of a plan, so one that was parsed before.
Pattern parsed(const std::string& text) {
  return std::move(*Pattern::parse(text));
}

size_t components(const std::string& path) {
  return path == "/" ? 0 : static_cast<size_t>(std::ranges::count(path, '/'));
}

}  // namespace

PlannedBox::PlannedBox(const BoxPlan& plan) {
  for (const BoxMount& mount : plan.mounts) {
    Mount out{components(mount.path), mount.rights, mount.path, mount.path, {}, mount.glob, mount.tree};
    if (mount.glob) {
      out.pattern = parsed(mount.path + (mount.tree ? "/**" : ""));
      out.prefix = out.pattern.literal_prefix();
    }
    globs_ = globs_ || mount.glob;
    mounts_.push_back(std::move(out));
  }
  for (const BoxMask& mask : plan.masks) {
    masks_.push_back({&mask, parsed(mask.pattern), {}});
    for (const std::string& except : mask.except) masks_.back().except.push_back(parsed(except));
  }
}

bool PlannedBox::Mount::shows(std::string_view at) const {
  return glob ? pattern.matches(at) : tree ? lies_below(at, path) : at == path;
}

bool PlannedBox::mounted(std::string_view path) const {
  return std::ranges::any_of(mounts_, [&](const Mount& mount) { return mount.shows(path); });
}

// A directory that an exception spares something in is not covered as one, but piece by piece.
const BoxMask* PlannedBox::mask_on(Right right, std::string_view path, bool directory) const {
  for (const Mask& each : masks_) {
    const auto spares = [&](const Pattern& except) {
      return except.matches(path) || (directory && except.may_match_below(path));
    };
    if (each.mask->denied.has(right) && each.pattern.matches(path) && std::ranges::none_of(each.except, spares))
      return each.mask;
  }
  return nullptr;
}

PlannedBox::Kept PlannedBox::kept(Right right, std::string_view path) const {
  Kept out;
  size_t depth = 0;
  Rights rights;
  for (const Mount& mount : mounts_) {
    if (!mount.shows(path) || mount.depth < depth) continue;
    rights = mount.depth > depth ? mount.rights : rights | mount.rights;
    depth = mount.depth;
    out.mounted = true;
  }
  if (!out.mounted) return out;
  for (std::string_view at = path; out.mask == nullptr && at.size() > 1 && mounted(at);) {
    out.mask = mask_on(right, at, right == Right::list || at.size() < path.size());
    if (out.mask) out.covered = at;
    at.remove_suffix(at.size() - std::max<size_t>(1, at.rfind('/')));
  }
  out.allowed = rights.has(right) && !out.mask;
  return out;
}

bool PlannedBox::leads_on(std::string_view path) const {
  return !mounted(path) &&
         std::ranges::any_of(mounts_, [&](const Mount& mount) { return lies_below(mount.prefix, path); });
}

}  // namespace alos::policy
