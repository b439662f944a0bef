#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/workspace/changes.h"
#include "supervisor/workspace/layer.h"
#include "supervisor/workspace/settle.h"

// Brings what an agent changed to the host, a path at a time, each whole or not at all.
namespace alos::workspace {

enum class Outcome : uint8_t {
  applied,
  held,      // flagged and not named, or needed by or dependent on something that stays
  denied,    // the policy keeps it in the layer
  conflict,  // the host changed it meanwhile
  refused,   // can never be applied
  failed,    // tried; the host has what it had
};
std::string_view name(Outcome outcome);

struct Line {
  Change change;
  Outcome outcome = Outcome::applied;
  std::string reason;  // empty when applied
};

enum class Effect : uint8_t { show, apply };

// What naming a directory of the host's means for a mode of its own that opens it: who names one mostly means what is
// in it.
enum class Opening : uint8_t { held, named };

struct ApplyOptions {
  // Relative to the workspace. A directory selects what is below it, but flagged paths only when they stand here
  // themselves; a repository, a tree of dependencies, what an interrupted rename left, or a directory of it, all of it
  // but what git executes. Empty: everything that is safe.
  std::vector<std::string> paths{};
  Effect effect = Effect::apply;
  Matcher denied{};
  Step step{};
  Opening opening = Opening::held;
  // The paths that a person was shown as going to the host; whatever else would go by now is held.
  std::optional<std::set<std::string>> shown{};
};

struct ApplyReport {
  std::vector<Line> lines;  // what was selected, in the order of the scan
  size_t count(Outcome outcome) const;
  // Selected paths that the layer has nothing at.
  std::vector<std::string> unknown;
  bool pending = false;  // something stays in the layer
  std::string unseen;    // see Scan
};

// The layer is held with Access::change. Every file is written beside its place, synced, and exchanged with what is
// there, which is put back if it is not what the scan saw; so no change of the host's is lost, and a crash at any
// moment leaves each path old or new. Afterwards the layer holds exactly what was not applied. Errors: ENOSPC when the
// host has no room for what was selected (nothing is applied then); what makes all impossible.
Result<ApplyReport> apply(Layer& layer, const ApplyOptions& options);

}  // namespace alos::workspace
