#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "supervisor/workspace/denies.h"
#include "supervisor/workspace/git_paths.h"
#include "supervisor/workspace/hazards.h"
#include "supervisor/workspace/tree.h"

// Under which other names tools of the host come to a path of the workspace: through links, those of the host's tree
// those that the layer would bring and those among the dotfiles of a home, and because git's configuration names it
// (hooksPath, include, commands).
// `.git/hooks/pre-commit -> ../../tools/check.sh` makes tools/check.sh a hook.
namespace alos::workspace {

// Whose tools meet the workspace: the caller and its owner.
struct Users {
  std::vector<GitConfigFile> git;
  std::vector<std::string> homes;
};

// Of a workspace of the host. What cannot be looked at counts as missing.
Surroundings surroundings_of(const std::string& workspace);

class Reach {
 public:
  // Where the layer has a link, or something else in the place of one of the host's.
  struct Link {
    std::string path;  // relative to the workspace
    std::optional<std::string> target;
    bool host_has_one = false;
  };

  // Walks the whole host tree but for git's loose objects; `coming` is what the layer has. Reads the git configuration
  // that holds in the workspace: of repositories in it, of those around it, of those its worktrees belong to, and of
  // `users`; and the links among the dotfiles of these. Directories that cannot be read are passed over.
  static Result<Reach> find(Tree& host, const std::string& workspace, const std::vector<Link>& coming,
                            const Users& users, const std::vector<LayerDeny>& denies);

  // What a change is flagged for under its other names; the reasons name them.
  std::vector<Flag> flags(const Subject& subject) const;
  // What a link of the layer is flagged for by where it leads in the end, through other links.
  std::vector<Flag> link_flags(const std::string& path) const;
  // What is denied by another name that links give the path; `reason` says by which.
  std::optional<Denied> denied(const std::string& path, const Matcher& matcher) const;
  // What telling other names of paths has cost until now, in names looked at.
  uint64_t visits() const { return visits_; }
  // What is kept of where names lead, in bytes of memory or so.
  uint64_t kept() const { return kept_; }
  // What was not looked at, in words; empty: everything was.
  const std::string& unseen() const { return unseen_; }

 private:
  enum class Kind : uint8_t {
    link,     // on disk
    tree,     // a configuration names the directory: what is below it is meant
    file,     // a configuration names the file itself
    dotfile,  // a link of a home
  };
  enum class Whose : uint8_t { host, agent };
  // A name that leads to a path. Absolute; for what a configuration names, a name that git obeys in the same way.
  struct Name {
    Kind kind = Kind::link;
    std::string path;
    std::string base, target;       // what is resolved, from where
    std::string why;                // in words, for what a configuration names
    std::vector<std::string> ends;  // of a link: what it leads to, and links outside that it leads through
    Whose whose = Whose::host;
  };
  struct Home {
    std::string path;
    Surroundings surroundings;
  };
  class Survey;
  using Index = std::unordered_map<std::string, std::vector<size_t>>;

  std::string absolute(std::string_view path) const {
    return path.empty() ? workspace_ : workspace_ + "/" + std::string(path);
  }
  void survey(Tree& host, const Users& users);
  void resolve(size_t index, size_t& all_steps);
  void keep_end(size_t index, const std::string& end);
  void keep(Index& index, const std::string& path, size_t name);
  const std::string* outside(const std::string& path);
  bool is_above(const std::string& end) const;
  // Which names can matter: those that are flagged themselves or got around a rule, and those that come under such a
  // name by another. A package manager's links are thousands, and none of them does.
  void weigh();
  bool matters(const Name& name) const;
  Subject under(const std::string& path, const Subject& subject) const;
  template <class Act>
  void each_leading(const std::string& path, const Act& act) const;
  Index that_matter(const Index& index) const;
  // Other names of a path, each with the one of names_ that it begins with.
  struct Others {
    std::map<std::string, size_t> names;
    std::vector<size_t> used;  // to come to the one that is looked at
    size_t visits = 0;
  };
  bool collect(const std::string& path, Others& others) const;

  std::string workspace_;
  Surroundings surroundings_;
  std::vector<Home> homes_;
  Apart apart_;
  std::vector<Name> names_;
  Index links_;                         // links at a path: the host's, the layer's
  std::set<std::string> not_only_;      // where the host or the layer has no link, and the other has
  Index reached_;                       // what a name leads to; once weighed, a name that matters
  Index on_way_;                        // a link: the names that lead through it, likewise
  std::set<std::string> crowded_;       // to which more names lead than are followed
  std::set<std::string> repositories_;  // of the host's tree, by content
  std::vector<bool> matters_;           // of names_
  size_t longest_ = 0;                  // key of reached_
  mutable uint64_t visits_ = 0;
  uint64_t kept_ = 0;
  std::unordered_map<std::string, std::optional<std::string>> outside_;  // what links there say; none: no link
  std::string held_;  // why something could not be followed to its end, and so nothing is safe
  std::string unseen_;
};

}  // namespace alos::workspace
