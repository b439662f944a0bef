#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/workspace/layer.h"

namespace alos::workspace {

enum class Verdict : uint8_t {
  in_use,   // a run holds it
  empty,    // nothing that is not on the host
  orphan,   // its workspace is gone, or another directory is there
  old,      // has changes and is older than asked
  pending,  // has changes
  broken,   // cannot be read
};
std::string_view name(Verdict verdict);

struct Candidate {
  std::string path;
  std::string workspace;  // empty when broken
  Verdict verdict = Verdict::pending;
  std::string reason;   // for broken, and where it could not be looked at
  int64_t used_ns = 0;  // when a run last began or ended, or the stamp
  uint64_t bytes = 0;   // on disk, as far as found within 5 s
  Node record;          // layer.json before it was looked at: every run writes it anew
};

// "30d", "12h". An age that nothing has is one: nothing is older. Errors: EINVAL.
Result<int64_t> parse_age(std::string_view text);

// Looks at every layer. `older_than_ns`: with changes and not used for so long counts as old.
Result<std::vector<Candidate>> survey(const std::string& state, int64_t now_ns, std::optional<int64_t> older_than_ns);
// Removes the layer that was looked at. Errors: EBUSY while it is used, ESTALE where a run used it since.
Result<void> remove_layer(const Candidate& seen);

}  // namespace alos::workspace
