#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/document.h"
#include "policy/policy.h"

namespace alos::policy {

// One file, read but alone: variables are not replaced, what it extends is not there yet.
struct Text {
  std::string text;
  Source source;
};

struct UnexpandedRule {
  FileRule rule;  // without paths
  std::vector<Text> paths;
  std::vector<Text> except;
};

template <class T>
struct Sourced {
  T value;
  Source source;
};

struct UnexpandedCommand {
  CommandRule rule;  // without usage and paths
  Text usage;
  std::vector<Text> read, write;
};

struct UnexpandedTest {
  Text line;
  Effect effect;
};

struct PolicyFile {
  std::string name;
  Source source;  // of the document
  std::string about;
  std::vector<Text> extends;
  std::vector<Text> without;
  std::map<std::string, Sourced<VariableType>> variables;
  std::vector<UnexpandedRule> rules;
  std::optional<Sourced<WorkspaceMode>> workspace;
  std::optional<Sourced<std::optional<std::string>>> home;  // the name to keep; none is fresh
  std::optional<Sourced<std::string>> project;              // path of the project's own file
  std::map<std::string, Sourced<uint64_t>> limits;          // by their names in the language
  std::map<std::string, Sourced<uint64_t>> clock;           // "sleep.each", "sleep.total"
  std::vector<UnexpandedCommand> commands;
  std::optional<Source> no_commands;  // `commands: none`
  std::optional<Sourced<std::vector<std::string>>> env_pass;
  std::map<std::string, Text> env_set;
  std::optional<Sourced<std::vector<std::string>>> degrade;
  std::optional<Sourced<bool>> mdwe;
  std::map<std::string, Text> test_variables;
  std::vector<UnexpandedTest> tests;
};

// Adds a problem for everything that is wrong and goes on, so that one run shows all of it.
PolicyFile read_policy_file(const Node& document, const std::string& name, Problems& problems);

// Letters, digits, '.', '_' and '-', a letter or digit first: names of rules, policies and homes.
bool is_name(std::string_view text);

}  // namespace alos::policy
