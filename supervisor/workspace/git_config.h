#pragma once

#include <string>
#include <string_view>
#include <vector>

// What a configuration file of git says, for finding the files that git would obey because of it. Source:
// git-config(1), "Syntax".
namespace alos::workspace {

struct GitSetting {
  std::string key;  // "core.hookspath", "includeif.gitdir:x.path": section and name in lower case
  std::string value;
};

// In the order of the file. What git itself would refuse is read as far as it goes. Pure.
std::vector<GitSetting> git_settings(std::string_view text);

// The words of a value that could name a file: `!sh tools/x -- "$@"` has sh, tools/x.
std::vector<std::string> words_of(std::string_view value);

}  // namespace alos::workspace
