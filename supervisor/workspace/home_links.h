#pragma once

#include <string>
#include <vector>

// The links among the dotfiles of a home: a change of what one leads to is a change of that dotfile.
namespace alos::workspace {

struct HomeLink {
  std::string path;          // absolute, as the home's owner names it
  std::string base, target;  // what it says, and from where
};

struct HomeLinks {
  std::vector<HomeLink> links;
  size_t unread = 0;         // directories that were too many to be read; nobody knows what is in them
  std::string first_unread;  // the first of them, absolute
};

inline constexpr size_t kMostHomeDirectories = 2048;  // of all homes

// Of the hidden entries of each home, and of ~/bin: nearest first, into no other file system, not below `workspace`,
// where links are known anyway, and not below what programs keep for themselves (caches, packages, objects of git).
// What cannot be read counts as missing.
HomeLinks home_links(const std::vector<std::string>& homes, const std::string& workspace,
                     size_t most = kMostHomeDirectories);

}  // namespace alos::workspace
