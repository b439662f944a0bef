#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/workspace/tree.h"

// Write now, run later: what a tool on the host would execute, or obey, after the agent is gone. A change that is
// flagged here reaches the host only when a person names its exact path.
namespace alos::workspace {

enum class Hazard : uint8_t {
  git,          // git's hooks and configuration, wherever git would find a repository
  repository,   // anything else that git keeps there: commits, objects, and files that only git has names for
  agent,        // configuration of agents: permissions, servers to start
  prompt,       // text that agents take as instructions
  editor,       // what an editor runs or loads on opening the directory
  shell,        // start-up files of shells, direnv and login programs
  build,        // what build tools, package managers, test runners and CI execute
  dependency,   // trees that package managers fill and programs load from
  autostart,    // units, desktop entries, crontabs, modules that interpreters load by themselves
  executable,   // the execute bit is new
  set_id,       // setuid or setgid: the bit itself is never applied
  link_out,     // a link that leads out of the workspace
  link_around,  // a link by which a rule of the policy would be got around
  writable,     // anybody may write it, and before not
  exposed,      // others than its owner may read, write or search what was there, and before not
  interrupted,  // a part of a directory's renaming that was ended in its middle: see interrupted.h
};
std::string_view name(Hazard hazard);

struct Flag {
  Hazard hazard;
  std::string reason;  // in words, without the path
};

enum class By : uint8_t {
  own_name,
  another_name,  // what is known of it is its name alone: see reach.h
};

// A directory that holds what makes git take it for a repository, by content and whatever its name: HEAD with objects
// and refs, or with commondir. On the host and in the layer taken together, because half of it may have been applied
// before.
struct Repository {
  std::string_view path;
  bool on_host = true;  // else what completes it is held, and of the rest only what has git's own names
};

// Where the workspace lies: tools know what they obey by more of its path than the workspace has.
struct Surroundings {
  std::vector<std::string> parts;    // of the workspace's absolute path, in lower case
  std::vector<size_t> repositories;  // directories above it that are repositories by content: how many parts each has

  static Surroundings of(std::string_view workspace, const std::vector<std::string>& repositories);
};

struct Subject {
  std::string_view path;  // relative to the workspace
  Node before, after;     // absent when added or deleted
  std::string_view link_target;
  std::vector<Repository> repositories;  // above `path`, outermost first
  By by = By::own_name;
  const Surroundings* surroundings = nullptr;
};

// Pure. Names are compared without case: some file systems do. A deletion is flagged where it takes away a control (git
// hooks, an agent's permissions). A link is flagged by its own name also where something below that name would be:
// what it leads to may have come to the host before, as an ordinary file.
std::vector<Flag> hazards(const Subject& subject);

// The outermost repository, or tree of dependencies, that `subject` is a part of, relative to the workspace; "" also
// for one that begins above it. Pure.
std::optional<std::string_view> whole_of(const Subject& subject);

// Absolute, or climbs above the workspace by "..", judged by text alone.
bool leads_out(std::string_view path, std::string_view target);

}  // namespace alos::workspace
