#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"
#include "policy/problem.h"

namespace alos::policy {

// How a file is read: the whole of it, or an error whose code is ENOENT where there is none. Given by the program, so
// that this folder has no effects of its own.
using Reader = std::function<Result<std::string>(const std::string& path)>;

using Names = std::function<std::vector<std::string>()>;

// What to do about a variable that was given no value.
enum class Missing : uint8_t {
  refuse,      // at start: a run needs every value
  from_tests,  // when a policy is judged alone: the value that its `tests: vars:` names
};

struct LoadOptions {
  std::vector<std::string> directories;  // where names are looked up: shipped profiles, /etc/alos/policies
  std::map<std::string, std::string> variables;
  Missing missing = Missing::refuse;
  // Reads a project's own file, which an agent may have written: below a directory that it names canonically, no link
  // on the way, a regular file of at most kMaxProjectBytes (policy/project.h). Not called with Missing::from_tests: a
  // policy that is judged alone is judged without any project.
  Reader project_reader{};
  // The links that a program's path leads over on the host, and last the file that it leads to, or the path itself
  // where nothing is. Without: by no link.
  std::function<std::vector<std::string>(const std::string& path)> way_of{};
  Names installed{};  // of policies, to suggest one for a name that is none; asked only then
};

// A file that had a part in what was loaded, also by being absent: a cache is valid while all of these are as they
// were.
struct SourceFile {
  std::string path;
  std::string shown;  // as in Source::file
  bool present = false;
  std::string digest;  // hex, of the content
  std::string text;
  bool project = false;  // the project's own file
};

struct Loaded {
  Policy policy;
  std::vector<SourceFile> sources;
};

// Loads `name_or_file` (a file has a '/') with everything that it extends. Deterministic: the same sources and
// variables give the same policy and hash. Problems are everything found, not the first.
Checked<Loaded> load(const std::string& name_or_file, const LoadOptions& options, const Reader& reader);

// The variables that a policy and what it extends declare, without values: what a command line may fill in.
Checked<std::map<std::string, VariableType>> declared_variables(const std::string& name_or_file,
                                                                const LoadOptions& options, const Reader& reader);

}  // namespace alos::policy
