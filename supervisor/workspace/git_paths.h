#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

// Where git looks for what it obeys, beside the repository.
namespace alos::workspace {

struct GitConfigFile {
  std::string path;
  std::vector<std::string> homes;  // what "~/" may mean in it
};
// Those of the caller, of `owner` and of the machine (git-config(1), "FILES"), there or not.
std::vector<GitConfigFile> git_config_files(uid_t owner);

// By content, whatever its name: HEAD with objects and refs, or with commondir.
bool is_git_directory(const std::string& path);

// The caller's and the owner's.
std::vector<std::string> homes_of(uid_t owner);

// What a path in a configuration stands for (git-config(1), "pathname"): "~/", "~user/", "%(prefix)/", ":(optional)".
// Several where nobody knows which git it is that reads it. `unknown`: a user that the machine's own file of accounts
// does not have, whose home may be anywhere.
struct GitPath {
  std::vector<std::string> paths;
  std::string unknown;
};
GitPath git_path(std::string_view value, const std::vector<std::string>& homes);

}  // namespace alos::workspace
