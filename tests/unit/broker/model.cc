#include "tests/unit/broker/model.h"

#include <fmt/format.h>

#include <climits>
#include <deque>

namespace alos::broker::test {
namespace {

using Kind = Model::Node::Kind;
using policy::Right;
using policy::Rights;

constexpr mode_t kRead = 0400, kWrite = 0200, kSearch = 0100;  // the agent owns all of it

std::deque<std::string> components(const std::string& path) {
  std::deque<std::string> out;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool is_secret(const std::string& path) {
  return path == "/w/secret" || path.starts_with("/w/secret/") || (path.starts_with("/w/") && path.ends_with("/.env"));
}

bool lies_in(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top + "/");
}

wire::FileType type_of(Kind kind) {
  switch (kind) {
    case Kind::file:
      return wire::REGULAR;
    case Kind::directory:
      return wire::DIRECTORY;
    case Kind::link:
      return wire::LINK;
    default:
      return wire::FIFO;
  }
}

Rights rights_of(wire::WriteMode mode) {
  if (mode == wire::CREATE) return Right::create;
  if (mode == wire::REPLACE) return Right::write;
  return Rights(Right::write) | Right::create;
}

Right absent_of(wire::WriteMode mode) {
  return mode == wire::REPLACE ? Right::write : Right::create;
}

bool holds(const Model::Ref& directory, const Model::Ref& node) {
  for (const auto& [name, child] : directory->names)
    if (child == node || (child->kind == Kind::directory && holds(child, node))) return true;
  return false;
}

void each(const std::string& path, const Model::Ref& node, const auto& what) {
  for (const auto& [name, child] : node->names) {
    what(path + "/" + name, child);
    if (child->kind == Kind::directory) each(path + "/" + name, child, what);
  }
}

}  // namespace

Model::Ref make_node(Kind kind, mode_t mode, std::string content) {
  auto out = std::make_shared<Model::Node>();
  out->kind = kind;
  out->mode = mode;
  out->content = std::move(content);
  return out;
}

Model::Model() : root_(make_node(Kind::directory, 0755)) {}

Model::Ref Model::at(const std::string& path) const {
  Ref out = root_;
  for (const std::string& name : components(path)) {
    if (name.empty()) continue;
    const auto found = out->names.find(name);
    if (found == out->names.end()) return nullptr;
    out = found->second;
  }
  return out;
}

void Model::put(const std::string& path, Ref node) {
  at(path.substr(0, path.rfind('/')))->names[path.substr(path.rfind('/') + 1)] = std::move(node);
}

void Model::remove(const std::string& path) {
  const Ref node = at(path);
  // Other names of what goes with it are told apart by their number of links.
  each("", node, [](const std::string&, const Ref& below) { --below->links, ++below->changes; });
  --node->links, ++node->changes;
  at(path.substr(0, path.rfind('/')))->names.erase(path.substr(path.rfind('/') + 1));
}

std::vector<std::string> Model::paths() const {
  std::vector<std::string> out;
  each("", root_, [&](const std::string& path, const Ref&) { out.push_back(path); });
  return out;
}

std::string Model::text() const {
  std::string out;
  each("", root_, [&](const std::string& path, const Ref& node) {
    out += fmt::format("{} {} {:o} {} {}\n", path, static_cast<int>(type_of(node->kind)), node->mode,
                       node->kind == Kind::directory ? 0 : node->links, node->content);
  });
  return out;
}

// ---- where a path leads ----

std::string Model::words_of(const std::string& path) {
  std::vector<std::string> kept;
  for (const std::string& part : components(path)) {
    if (part == ".." && !kept.empty()) kept.pop_back();
    if (!part.empty() && part != "." && part != "..") kept.push_back(part);
  }
  std::string out;
  for (const std::string& part : kept) out += "/" + part;
  return out.empty() ? "/" : out;
}

Model::Spot Model::walk(const std::string& path, bool follow) const {
  Spot out{0, root_, ".", "/", root_};
  std::vector<std::pair<std::string, Ref>> stack{{"", root_}};
  std::deque<std::string> left = components(path);
  const auto real = [&] {
    std::string text;
    for (size_t i = 1; i < stack.size(); ++i) text += "/" + stack[i].first;
    return text;
  };
  // What it would have come to, by the words, is decided on, or as far as they say: not what ".." is of nothing.
  const auto fail_at = [&](int error, const std::string& name) {
    std::string text = real();
    left.push_front(name);
    left.erase(std::ranges::find(left, ".."), left.end());
    for (const std::string& part : left) text += "/" + part;
    return Spot{error, nullptr, "", words_of(text), nullptr};
  };
  for (int links = 0; !left.empty();) {
    const std::string name = left.front();
    left.pop_front();
    const Ref here = stack.back().second;
    if (name.empty() && stack.size() == 1 && !left.empty()) continue;
    if ((here->mode & kSearch) == 0) return fail_at(EACCES, name);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (stack.size() > 1) stack.pop_back();
      continue;
    }
    const auto found = here->names.find(name);
    const bool last = left.empty();
    const Ref node = found == here->names.end() ? nullptr : found->second;
    if (!node && !last) return fail_at(ENOENT, name);
    if (node && node->kind == Kind::link && (!last || follow)) {
      if (++links > 40) return {ELOOP, nullptr, "", "", nullptr};
      if (node->content.starts_with('/')) stack.resize(1);
      const std::deque<std::string> more = components(node->content);
      left.insert(left.begin(), more.begin(), more.end());
      continue;
    }
    if (last) return {0, here, name, real() + "/" + name, node};
    if (node->kind != Kind::directory) return fail_at(ENOTDIR, name);
    stack.emplace_back(name, node);
  }
  if (stack.size() > 1) out = {0, stack[stack.size() - 2].second, ".", real(), stack.back().second};
  return out;
}

// ---- what all of them do first. Each answers whether to go on. ----

bool Model::fails(const char* name) {
  reply_.mutable_failed()->set_name(name);
  return false;
}

std::optional<std::string> Model::argument(const std::string& bytes) {
  if (bytes.empty() || bytes.find('\0') != bytes.npos) return fails("EINVAL"), std::nullopt;
  for (const std::string& part : components(bytes))
    if (part.size() > NAME_MAX) return fails("ENAMETOOLONG"), std::nullopt;
  const std::string out = words_of(bytes);
  if (out.size() >= PATH_MAX) return fails("ENAMETOOLONG"), std::nullopt;
  return out;
}

bool Model::denied(Right right, const std::string& asked, const std::string& reached) {
  const char* rule = nullptr;
  if (is_secret(asked) || is_secret(reached))
    rule = "secrets";
  else if (!lies_in(reached, "/w") && (!lies_in(reached, "/r") || !policy::kRead.has(right)))
    rule = "default";
  if (rule) reply_.mutable_denied()->set_rule(rule);
  return rule != nullptr;
}

bool Model::demand(const std::string& path, Rights rights) {
  for (uint16_t bit = 1; bit < 1 << 10; bit = static_cast<uint16_t>(bit << 1))
    if (rights.has(static_cast<Right>(bit)) && denied(static_cast<Right>(bit), path, path)) return false;
  return true;
}

bool Model::find(const std::string& asked, const Wanted& wanted, Spot& out) {
  out = walk(asked, wanted.follow);
  const bool elsewhere = !out.path.empty() && out.path != asked;
  const Rights rights = out.node ? wanted.rights : wanted.absent;
  for (uint16_t bit = 1; elsewhere && bit < 1 << 10; bit = static_cast<uint16_t>(bit << 1))
    if (rights.has(static_cast<Right>(bit)) && denied(static_cast<Right>(bit), asked, out.path)) return false;
  if (out.error != 0) return fails(::strerrorname_np(out.error));
  if (!out.node || wanted.access == Access::look || out.node->kind == Kind::link) return true;
  if (out.node->kind == Kind::directory && wanted.access == Access::write) return fails("EISDIR");
  // What has no content is not opened where a link led to it.
  if (out.node->kind == Kind::fifo && elsewhere) return true;
  if ((out.node->mode & (wanted.access == Access::read ? kRead : kWrite)) == 0) return fails("EACCES");
  return true;
}

bool Model::has_content(const Spot& spot, bool one_name) {
  if (!spot.node) return fails("ENOENT");
  if (spot.node->kind == Kind::directory) return fails("EISDIR");
  if (spot.node->kind != Kind::file) return fails("EOPNOTSUPP");
  if (one_name && spot.node->links > 1) return fails("EMLINK");
  return true;
}

bool Model::suits(const Spot& spot, wire::WriteMode mode) {
  if (spot.node && mode == wire::CREATE) return fails("EEXIST");
  if (!spot.node && mode == wire::REPLACE) return fails("ENOENT");
  return !spot.node || has_content(spot, false);
}

bool Model::is_version(const Spot& spot, const std::string& version) const {
  return spot.node && spot.node->version == version && spot.node->version_of == spot.node->changes;
}

bool Model::may_change(const Spot& spot) {
  return (spot.directory->mode & kWrite) != 0 || fails("EACCES");
}

bool Model::replace(const Spot& spot, std::string content, mode_t mode) {
  if (!may_change(spot)) return false;
  if (spot.node) --spot.node->links, ++spot.node->changes;
  subject_ = make_node(Kind::file, mode, std::move(content));
  spot.directory->names[spot.name] = subject_;
  return true;
}

// ---- the primitives ----

wire::Reply Model::apply(const wire::Request& request) {
  reply_.Clear();
  subject_ = nullptr;
  switch (request.call_case()) {
    case wire::Request::kFsRead:
      read(request.fs_read());
      break;
    case wire::Request::kFsWrite:
      write(request.fs_write());
      break;
    case wire::Request::kFsAppend:
      append(request.fs_append());
      break;
    case wire::Request::kFsList:
      list(request.fs_list());
      break;
    case wire::Request::kFsStat:
      stat(request.fs_stat());
      break;
    case wire::Request::kFsMkdir:
      mkdir(request.fs_mkdir());
      break;
    case wire::Request::kFsRemove:
      unlink(request.fs_remove());
      break;
    case wire::Request::kFsRename:
      rename(request.fs_rename());
      break;
    case wire::Request::kFsCopy:
      copy(request.fs_copy());
      break;
    default:
      open(request.fs_open());
  }
  return reply_;
}

void Model::read(const wire::FsRead& wanted) {
  const auto path = argument(wanted.path());
  Spot spot;
  if (!path) return;
  if (wanted.offset() > INT64_MAX) return static_cast<void>(fails("EINVAL"));
  if (!demand(*path, Right::read) || !find(*path, {Right::read, Right::read, true, Access::read}, spot) ||
      !has_content(spot, false))
    return;
  subject_ = spot.node;
  const std::string& content = spot.node->content;
  const size_t from = std::min<uint64_t>(wanted.offset(), content.size());
  auto& result = *reply_.mutable_fs_read();
  result.set_content(content.substr(from, wanted.has_length() ? wanted.length() : content.npos));
  result.set_size(content.size());
  result.set_truncated(from + result.content().size() < content.size());
}

void Model::write(const wire::FsWrite& wanted) {
  const auto path = argument(wanted.path());
  Spot spot;
  if (!path) return;
  if (wanted.permissions() > 0777) return static_cast<void>(fails("EINVAL"));
  if (!demand(*path, rights_of(wanted.mode())) ||
      !find(*path, {Right::write, absent_of(wanted.mode()), true, Access::look}, spot) || !suits(spot, wanted.mode()))
    return;
  if (wanted.has_if_version() && !is_version(spot, wanted.if_version())) return static_cast<void>(fails("ESTALE"));
  if (wanted.in_place() && spot.node) {
    if ((spot.node->mode & kWrite) == 0) return static_cast<void>(fails("EACCES"));
    if (!has_content(spot, true)) return;
    if (!wanted.content().empty() || !spot.node->content.empty()) ++spot.node->changes;
    spot.node->content = wanted.content();
    subject_ = spot.node;
  } else {
    const mode_t kept = spot.node ? spot.node->mode & 0777 : 0644;
    if (!replace(spot, wanted.content(), wanted.has_permissions() ? wanted.permissions() : kept)) return;
  }
  reply_.mutable_fs_write()->set_size(wanted.content().size());
  reply_.mutable_fs_write()->set_created(!spot.node);
}

void Model::append(const wire::FsAppend& wanted) {
  const auto path = argument(wanted.path());
  Spot spot;
  if (!path || !demand(*path, wanted.create() ? Rights(Right::append) | Right::create : Rights(Right::append)) ||
      !find(*path, {Right::append, wanted.create() ? Right::create : Right::append, true, Access::write}, spot))
    return;
  if (!spot.node && wanted.create()) {
    if (wanted.has_if_version()) return static_cast<void>(fails("ESTALE"));
    if (!replace(spot, "", 0644)) return;
    spot.node = subject_;
  }
  if (!has_content(spot, true)) return subject_.reset();
  if (wanted.has_if_version() && !is_version(spot, wanted.if_version())) return static_cast<void>(fails("ESTALE"));
  subject_ = spot.node;
  if (!wanted.content().empty()) ++subject_->changes;
  subject_->content += wanted.content();
  reply_.mutable_fs_append()->set_size(subject_->content.size());
}

void Model::list(const wire::FsList& wanted) {
  const auto path = argument(wanted.path());
  Spot spot;
  if (!path || !demand(*path, Right::list) || !find(*path, {Right::list, Right::list, true, Access::read}, spot))
    return;
  if (!spot.node) return static_cast<void>(fails("ENOENT"));
  if (spot.node->kind != Kind::directory) return static_cast<void>(fails("ENOTDIR"));
  auto& result = *reply_.mutable_fs_list();
  for (auto next = spot.node->names.upper_bound(wanted.after()); next != spot.node->names.end(); ++next) {
    if (wanted.count() != 0 && result.entries_size() == static_cast<int>(wanted.count())) return result.set_more(true);
    auto& entry = *result.add_entries();
    entry.set_name(next->first);
    entry.set_type(type_of(next->second->kind));
  }
}

void Model::stat(const wire::FsStat& wanted) {
  const auto path = argument(wanted.path());
  Spot spot;
  if (!path || !demand(*path, Right::stat) ||
      !find(*path, {Right::stat, Right::stat, !wanted.no_follow(), Access::look}, spot))
    return;
  if (!spot.node) return static_cast<void>(fails("ENOENT"));
  subject_ = spot.node;
  auto& result = *reply_.mutable_fs_stat();
  result.set_type(type_of(spot.node->kind));
  result.set_permissions(spot.node->mode);
  if (spot.node->kind == Kind::directory) return;
  result.set_size(spot.node->content.size());
  result.set_links(spot.node->links);
  if (spot.node->kind == Kind::link) result.set_target(spot.node->content);
}

void Model::mkdir(const wire::FsMkdir& wanted) {
  const auto path = argument(wanted.path());
  Spot spot;
  if (!path) return;
  if (wanted.permissions() > 0777) return static_cast<void>(fails("EINVAL"));
  if (!demand(*path, Right::create) || !find(*path, {Right::create, Right::create, false, Access::look}, spot)) return;
  if (spot.name == ".") return static_cast<void>(fails("EBUSY"));
  if (spot.node) return static_cast<void>(fails("EEXIST"));
  if (!may_change(spot)) return;
  spot.directory->names[spot.name] =
      make_node(Kind::directory, wanted.has_permissions() ? wanted.permissions() : mode_t{0755});
  reply_.mutable_fs_mkdir();
}

void Model::unlink(const wire::FsRemove& wanted) {
  const auto path = argument(wanted.path());
  Spot spot;
  if (!path || !demand(*path, Right::remove) || !find(*path, {Right::remove, Right::remove, false, Access::look}, spot))
    return;
  if (spot.name == ".") return static_cast<void>(fails("EBUSY"));
  if (!spot.node) return static_cast<void>(fails("ENOENT"));
  if (wanted.has_if_version() && !is_version(spot, wanted.if_version())) return static_cast<void>(fails("ESTALE"));
  if (!may_change(spot)) return;
  const bool directory = spot.node->kind == Kind::directory;
  if (directory != wanted.directory()) return static_cast<void>(fails(directory ? "EISDIR" : "ENOTDIR"));
  if (!spot.node->names.empty()) return static_cast<void>(fails("ENOTEMPTY"));
  --spot.node->links, ++spot.node->changes;
  spot.directory->names.erase(spot.name);
  reply_.mutable_fs_remove();
}

void Model::rename(const wire::FsRename& wanted) {
  const auto from = argument(wanted.from());
  const auto to = from ? argument(wanted.to()) : std::nullopt;
  const Rights onto = wanted.replace() ? Rights(Right::create) | Right::write : Rights(Right::create);
  Spot source, target;
  if (!to || !demand(*from, Right::rename) || !demand(*to, onto) ||
      !find(*from, {Right::rename, Right::rename, false, Access::look}, source))
    return;
  if (source.name == ".") return static_cast<void>(fails("EBUSY"));
  if (!source.node) return static_cast<void>(fails("ENOENT"));
  if (!find(*to, {onto, onto, false, Access::look}, target)) return;
  if (target.name == ".") return static_cast<void>(fails("EBUSY"));
  if (target.node && !wanted.replace()) return static_cast<void>(fails("EEXIST"));
  // The order of rename(2).
  const bool moves = source.directory != target.directory;
  const bool directory = source.node->kind == Kind::directory;
  if (moves && (source.node == target.directory || (directory && holds(source.node, target.directory))))
    return static_cast<void>(fails("EINVAL"));
  if (moves && target.node && (target.node == source.directory || holds(target.node, source.directory)))
    return static_cast<void>(fails("ENOTEMPTY"));
  const bool is_one_name = source.directory == target.directory && source.name == target.name;
  if (source.node == target.node && !is_one_name) return static_cast<void>(fails("EMLINK"));
  if (is_one_name) return static_cast<void>(reply_.mutable_fs_rename());  // nothing happens
  if (!may_change(source) || !may_change(target)) return;
  if (target.node && directory != (target.node->kind == Kind::directory))
    return static_cast<void>(fails(directory ? "ENOTDIR" : "EISDIR"));
  if (directory && moves && (source.node->mode & kWrite) == 0) return static_cast<void>(fails("EACCES"));
  if (target.node && !target.node->names.empty()) return static_cast<void>(fails("ENOTEMPTY"));
  if (target.node) --target.node->links, ++target.node->changes;
  source.directory->names.erase(source.name);
  target.directory->names[target.name] = source.node;
  ++source.node->changes;
  reply_.mutable_fs_rename();
}

void Model::copy(const wire::FsCopy& wanted) {
  const auto from = argument(wanted.from());
  const auto to = from ? argument(wanted.to()) : std::nullopt;
  Spot source, target;
  if (!to || !demand(*from, Right::read) || !demand(*to, rights_of(wanted.mode())) ||
      !find(*from, {Right::read, Right::read, true, Access::read}, source) || !has_content(source, false) ||
      !find(*to, {Right::write, absent_of(wanted.mode()), true, Access::look}, target) || !suits(target, wanted.mode()))
    return;
  const std::string content = source.node->content;
  if (!replace(target, content, (target.node ? target.node->mode : source.node->mode) & 0777)) return;
  reply_.mutable_fs_copy()->set_size(content.size());
  reply_.mutable_fs_copy()->set_created(!target.node);
}

void Model::open(const wire::FsOpen& wanted) {
  const auto path = argument(wanted.path());
  const bool reads = wanted.access() == wire::OPEN_READ;
  Spot spot;
  if (!path) return;
  // Whoever has a descriptor to append can make it one to write.
  const Rights asks = reads ? Rights(Right::read) : Right::write;
  if (!demand(*path, wanted.access() == wire::OPEN_APPEND ? asks | Right::append : asks) ||
      !find(*path, {asks, asks, true, reads ? Access::read : Access::write}, spot) || !has_content(spot, !reads))
    return;
  subject_ = spot.node;
  reply_.set_attached(true);
  reply_.mutable_fs_open()->set_size(spot.node->content.size());
}

}  // namespace alos::broker::test
