#include "supervisor/workspace/reach.h"

#include <fcntl.h>

#include <algorithm>

#include "base/paths.h"
#include "base/sys.h"

namespace alos::workspace {
namespace {

constexpr size_t kMaxLinks = 40;        // the kernel follows no more in one path (MAXSYMLINKS)
constexpr size_t kFreeSteps = 128;      // of one link; beyond them all links share a budget
constexpr size_t kMaxSteps = 4096;      // of one link, with both ways where the layer changes another
constexpr size_t kMaxKept = 512 << 20;  // bytes, of the ends of all links and what they lead through
constexpr size_t kEntry = 64;           // bytes that one takes beside its path
constexpr size_t kMaxNames = 256;       // of one path
constexpr size_t kMaxVisits = 1024;     // to names that lead to one path
constexpr size_t kMaxChain = 8;         // links into each other that a name is made of

constexpr const char* kTangled = "more links and configuration lead to it than can be followed";

}  // namespace

Surroundings surroundings_of(const std::string& workspace) {
  std::vector<std::string> repositories;
  for (std::string at = workspace; (at = std::string(parent_of(at))), !at.empty();)
    if (is_git_directory(at)) repositories.push_back(at);
  return Surroundings::of(workspace, repositories);
}

Result<Reach> Reach::find(Tree& host, const std::string& workspace, const std::vector<Link>& coming, const Users& users,
                          const std::vector<LayerDeny>& denies) {
  Reach reach;
  reach.apart_ = apart_by(denies);
  reach.workspace_ = workspace;
  reach.surroundings_ = surroundings_of(workspace);
  for (const Link& link : coming) {
    const std::string path = reach.absolute(link.path);
    if (link.target)
      reach.names_.push_back({Kind::link, path, std::string(parent_of(path)), *link.target, "", {}, Whose::agent});
    if (!link.target || !link.host_has_one) reach.not_only_.insert(path);
  }
  reach.survey(host, users);
  for (size_t i = 0; i < reach.names_.size(); ++i)
    if (reach.names_[i].kind == Kind::link) reach.links_[reach.names_[i].path].push_back(i);
  size_t steps = kMaxSteps * 1024;
  for (size_t i = 0; i < reach.names_.size() && reach.held_.empty(); ++i) reach.resolve(i, steps);
  for (const auto& [path, ignored] : reach.reached_) reach.longest_ = std::max(reach.longest_, path.size());
  reach.weigh();
  return reach;
}

// What a link says that lies outside of the workspace. Those on the way to the workspace are none: its path is real.
const std::string* Reach::outside(const std::string& path) {
  if (lies_below(workspace_, path) || lies_below(path, "/proc")) return nullptr;
  const auto [at, is_new] = outside_.try_emplace(path);
  if (is_new)
    if (auto target = sys::readlinkat(AT_FDCWD, path)) at->second = std::move(*target);
  return at->second ? &*at->second : nullptr;
}

// As the kernel walks, but down both ways where the layer changes a link. Out of the workspace and on only by what the
// agent had no part in: its own links that lead out are held, and are not to steer what is looked at.
void Reach::resolve(size_t index, size_t& all_steps) {
  struct Walk {
    std::string at;    // resolved so far, absolute
    std::string left;  // still to go
    size_t links = 0;
    Whose whose = Whose::host;
  };
  const Name name = names_[index];
  const bool from_base = name.kind == Kind::link && !name.target.starts_with('/');  // which has no link in it
  std::vector<Walk> work = {{from_base ? name.base : "",
                             from_base || name.target.starts_with('/') ? name.target : name.base + "/" + name.target, 0,
                             name.whose}};
  size_t steps = 0;
  while (!work.empty()) {
    Walk walk = std::move(work.back());
    work.pop_back();
    bool whole = true;
    while (!walk.left.empty()) {
      ++steps;
      if (steps > kFreeSteps && all_steps > 0) --all_steps;
      if (steps > kMaxSteps || all_steps == 0 || kept_ >= kMaxKept) {
        held_ = kTangled;
        return;
      }
      const size_t slash = std::min(walk.left.find('/'), walk.left.size());
      const std::string part = walk.left.substr(0, slash);
      walk.left.erase(0, slash + 1);
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        walk.at = parent_of(walk.at);
        continue;
      }
      const std::string above = walk.at;
      walk.at += "/" + part;
      if (!lies_below(walk.at, workspace_)) {
        const std::string* target = walk.whose == Whose::host ? outside(walk.at) : nullptr;
        if (!target) continue;
        keep_end(index, walk.at);
        whole = ++walk.links <= kMaxLinks;
        if (!whole) break;
        walk.at = target->starts_with('/') ? "" : above;
        walk.left = *target + "/" + walk.left;
        continue;
      }
      const auto links = links_.find(walk.at);
      if (links == links_.end()) continue;
      keep(on_way_, walk.at, index);
      if (walk.links < kMaxLinks)
        for (const size_t link : links->second) {
          const auto& [kind, path, base, target, why, ends, whose] = names_[link];
          work.push_back({target.starts_with('/') ? "" : above, target + "/" + walk.left, walk.links + 1,
                          whose == Whose::agent ? whose : walk.whose});
        }
      whole = not_only_.contains(walk.at);
      if (!whole) break;
    }
    if (!whole) continue;
    keep_end(index, walk.at.empty() ? "/" : walk.at);
    if (lies_below(walk.at, workspace_) && walk.at != name.path) keep(reached_, walk.at, index);
    if (name.kind == Kind::dotfile && is_above(walk.at))
      names_.push_back({Kind::dotfile, name.path + workspace_.substr(walk.at.size()), "", workspace_, "", {}});
  }
}

void Reach::keep_end(size_t index, const std::string& end) {
  if (names_[index].kind != Kind::link) return;
  names_[index].ends.push_back(end);
  kept_ += kEntry + end.size();
}

void Reach::keep(Index& index, const std::string& path, size_t name) {
  const auto [at, is_new] = index.try_emplace(path);
  at->second.push_back(name);
  kept_ += kEntry + (is_new ? path.size() : 0);
}

// What a dotfile leads to is above the workspace, and no way to everything: Wine links to "/".
bool Reach::is_above(const std::string& end) const {
  const auto holds_home = [&](const Home& home) { return lies_below(home.path, end.empty() ? "/" : end); };
  return end != workspace_ && lies_below(workspace_, end.empty() ? "/" : end) &&
         std::ranges::none_of(homes_, holds_home);
}

// Calls `act` with each name that leads to `path` or to a directory above it, and with the part of `path` it leads to,
// for as long as it answers true.
template <class Act>
void Reach::each_leading(const std::string& path, const Act& act) const {
  if (!lies_below(path, workspace_)) return;
  const auto visit = [&](size_t index, size_t length) {
    ++visits_;
    return act(index, length);
  };
  if (const auto through = on_way_.find(path); through != on_way_.end())
    for (const size_t index : through->second)
      if (!visit(index, path.size())) return;
  const size_t last = std::min(longest_, path.size());
  for (size_t end = workspace_.size(); end <= last;) {
    const size_t at = end;
    end = end == path.size() ? end + 1 : std::min(path.find('/', end + 1), path.size());
    const auto names = reached_.find(path.substr(0, at));
    if (names == reached_.end()) continue;
    for (const size_t index : names->second)
      if ((names_[index].kind != Kind::file || at == path.size()) && !visit(index, at)) return;
  }
}

// What is known of a subject under another, absolute, name: one of the workspace or of a home.
Subject Reach::under(const std::string& path, const Subject& subject) const {
  Subject out = subject;
  out.repositories.clear();
  out.by = By::another_name;
  if (!lies_below(path, workspace_)) {
    const auto home = std::ranges::find_if(homes_, [&](const Home& one) { return lies_below(path, one.path); });
    out.path = std::string_view(path).substr(home->path.size() + 1);
    out.surroundings = &home->surroundings;
    return out;
  }
  out.path = std::string_view(path).substr(std::min(workspace_.size() + 1, path.size()));
  out.surroundings = &surroundings_;
  for (std::string_view at = parent_of(out.path);; at = parent_of(at)) {
    if (repositories_.contains(absolute(at))) out.repositories.push_back({at});
    if (at.empty()) return out;
  }
}

bool Reach::matters(const Name& name) const {
  if (name.kind != Kind::link) return true;
  Node link;
  link.type = Type::link;
  const auto apart = [&](const std::string& end) { return apart_(name.path, end).has_value(); };
  return std::ranges::any_of(name.ends, apart) || !hazards(under(name.path, {"", {}, link, "", {}})).empty();
}

Reach::Index Reach::that_matter(const Index& index) const {
  Index out;
  for (const auto& [path, names] : index)
    for (const size_t name : names)
      if (matters_[name]) out[path].push_back(name);
  return out;
}

void Reach::weigh() {
  for (const Name& name : names_) matters_.push_back(matters(name));
  const Index reached = std::move(reached_), on_way = std::move(on_way_);
  bool more = true;
  for (size_t round = 0; more && round <= kMaxLinks; ++round) {
    more = false;
    reached_ = that_matter(reached);
    on_way_ = that_matter(on_way);
    for (size_t i = 0; i < names_.size(); ++i) {
      if (matters_[i]) continue;
      each_leading(names_[i].path, [&](size_t, size_t) {
        matters_[i] = more = true;
        return false;
      });
    }
  }
  if (more) held_ = kTangled;
  for (const auto& [path, names] : reached_) {
    const auto is_file = [&](size_t name) { return names_[name].kind == Kind::file; };
    if (names.size() - static_cast<size_t>(std::count_if(names.begin(), names.end(), is_file)) > kMaxNames)
      crowded_.insert(path);
  }
}

// False: there are more.
bool Reach::collect(const std::string& path, Others& others) const {
  bool all = true;
  each_leading(path, [&](size_t index, size_t length) {
    const bool used = std::find(others.used.begin(), others.used.end(), index) != others.used.end();
    all = ++others.visits <= kMaxVisits && !crowded_.contains(path.substr(0, length));
    if (!all || used) return all;
    all = others.used.size() < kMaxChain && others.names.size() < kMaxNames;
    const std::string name = names_[index].path + path.substr(length);
    if (!all || !others.names.emplace(name, index).second) return all;
    others.used.push_back(index);
    all = collect(name, others);
    others.used.pop_back();
    return all;
  });
  return all;
}

std::vector<Flag> Reach::link_flags(const std::string& path) const {
  const auto found = links_.find(absolute(path));
  if (found == links_.end()) return {};
  for (const size_t link : found->second)
    for (const std::string& end : names_[link].ends) {
      if (!lies_below(end, workspace_)) return {{Hazard::link_out, "leads out of the workspace, to " + printable(end)}};
      if (const auto rule = apart_(names_[link].path, end))
        return {{Hazard::link_around, "rule '" + printable(rule->rule) +
                                          "' does not mean the same here as where it leads, at " + printable(end)}};
    }
  return {};
}

std::optional<Denied> Reach::denied(const std::string& path, const Matcher& matcher) const {
  Others others;
  collect(absolute(path), others);  // if there are more, flags() holds it
  for (const auto& [name, index] : others.names) {
    if (names_[index].kind != Kind::link) continue;
    auto found = matcher(name);
    if (!found) continue;
    const std::string by = "by the name " + printable(std::string_view(name).substr(workspace_.size() + 1));
    return Denied{found->rule, by + (found->reason.empty() ? "" : ": " + found->reason)};
  }
  return std::nullopt;
}

std::vector<Flag> Reach::flags(const Subject& subject) const {
  std::vector<Flag> out;
  Others others;
  const bool all = held_.empty() && collect(absolute(subject.path), others);
  if (!all) return {{Hazard::git, held_.empty() ? kTangled : held_}};
  others.names.erase(absolute(subject.path));
  for (const auto& [path, index] : others.names) {
    const std::string& why = names_[index].why;
    const Subject other = under(path, subject);
    const bool dotfile = !lies_below(path, workspace_);
    std::vector<Flag> found = hazards(other);
    if (found.empty() && dotfile) found.push_back({Hazard::shell, "is a dotfile of its owner"});
    for (const Flag& flag : found) {
      const auto same = [&](const Flag& known) { return known.hazard == flag.hazard; };
      if (std::ranges::any_of(out, same)) continue;
      const std::string by = ", by the name " + printable(dotfile ? std::string_view(path) : other.path);
      out.push_back({flag.hazard, why.empty() ? flag.reason + by : why});
    }
  }
  return out;
}

}  // namespace alos::workspace
