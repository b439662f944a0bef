#include "supervisor/workspace/changes.h"

#include <unistd.h>

#include <algorithm>

#include "base/paths.h"
#include "base/sys.h"
#include "supervisor/workspace/content.h"
#include "supervisor/workspace/interrupted.h"
#include "supervisor/workspace/manifest.h"
#include "supervisor/workspace/reach.h"

namespace alos::workspace {
namespace {

constexpr size_t kMaxPath = 64 << 10;    // one path; deeper is refused by name
constexpr size_t kMaxPaths = 256 << 20;  // all paths of a scan
constexpr size_t kMaxChanges = 2 << 20;  // a Change takes about 1 KiB of memory
constexpr size_t kMaxNested = 64;        // repositories inside each other

// Where the part of a directory that the agent did not write comes from.
enum class Lower : uint8_t { none, same, moved };

// A directory still to be read.
struct Item {
  std::string path;
  bool in_upper = false;
  Lower lower = Lower::none;
  std::string lower_path;  // with Lower::moved
  bool on_host = false;
  std::string lost;  // why a directory on the way here, and so everything below, is a conflict
  struct Repository {
    size_t length;  // of the prefix of `path` that git would take for one
    bool on_host;
  };
  std::vector<Repository> repositories;
};

struct Names {
  std::vector<std::string> upper, lower, host;

  bool has(std::string_view name) const {
    const auto in = [&](const auto& names) { return std::binary_search(names.begin(), names.end(), name); };
    return in(upper) || in(lower) || in(host);
  }
};

template <class Has>
bool is_repository(const Has& has) {
  return has("HEAD") && (has("commondir") || (has("objects") && has("refs")));
}

class Scanner {
 public:
  Scanner(const Layer& layer, Tree& upper, Tree& host, const Rights& rights, Applied applied, Manifest manifest,
          const ScanOptions& options)
      : record_(layer.record),
        rights_(rights),
        upper_(upper),
        host_(host),
        applied_(std::move(applied)),
        manifest_(std::move(manifest)),
        temporary_(temporary_names(layer)),
        options_(options),
        surroundings_(surroundings_of(record_.workspace)) {}

  Result<Scan> run() {
    std::vector<Item> work;
    Item root;
    root.in_upper = true;
    root.lower = record_.mode == Mode::layer ? Lower::same : Lower::none;
    root.on_host = true;
    TRY(judge_root());
    work.push_back(std::move(root));
    while (!work.empty()) {
      Item item = std::move(work.back());
      work.pop_back();
      std::vector<Item> below = TRY(read(std::move(item)));
      if (options_.first_only && !out_.changes.empty()) break;
      // The stack is last in, first out: reversed, a directory's content follows it in order.
      std::move(below.rbegin(), below.rend(), std::back_inserter(work));
    }
    if (!std::is_sorted(out_.changes.begin(), out_.changes.end(), before_in_order))
      std::sort(out_.changes.begin(), out_.changes.end(), before_in_order);
    if (record_.mode == Mode::layer) flag_interrupted(out_.changes);
    const bool wanted = !options_.first_only && options_.other_names == OtherNames::follow;
    if (wanted && !out_.changes.empty()) TRY(flag_other_names());
    return std::move(out_);
  }

 private:
  // By components, so that "a/b" comes before "a.c".
  static bool before_in_order(const Change& a, const Change& b) {
    return std::lexicographical_compare(a.path.begin(), a.path.end(), b.path.begin(), b.path.end(), [](char x, char y) {
      return (x == '/' ? 0 : static_cast<unsigned char>(x)) < (y == '/' ? 0 : static_cast<unsigned char>(y));
    });
  }

  // The workspace's own directory: of it, the mode alone is the agent's to change.
  Result<void> judge_root() {
    Change change;
    change.after = TRY(upper_.node(""));
    change.before = TRY(host_.node(""));
    if (record_.root_mode == 0 || change.after.mode == record_.root_mode) return {};
    change.source = {Place::Where::layer, ""};
    if (change.before.mode == mode_to_apply(change)) return {};
    if (change.before.mode != record_.root_mode) change.conflict = "the host's mode was changed meanwhile";
    change.denied = denied("");
    change.flags = hazards({change.path, change.before, change.after, {}, {}});
    return add(std::move(change));
  }

  Result<std::vector<Item>> read(Item item) {
    std::vector<Item> below;
    auto names = list(item);
    if (!names) {
      TRY(refuse(item.path, names.error().text()));
      return below;
    }
    if (is_repository([&](const char* name) { return names->has(name); })) {
      const bool on_host = is_repository([&](const char* name) {
        const auto node = host_.node(join(item.path, name));
        return node && node->there();
      });
      item.repositories.push_back({item.path.size(), on_host});
    }
    if (item.repositories.size() > kMaxNested) {
      TRY(refuse(item.path, "too many git repositories inside each other"));
      return below;
    }
    std::vector<std::string> all = names->upper;
    all.insert(all.end(), names->lower.begin(), names->lower.end());
    if (item.lower != Lower::same) all.insert(all.end(), names->host.begin(), names->host.end());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (const std::string& name : all)
      if (temporary_.empty() || !name.starts_with(temporary_)) TRY(judge(item, name, below));
    return below;
  }

  Result<Names> list(const Item& item) {
    Names names;
    if (item.in_upper) names.upper = TRY(upper_.list(item.path));
    if (item.lower == Lower::moved) names.lower = TRY(host_.list(item.lower_path));
    if (item.on_host && item.lower != Lower::same) names.host = TRY(host_.list(item.path));
    // Names of the host only count as parts of a repository here, and listing all of them would cost more than asking.
    if (item.on_host && item.lower == Lower::same)
      for (const char* part : {"HEAD", "commondir", "objects", "refs"})
        if (const Node node = TRY(host_.node(join(item.path, part))); node.there()) names.host.emplace_back(part);
    return names;
  }

  Result<void> judge(const Item& item, const std::string& name, std::vector<Item>& below) {
    Change change;
    change.path = join(item.path, name);
    if (change.path.size() > kMaxPath) return refuse(item.path, "what is below it lies deeper than 64 KiB of path");
    auto judged = compare(item, change, below);
    if (!judged) {
      change.refused = judged.error().text();
      if (change.before.there() && !change.after.there()) change.kind = Kind::deleted;
      return add(std::move(change));
    }
    return {};
  }

  Result<void> compare(const Item& item, Change& change, std::vector<Item>& below) {
    Node upper;
    if (item.in_upper) upper = TRY(upper_.node(change.path));
    change.before = TRY(host_.node(change.path));
    Item child;
    child.path = change.path;
    child.repositories = item.repositories;
    child.on_host = change.before.type == Type::directory;
    child.lost = item.lost;
    Marks marks;
    if (upper.there() && (upper.type == Type::directory || upper.type == Type::file) && record_.mode == Mode::layer)
      marks = TRY(read_marks(upper_, change.path, record_.form));
    if (!marks.unknown.empty())
      return fail("layer", printable(change.path), 0,
                  "it carries the attribute " + marks.unknown + ", which alos does not know");
    TRY(resolve(item, upper, marks, change, child));
    if (manifest_.hides(change.path)) return compare_hidden(change, upper);
    if (manifest_.is_placeholder(upper))
      return fail("layer", printable(change.path), 0, "it stands for something that the policy hides, and was moved");
    if (skips_copy(change, upper)) {
      if (upper.type == Type::directory) descend(change, child, below);
      return {};
    }
    const bool another = is_another_directory(change, child, marks);
    change.conflict = another ? "another directory is there on the host" : TRY(conflict_of(item, change, marks));
    if (change.conflict.empty()) change.conflict = item.lost;
    if (!change.conflict.empty() && change.after.type == Type::directory && !change.before.there())
      child.lost = "the host no longer has its directory";
    if (another) child.lost = "its directory is another on the host";
    if (TRY(differs(change))) {
      if (is_directory_moved(item, marks, child)) change.moved_from = child.lower_path;
      TRY(finish(change, item));
      TRY(add(change));
    } else if (item.in_upper && upper.there() && upper.type != Type::directory) {
      out_.redundant = true;
    }
    descend(change, child, below);
    return {};
  }

  static bool is_directory_moved(const Item& item, const Marks& marks, const Item& child) {
    return child.lower == Lower::moved && (!marks.redirect.empty() || item.lower != Lower::moved);
  }

  void descend(const Change& change, Item& child, std::vector<Item>& below) {
    if (child.lower == Lower::moved && child.in_upper) out_.moved.push_back({child.path, child.lower_path});
    const bool merged = change.after.type == Type::directory && (child.in_upper || child.lower == Lower::moved);
    const bool gone = change.after.type != Type::directory && change.before.type == Type::directory;
    if (!merged && !gone) return;
    if (gone) child.in_upper = false, child.lower = Lower::none;
    below.push_back(std::move(child));
  }

  // What the merged tree shows at the path, and from where.
  Result<void> resolve(const Item& item, const Node& upper, const Marks& marks, Change& change, Item& child) {
    const std::string_view name = base_of(change.path);
    if (upper.there()) {
      const bool whiteout = upper.whiteout && record_.mode == Mode::layer;
      if (!whiteout) change.after = upper, change.source = {Place::Where::layer, change.path};
      child.in_upper = upper.type == Type::directory;
      if (child.in_upper) TRY(resolve_lower(item, name, marks, child));
    } else if (item.lower == Lower::moved) {
      const std::string at = join(item.lower_path, name);
      change.after = TRY(host_.node(at));
      if (change.after.there()) change.source = {Place::Where::host, at};
      if (change.after.type == Type::directory) child.lower = Lower::moved, child.lower_path = at;
    }
    return {};
  }

  Result<void> resolve_lower(const Item& item, std::string_view name, const Marks& marks, Item& child) {
    if (record_.mode == Mode::copy || marks.opaque) return {};
    // An absolute redirect holds also below a directory that has nothing of the host.
    const bool absolute = marks.redirect.starts_with('/');
    if (item.lower == Lower::none && !absolute) return {};
    const std::string& base = item.lower == Lower::moved ? item.lower_path : item.path;
    const std::string_view wanted = marks.redirect.empty() ? name : std::string_view(marks.redirect);
    const std::string at = absolute ? marks.redirect.substr(1) : join(base, wanted);
    if (!is_plain(at))
      return fail("layer", printable(child.path), 0, "its redirect " + printable(marks.redirect) + " is not plain");
    if (TRY(host_.node(at)).type != Type::directory) {
      if (!marks.redirect.empty())
        return fail("layer", printable(child.path), 0,
                    "it was renamed from " + printable(at) + ", which the host no longer has");
      return {};
    }
    child.lower = at == child.path ? Lower::same : Lower::moved;
    if (child.lower == Lower::moved) child.lower_path = at;
    return {};
  }

  // Mode copy: the agent touched nothing here; whatever differs is the host's own doing.
  bool skips_copy(const Change& change, const Node& upper) const {
    if (record_.mode != Mode::copy) return false;
    const bool special = change.before.there() && change.before.type != Type::file &&
                         change.before.type != Type::directory && change.before.type != Type::link;
    if (!upper.there()) return special || !manifest_.had(change.path);
    if (!manifest_.is(change.path, upper)) return false;
    return upper.type == Type::directory ? !change.before.there() : upper.ctime_ns <= record_.copied_ns;
  }

  // Mode copy: what the agent put in the place of something that it was not shown says nothing about that.
  Result<void> compare_hidden(Change& change, const Node& upper) {
    if (!upper.there() && (!change.before.there() || !manifest_.had(change.path))) return {};
    const bool same_type = !change.before.there() || upper.type == change.before.type;
    const bool empty = upper.type == Type::directory || (upper.mode == 0 && upper.size == 0);
    if (upper.there() && empty && same_type) return {};
    TRY(differs(change));
    return fail("layer", printable(change.path), 0, "the policy hides the host's from the agent");
  }

  bool changed_later(std::string_view path, const Node& node) const {
    return node.ctime_ns > record_.stamp_ns && !applied_.is_ours(path, node);
  }

  // A directory of the host's that is not the one the agent saw here: it was made or moved here meanwhile. One that it
  // saw and added to is told by its mark, and its ctime only tells of its entries, each of which is judged by itself.
  // Where the agent deleted one, or made its own, the ctime is all there is: a rename writes it as well.
  bool is_another_directory(const Change& change, const Item& child, const Marks& marks) const {
    if (change.before.type != Type::directory) return false;
    const bool seen = record_.mode == Mode::copy ? manifest_.is(change.path, change.after)
                                                 : marks.copied && child.lower == Lower::same;
    return !(change.after.type == Type::directory && seen) && changed_later(change.path, change.before);
  }

  Result<std::string> conflict_of(const Item& item, const Change& change, const Marks& marks) {
    const Node& before = change.before;
    if (before.type == Type::directory) return std::string();
    if (before.there())
      return changed_later(change.path, before) ? std::string("the host's file was changed meanwhile") : std::string();
    if (record_.mode == Mode::copy && manifest_.had(change.path)) return std::string("the host removed it meanwhile");
    if (!marks.copied || !item.on_host) return std::string();
    // A copied file that the host does not have: the agent renamed it here, or the host removed it.
    const Node parent = TRY(host_.node(item.path));
    if (parent.mtime_ns > record_.stamp_ns && !applied_.is_ours(item.path, parent))
      return std::string("the host may have removed it meanwhile");
    return std::string();
  }

  Result<bool> differs(Change& change) {
    const Node &before = change.before, &after = change.after;
    if (!before.there() && !after.there()) return false;
    change.kind = !before.there()             ? Kind::added
                  : !after.there()            ? Kind::deleted
                  : before.type == after.type ? Kind::modified
                                              : Kind::type_changed;
    if (change.kind != Kind::modified) return change.content_differs = true;
    if (after.type == Type::file) change.content_differs = TRY(content_differs(change));
    if (after.type == Type::link)
      change.content_differs = TRY(host_.link_target(change.path)) != TRY(after_target(change));
    if (after.type == Type::fifo || after.type == Type::socket || after.type == Type::device) return false;
    return change.content_differs || (after.type != Type::link && before.mode != after.mode &&
                                      (after.type != Type::directory || before.mode != mode_to_apply(change)));
  }

  Tree& tree(const Place& place) { return place.where == Place::Where::host ? host_ : upper_; }
  Result<std::string> after_target(const Change& change) { return tree(change.source).link_target(change.source.path); }

  Result<bool> content_differs(const Change& change) {
    if (change.before.size != change.after.size) return true;
    if (change.before.same_inode(change.after)) return false;
    const UniqueFd a = TRY(host_.file(change.path));
    const UniqueFd b = TRY(tree(change.source).file(change.source.path));
    return !TRY(same_content(a.get(), b.get()));
  }

  std::optional<Denied> denied(const std::string& path) const {
    if (!options_.denied) return std::nullopt;
    return options_.denied(path.empty() ? record_.workspace : record_.workspace + "/" + path);
  }

  Result<void> finish(Change& change, const Item& item) {
    if (change.after.type == Type::fifo || change.after.type == Type::socket || change.after.type == Type::device)
      change.refused = "a " + std::string(name(change.after.type)) + " never leaves the layer";
    change.denied = denied(change.path);
    if (!change.denied && change.source.where == Place::Where::host) change.denied = denied(change.source.path);
    if (!change.denied && !change.moved_from.empty()) change.denied = denied(change.moved_from);
    std::string target;
    if (change.after.type == Type::link) target = TRY(after_target(change));
    Subject subject{change.path, change.before, change.after, target, {}, By::own_name, &surroundings_};
    for (const auto& [length, on_host] : item.repositories)
      subject.repositories.push_back({std::string_view(change.path).substr(0, length), on_host});
    change.flags = hazards(subject);
    if (TRY(is_another_directory(change)))
      std::erase_if(change.flags, [](const Flag& flag) { return flag.hazard == Hazard::exposed; });
    if (const auto whole = whole_of(subject)) change.whole = std::string(*whole);
    if (change.conflict.empty()) change.conflict = TRY(beyond_rights(change, item));
    return {};
  }

  Result<std::string> beyond_rights(const Change& change, const Item& item) {
    if (change.before.type == change.after.type && !change.content_differs)
      return rights_.own(change.before) ? std::string() : std::string(kNotHisMode);
    const bool may = !item.on_host || rights_.may_write_in(TRY(host_.node(item.path)));
    return may ? std::string() : std::string(kNotHisDirectory);
  }

  // Not the one that was private under this name: renamed here, as open as it was, or made by an apply that was killed
  // before it gave it its mode. What the host makes meanwhile looks like the latter.
  Result<bool> is_another_directory(const Change& change) {
    if (change.before.type != Type::directory || change.after.type != Type::directory) return false;
    if (!change.moved_from.empty()) return (change.after.mode & ~TRY(host_.node(change.moved_from)).mode & 0077) == 0;
    return change.before.mode == 0700 && host_.born_ns(change.path) > record_.stamp_ns;
  }

  // What the changes are under the names that links and git's configuration give them.
  Result<void> flag_other_names() {
    std::vector<Reach::Link> links;
    for (const Change& change : out_.changes) {
      const bool was = change.before.type == Type::link, is = change.after.type == Type::link;
      if (!was && !is) continue;
      Reach::Link link{change.path, {}, was};
      if (is) link.target = after_target(change).value_or("");
      links.push_back(std::move(link));
    }
    const uid_t owner = TRY(host_.node("")).uid;
    const Reach reach = TRY(
        Reach::find(host_, record_.workspace, links, {git_config_files(owner), homes_of(owner)}, record_.layer_denies));
    out_.unseen = reach.unseen();
    for (Change& change : out_.changes) {
      if (change.is_directory()) continue;
      if (!change.denied && options_.denied) change.denied = reach.denied(change.path, options_.denied);
      std::vector<Flag> found = reach.flags({change.path, change.before, change.after, {}, {}});
      if (change.after.type == Type::link) std::ranges::move(reach.link_flags(change.path), std::back_inserter(found));
      for (Flag& flag : found) {
        const auto same = [&](const Flag& known) { return known.hazard == flag.hazard; };
        if (std::none_of(change.flags.begin(), change.flags.end(), same)) change.flags.push_back(std::move(flag));
      }
    }
    return {};
  }

  Result<void> add(Change change) {
    paths_ += change.path.size();
    if (paths_ > kMaxPaths || out_.changes.size() == kMaxChanges)
      return fail("scan", printable(record_.workspace), E2BIG,
                  "the layer holds too many and too deep paths; `alos undo` drops them");
    out_.changes.push_back(std::move(change));
    return {};
  }

  Result<void> refuse(const std::string& path, const std::string& why) {
    for (auto at = out_.changes.rbegin(); at != out_.changes.rend(); ++at)
      if (at->path == path) {
        at->refused = why;
        return {};
      }
    Change change;
    change.path = path;
    change.refused = why;
    if (const auto node = upper_.node(path)) change.after = *node;
    if (const auto node = host_.node(path)) change.before = *node;
    return add(std::move(change));
  }

  const Record& record_;
  const Rights& rights_;
  Tree& upper_;
  Tree& host_;
  const Applied applied_;
  const Manifest manifest_;
  const std::string temporary_;  // names that an apply which goes on has in the host's tree
  const ScanOptions& options_;
  const Surroundings surroundings_;
  Scan out_;
  size_t paths_ = 0;
};

}  // namespace

bool Rights::own(const Node& node) const {
  return ::geteuid() != 0 || node.uid == workspace_.uid || node.uid == record_.owner.uid;
}

// In a sticky one not everything may be removed.
bool Rights::may_write_in(const Node& directory) const {
  if (own(directory)) return true;
  const bool group = directory.gid == workspace_.gid || directory.gid == record_.owner.gid;
  const mode_t wanted = group ? 0030 : 0003;
  return (directory.mode & wanted) == wanted && (directory.mode & 01000) == 0;
}

bool Rights::may_read_in(const Node& directory) const {
  if (own(directory)) return true;
  const bool group = directory.gid == workspace_.gid || directory.gid == record_.owner.gid;
  const mode_t wanted = group ? 0050 : 0005;
  return (directory.mode & wanted) == wanted;
}

mode_t mode_to_apply(const Change& change) {
  const mode_t kept =
      change.before.type == Type::directory && change.after.type == Type::directory ? change.before.mode & 06000 : 0;
  return (change.after.mode & 01777) | kept;
}

bool Change::goes_with_whole() const {
  if (!whole || flags.empty() || denied || !conflict.empty() || !refused.empty()) return false;
  const auto is = [&](const Flag& flag, std::initializer_list<Hazard> hazards) {
    return std::ranges::find(hazards, flag.hazard) != hazards.end();
  };
  // What a package holds for build tools is a part of it.
  const bool dependency = std::ranges::any_of(flags, [&](const Flag& flag) { return is(flag, {Hazard::dependency}); });
  return std::ranges::none_of(flags, [&](const Flag& flag) {
    if (is(flag, {Hazard::interrupted})) return !after.there();
    if (!dependency) return !is(flag, {Hazard::repository});
    return is(flag,
              {Hazard::git, Hazard::set_id, Hazard::link_out, Hazard::link_around, Hazard::writable, Hazard::exposed});
  });
}

char letter(Kind kind) {
  return "AMDT"[static_cast<size_t>(kind)];
}

Result<Scan> scan(const Layer& layer, Tree& host, const ScanOptions& options) {
  if (layer.record.mode == Mode::layer) TRY(can_read_marks(layer.dir.get(), layer.record.form));
  if (layer.record.mode == Mode::copy && layer.record.copied_ns == 0) return Scan{};
  Tree content(TRY(sys::dup(layer.content())));
  Manifest manifest;
  if (layer.record.mode == Mode::copy) manifest = TRY(Manifest::load(layer));
  const Rights rights(layer.record, TRY(host.node("")));
  return Scanner(layer, content, host, rights, TRY(Applied::load(layer)), std::move(manifest), options).run();
}

Result<bool> has_changes(const Layer& layer) {
  Tree host = TRY(open_workspace(layer.record));
  return !TRY(scan(layer, host, {.denied = {}, .first_only = true})).changes.empty();
}

}  // namespace alos::workspace
