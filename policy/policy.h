#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/box_plan.h"
#include "policy/pattern.h"
#include "policy/rules.h"
#include "policy/usage.h"
#include "policy/variables.h"

namespace alos::policy {

struct PathPattern {
  Pattern pattern;
  std::string written;  // as in the file, variables not replaced
  Source source;
};

// One rule of `files`, variables replaced.
struct FileRule {
  std::string name;
  Effect effect = Effect::deny;
  // What is allowed or denied. A deny of `read` is a deny of everything: what cannot be read is covered by a node that
  // can be neither written nor run, so saying less would be a claim that the kernel does not keep.
  Rights rights;
  std::vector<PathPattern> paths;
  std::vector<PathPattern> except;  // taken away from this rule; grants nothing
  std::string reason;
  bool degrade = false;   // `degrade: allow`: loads although nothing can enforce it here
  bool optional = false;  // an allow whose path is missing on the host is skipped
  // `audit: each`: the paths are no part of the box. Primitives reach them, one at a time, and each use is recorded.
  bool brokered = false;
  Source source;       // of the name
  std::string origin;  // name of the policy that it was written in

  // Some path of the rule matches and no exception does.
  bool matches(std::string_view path) const;
};

// One rule of `commands`, variables replaced. An allow gives the run host paths that the agent's own box lacks: it is
// elevated. A deny takes runs away from allows, and refuses shell.run; a program that the agent starts in its own box
// is limited by that box alone.
struct CommandRule {
  std::string name;
  Effect effect = Effect::deny;
  Usage usage;
  std::string program;             // the file that the usage line's program leads to by links; as written where none is
  std::vector<std::string> links;  // by which it does, when the policy is loaded
  std::vector<PathPattern> read;   // `files: {r: ...}`: paths and trees
  std::vector<PathPattern> write;  // `files: {w: ...}`, read too
  std::string reason;
  Source source;  // of the name
  std::string origin;

  // A run of this file is one of the rule's program: whoever asks followed links, whoever explains wrote a name.
  bool is_of(const std::string& file) const { return file == program || file == usage.program(); }
};

// One line of `tests`.
struct PolicyTest {
  std::string request;  // variables replaced
  Effect effect = Effect::deny;
  std::string rule;  // that must be among those that decide; empty: any
  Source source;
};

// A policy with everything that it extends, checked.
struct Policy {
  std::string name;  // as asked for: the name, or the file
  Source source;     // of its document
  std::string about;
  std::string hash;  // hex; over every source and every variable

  std::vector<FileRule> files;        // by name
  std::vector<CommandRule> commands;  // by name
  bool no_commands = false;           // `commands: none`
  ClockLimits clock;
  Variables variables;

  WorkspaceMode workspace_mode = WorkspaceMode::none;
  std::string workspace;
  std::optional<std::string> keep_home;
  std::string project;  // path of the project's own file, whether it is there or not; empty: none is asked for
  Limits limits;
  std::vector<std::string> env_pass;
  std::map<std::string, std::string> env_set;
  std::vector<std::string> degrade;
  bool mdwe = false;

  std::vector<PolicyTest> tests;
  // Where each value was decided: "limits.memory", "env.pass", "env.set.CI", "workspace", "home", "mdwe", "degrade",
  // "commands" where it is none, "clock.sleep.each", "clock.sleep.total".
  std::map<std::string, Source> sources;
};

// The limits by their names in the language, for whoever reads, merges or shows all of them.
struct LimitField {
  const char* name;
  std::optional<uint64_t> Limits::* value;
  Result<uint64_t> (*parse)(std::string_view text);
};
std::vector<LimitField> limit_fields();

}  // namespace alos::policy
