#pragma once

#include <vector>

#include "supervisor/box/holder.h"

namespace alos::box {

// What an agent's Landlock domain holds below a path of its box.
struct Granted {
  std::string path;
  uint64_t access;
};
// Of a box's own domain what may be asked of the broker as well: not /proc and /dev, which are of processes and not of
// the agent, nor the listing of what is only passed through.
std::vector<Granted> granted_by(const Layout& box);

// Puts the mounts of the run's first box, detached until now, into the holder, from where identify() clones them.
Result<void> keep_tree(const Holder& holder, UniqueFd tree);

// An agent's credentials on their way to the file ring, and what they are good for. A process of its own takes them for
// good: the box's user without groups and capabilities, and a Landlock domain of what its box allows and of what is
// brokered. The one it opens in a clone of the box's mounts; the other in a tree made for it: the plan's brokered paths
// with their rights as mount attributes and what is denied in them covered, on a root that is read-only; nothing else
// of the host is in it. Both are handed out detached: a broker must have them in its own mount namespace, or what
// covers a file there would not keep the file from being renamed or removed.
// Where something is brokered and Landlock is there, a second personality: the same, under which in that tree no
// directory is made, moved or removed.
struct Identifying {
  pid_t pid = 0;
  UniqueFd report;
  UniqueFd box, view;  // none of the latter where nothing is brokered
  int personality = 0, of_files = 0;
  dev_t mask_device = 0;
  ino_t mask = 0;  // there: what covers a file that is denied
};
Result<Identifying> identify(const Holder& holder, const std::vector<Granted>& granted, Fault fault);
// The next word of that process. True: it is done, and was reaped.
Launched<bool> hear(Identifying& identity);

}  // namespace alos::box
