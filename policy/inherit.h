#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policy/load.h"
#include "policy/policy_file.h"

namespace alos::policy {

// A policy with what it inherits, before variables are replaced.
struct Inherited {
  std::map<std::string, UnexpandedRule> rules;        // by POLICY/RULE
  std::map<std::string, UnexpandedCommand> commands;  // by POLICY/RULE
  std::optional<Source> no_commands;
  std::map<std::string, Sourced<VariableType>> variables;
  std::optional<Sourced<WorkspaceMode>> workspace;
  std::optional<Sourced<std::optional<std::string>>> home;
  std::optional<Sourced<std::string>> project;
  std::map<std::string, Sourced<uint64_t>> limits;
  std::map<std::string, Sourced<uint64_t>> clock;
  std::optional<Sourced<std::vector<std::string>>> env_pass;
  std::map<std::string, Text> env_set;
  std::optional<Sourced<bool>> mdwe;
  // Of every policy in it, those that it extends, directly or not.
  std::map<std::string, std::set<std::string>> ancestors;
};

struct InheritedFile {
  PolicyFile own;       // the file asked for
  Inherited effective;  // with its parents
  std::vector<SourceFile> sources;
};

// Finds, reads and joins the file and what it extends (policy.md, "Inheritance"): rules are united, limits and clock
// the smaller, env.pass what all parents that say it name, unless the child says it itself; `degrade` and tests stay
// with their file. `installed` gives names to suggest for one that is none.
Checked<InheritedFile> inherit(const std::string& name_or_file, const std::vector<std::string>& directories,
                               const Names& installed, const Reader& reader);

}  // namespace alos::policy
