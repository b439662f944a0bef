#include "supervisor/box/cover_set.h"

#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>

namespace alos::box {
namespace {

constexpr size_t kMost = 10'000;
constexpr size_t kMostBytes = 16 << 20;

bool has(uint64_t attributes, uint64_t all) {
  return (attributes & all) == all;
}

std::unexpected<Error> too_many(const std::string& path, std::string_view what) {
  return fail(
      "mask", shortened(path), E2BIG,
      fmt::format("more than {} match the policy's denies; where an earlier run made them, `alos diff` shows them "
                  "and `alos undo` drops them; else narrow the denies",
                  what));
}

// A pin is held by any other cover of its path.
void join(Cover& known, const Cover& other) {
  if (known.kind == Cover::Kind::hide && other.kind == Cover::Kind::hide) {
    known.of_a_deny = known.of_a_deny || other.of_a_deny;
  } else if (other.kind == Cover::Kind::hide || known.kind == Cover::Kind::pin) {
    known = other;
  } else if (known.kind == Cover::Kind::restrict && other.kind == Cover::Kind::restrict) {
    known.attributes |= other.attributes;
  }
}

}  // namespace

void TopPaths::insert(std::string_view path) {
  if (path == "/" || has_above(path)) return;
  const std::string key = std::string(path) + '/';
  const auto below = paths_.lower_bound(key);
  const auto end = std::find_if_not(below, paths_.end(), [&](const std::string& at) { return at.starts_with(key); });
  paths_.insert(paths_.erase(below, end), key);
}

bool TopPaths::has_above(std::string_view path) const {
  const auto after = paths_.upper_bound(path);
  return after != paths_.begin() && path.starts_with(*std::prev(after));
}

Result<void> CoverSet::add(Cover cover) {
  if (cover.kind == Cover::Kind::restrict && restricted_above(cover.target, cover.attributes)) return {};
  const std::string path = std::move(cover.target);
  cover.target.clear();
  auto at = covers_.find(path);
  if (at != covers_.end()) {
    join(at->second, cover);
  } else {
    if (covers_.size() >= kMost) return too_many(path, "10000 paths");
    if (bytes_ + path.size() > kMostBytes) return too_many(path, "16 MiB of names");
    bytes_ += path.size();
    at = covers_.emplace(path, std::move(cover)).first;
  }
  const Cover& now = at->second;
  if (now.kind == Cover::Kind::hide) hidden_.insert(path);
  if (now.kind != Cover::Kind::restrict || !has(now.attributes, MOUNT_ATTR_RDONLY)) return {};
  read_only_.insert(path);
  if (has(now.attributes, MOUNT_ATTR_NOEXEC)) not_written_or_run_.insert(path);
  return {};
}

const Cover* CoverSet::find(std::string_view path) const {
  const auto at = covers_.find(path);
  return at == covers_.end() ? nullptr : &at->second;
}

bool CoverSet::is_hidden(std::string_view path) const {
  const Cover* known = find(path);
  return known && known->kind == Cover::Kind::hide;
}

bool CoverSet::restricted_above(std::string_view path, uint64_t attributes) const {
  return (has(attributes, MOUNT_ATTR_NOEXEC) ? not_written_or_run_ : read_only_).has_above(path);
}

Result<std::vector<Cover>> CoverSet::take(const Between& between) {
  std::vector<Cover> out;
  while (!covers_.empty()) {
    TRY(look(between));
    auto first = covers_.extract(covers_.begin());
    if (lies_in_hidden(first.key())) continue;
    out.push_back(std::move(first.mapped()));
    out.back().target = std::move(first.key());
  }
  return out;
}

}  // namespace alos::box
