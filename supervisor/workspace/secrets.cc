#include "supervisor/workspace/secrets.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/follow_links.h"
#include "base/paths.h"
#include "base/sys.h"
#include "policy/pattern_at.h"

namespace alos::workspace {
namespace {

using policy::Pattern;
using policy::PatternAt;

// A deny that takes `r`, as the record has it or as it reads for what a link leads to.
struct Deny {
  PatternAt pattern;
  std::vector<PatternAt> except;
  bool by_link = false;

  bool denies(std::string_view path) const {
    return pattern.matches(path) &&
           std::ranges::none_of(except, [&](const PatternAt& exception) { return exception.matches(path); });
  }
  bool spares_below(std::string_view directory) const {
    return std::ranges::any_of(except,
                               [&](const PatternAt& exception) { return exception.may_match_below(directory); });
  }
};

std::vector<Deny> denies_of(const Record& record) {
  std::vector<Deny> out;
  for (const LayerDeny& deny : record.layer_denies) {
    auto pattern = Pattern::parse(deny.pattern);
    if (!deny.denied.contains('r') || !pattern) continue;  // without a pattern it hides everything as it is
    out.push_back({PatternAt(*pattern), {}});
    for (const std::string& text : deny.except)
      if (auto except = Pattern::parse(text)) out.back().except.emplace_back(*except);
  }
  return out;
}

class Search {
 public:
  Search(Tree& host, const Record& record)
      : host_(host), record_(record), hidden_(hidden_by(record.layer_denies)), denies_(denies_of(record)) {}

  // Again for as long as links lead the denies to more places.
  Result<std::set<std::string, std::less<>>> run() {
    if (!hidden_) return paths_;
    for (size_t i = 0; i < denies_.size(); ++i) {
      const std::string start = denies_[i].pattern.literal_prefix();
      if (lies_below(start, record_.workspace)) TRY(led_on(i, start, TRY(follow("/", start))));
      add_further();
    }
    do TRY(walk());
    while (add_further());
    return std::move(paths_);
  }

 private:
  struct Name {
    std::string path;
    bool secret;  // itself, or a directory above
  };
  using Inode = std::pair<uint64_t, uint64_t>;

  Result<void> walk() {
    paths_.clear();
    std::vector<Name> work = {{"", false}};
    std::vector<std::pair<Inode, std::string>> linked;
    std::set<Inode> inodes;
    while (!work.empty()) {
      const Name above = std::move(work.back());
      work.pop_back();
      for (const std::string& name : TRY(host_.list(above.path))) {
        std::string path = join(above.path, name);
        const Node node = TRY(host_.node(path));
        if (node.type == Type::link) {
          TRY(link(record_.workspace + "/" + path));
          continue;
        }
        const bool directory = node.type == Type::directory;
        const bool matches = !above.secret && hidden(record_.workspace + "/" + path, directory);
        if (matches) paths_.insert(path);
        const bool secret = above.secret || matches;
        if (directory) {
          work.push_back({std::move(path), secret});
        } else if (node.links > 1) {
          if (secret) inodes.insert({node.device, node.inode});
          if (!secret) linked.emplace_back(std::pair(node.device, node.inode), std::move(path));
        }
      }
    }
    for (auto& [inode, path] : linked)
      if (inodes.contains(inode)) paths_.insert(std::move(path));
    return {};
  }

  bool hidden(const std::string& path, bool directory) const {
    return hidden_(path, directory) || std::ranges::any_of(denies_, [&](const Deny& deny) {
             return deny.by_link && deny.denies(path) && !(directory && deny.spares_below(path));
           });
  }

  Result<void> link(const std::string& path) {
    for (size_t i = 0; i < denies_.size(); ++i)
      if (denies_[i].denies(path) || denies_[i].pattern.leads_through(path))
        TRY(led_on(i, path, TRY(follow(path.substr(0, path.rfind('/')), base_of(path)))));
    return {};
  }

  // The same that the launcher does for what it covers (box/covers.h).
  Result<void> led_on(size_t index, const std::string& link, const Followed& to) {
    if (to.end != Followed::End::there || to.path == link || !lies_below(to.path, record_.workspace)) return {};
    const Deny& deny = denies_[index];
    std::vector<PatternAt> said = deny.pattern.through(link, to.path, PatternAt::AnyDepth::skip);
    if (deny.denies(link) && (!deny.pattern.ends_in_tree() || TRY(is_file(to.path))))
      said.push_back(PatternAt::exactly(to.path));
    std::vector<PatternAt> except = deny.except;
    for (const PatternAt& exception : deny.except)
      std::ranges::move(exception.through(link, to.path, PatternAt::AnyDepth::carry), std::back_inserter(except));
    for (PatternAt& pattern : said) {
      if (pattern.matches(to.path) && lies_below(link, to.path)) continue;
      std::string key = pattern.text();
      for (const PatternAt& exception : except) key += '\0' + exception.text();
      if (said_.insert(std::move(key)).second) further_.push_back({std::move(pattern), except, true});
    }
    return {};
  }

  bool add_further() {
    const bool any = !further_.empty();
    std::ranges::move(further_, std::back_inserter(denies_));
    further_.clear();
    return any;
  }

  std::string below_workspace(const std::string& path) const {
    return path.size() > record_.workspace.size() ? path.substr(record_.workspace.size() + 1) : "";
  }

  Result<bool> is_file(const std::string& path) { return TRY(host_.node(below_workspace(path))).type == Type::file; }

  // On the whole host: a link may come back from outside of the workspace.
  Result<Followed> follow(const std::string& from, std::string_view path) {
    return follow_links(from, path, [&](const std::string& at) { return look(at); });
  }

  Result<OnTheWay> look(const std::string& path) {
    if (path != record_.workspace && lies_below(path, record_.workspace)) {
      const Node node = TRY(host_.node(below_workspace(path)));
      if (!node.there()) return OnTheWay{OnTheWay::Kind::absent, {}};
      if (node.type != Type::link) return OnTheWay{};
      return OnTheWay{OnTheWay::Kind::link, TRY(host_.link_target(below_workspace(path)))};
    }
    const auto st = sys::lstatat(AT_FDCWD, path);
    // What nobody can look at here leads to nothing that could be copied.
    if (!st) return OnTheWay{OnTheWay::Kind::absent, {}};
    if (!S_ISLNK(st->st_mode)) return OnTheWay{};
    return OnTheWay{OnTheWay::Kind::link, TRY(sys::readlinkat(AT_FDCWD, path))};
  }

  Tree& host_;
  const Record& record_;
  const Hidden hidden_;
  std::vector<Deny> denies_;   // the record's, then what they say through links
  std::vector<Deny> further_;  // found by way of links, not yet among them
  std::set<std::string> said_;
  std::set<std::string, std::less<>> paths_;
};

}  // namespace

Result<Secrets> Secrets::find(Tree& host, const Record& record) {
  Secrets out;
  out.paths_ = TRY(Search(host, record).run());
  return out;
}

}  // namespace alos::workspace
