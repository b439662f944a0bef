#pragma once

#include <optional>
#include <string>
#include <vector>

#include "supervisor/workspace/denies.h"
#include "supervisor/workspace/hazards.h"
#include "supervisor/workspace/journal.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/tree.h"

// What a layer would change on the host, path by path.
namespace alos::workspace {

enum class Kind : uint8_t { added, modified, deleted, type_changed };
char letter(Kind kind);  // A M D T

// Where the new content of a path is read from.
struct Place {
  enum class Where : uint8_t { nowhere, layer, host };
  Where where = Where::nowhere;
  std::string path;  // on the host: where a directory that was renamed had it
};

struct Change {
  std::string path;  // relative to the workspace, raw bytes
  Kind kind = Kind::modified;
  Node before, after;
  Place source;
  bool content_differs = false;  // else only the mode does
  std::string moved_from;        // a directory that was renamed as a whole: its old path
  std::vector<Flag> flags;
  // The repository, tree of dependencies or leftover of an interrupted rename that it is a part of.
  std::optional<std::string> whole;
  std::optional<Denied> denied;  // by the policy, under its new or its old name
  std::string conflict;          // why the host's side is no longer what the agent saw; empty: it is
  std::string refused;           // why this can never be applied; empty: it can

  bool is_directory() const { return (after.there() ? after : before).type == Type::directory; }
  // Held as what git keeps, as a dependency or as gathered by a rename: such paths are many, and go together.
  bool goes_with_whole() const;
  // Goes to the host without being named.
  bool safe() const { return flags.empty() && !denied && conflict.empty() && refused.empty(); }
};

// Without setuid and setgid, which never leave the layer; a directory keeps what the host gave it.
mode_t mode_to_apply(const Change& change);

// Why a change is a conflict that lies beyond them.
inline constexpr const char* kNotHisDirectory = "its directory is neither the workspace's owner's nor open to him";
inline constexpr const char* kNotHisMode = "the host's belongs to another than the workspace's owner";

// Whose rights an apply uses: those of the workspace's owner and of the agent, also when root applies. Root could do
// more, and what a directory's owner moves around in it must not steer that. True for an ordinary user, whom the kernel
// holds to the same.
class Rights {
 public:
  Rights(const Record& record, const Node& workspace) : record_(record), workspace_(workspace) {}

  // It is theirs: mode and content are theirs to change.
  bool own(const Node& node) const;
  // A directory in which they may make and remove anything.
  bool may_write_in(const Node& directory) const;
  // A directory in which they may see what is there.
  bool may_read_in(const Node& directory) const;
  const Node& workspace() const { return workspace_; }

 private:
  const Record& record_;
  Node workspace_;
};

// A directory of the upper whose lower content lies elsewhere on the host: itself renamed, or below one that was.
struct Moved {
  std::string path;
  std::string from;
};

struct Scan {
  std::vector<Change> changes;  // a directory before what is in it; names sorted
  std::vector<Moved> moved;     // likewise
  // Files of the upper that equal the host's: no change, but still there.
  bool redundant = false;
  std::string unseen;  // what was not looked at for other names, in words
};

// Whether flags are wanted that a change has by the names that links and git's configuration give it.
enum class OtherNames : uint8_t { follow, skip };

struct ScanOptions {
  Matcher denied;
  bool first_only = false;  // ends at the first change
  OtherNames other_names = OtherNames::follow;
};

// Reads the layer against the host. Nothing of either is changed or followed, and the layer's side is taken as hostile.
// Errors: only what makes the whole unreadable, E2BIG for more than two million changes or paths beyond 256 MiB
// in sum; a single path that cannot be read is a Change with `refused`.
Result<Scan> scan(const Layer& layer, Tree& host, const ScanOptions& options);
Result<bool> has_changes(const Layer& layer);

}  // namespace alos::workspace
