#pragma once

#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "supervisor/box/kernel_abi.h"
#include "supervisor/box/step.h"

namespace alos::box {

// A box, ready to be entered: everything opened, resolved and put into words before the clone, because the child may
// neither allocate nor ask. Read by the child through its copy of the launcher's memory.

// One entry of the box's root, in the order in which they are placed (parents first).
struct Place {
  enum class Kind : uint8_t { mount, link };
  Kind kind = Kind::mount;
  std::string target;       // absolute, in the box
  UniqueFd source;          // kind mount: a detached mount with its attributes set
  bool directory = true;    // what the source is
  std::string link_target;  // kind link
  uint64_t access = 0;      // Landlock rights given below it; 0: none
};

inline bool is_written(const Place& place) {
  return place.kind == Place::Kind::mount && (place.access & kLandlockWrite) != 0 && !place.target.starts_with("/dev/");
}

// A part of what is placed that is taken away again.
struct Cover {
  enum class Kind : uint8_t { hide, restrict, pin };  // mode-000 node | its own mount with fewer rights | its own mount
  Kind kind = Kind::hide;
  std::string target;
  bool directory = true;
  uint64_t attributes = 0;  // MOUNT_ATTR_* of kind restrict
  bool of_a_deny = true;    // of kind hide; otherwise a socket of the host's
};

struct GeneratedFile {
  std::string path;
  std::string content;
};

struct LimitValue {
  int resource;
  rlim_t value;
};

struct Layout {
  std::vector<Place> places;
  std::vector<Cover> covers;
  std::vector<Place> over;  // above the places and what is generated, covered with them: a command's own
  std::vector<GeneratedFile> files;
  std::string staging;       // tmpfs of the launcher's mount namespace: root, mask/{file,other,directory}
  std::string root_at;       // in it: where the root is built
  std::vector<Place> parts;  // /tmp, /dev/shm and the home: below whatever is placed
  dev_t private_device = 0;  // of the private space (private_space.h)

  uid_t uid = 1000;  // in the box
  gid_t gid = 1000;
  bool drop_groups = false;            // setgroups is permitted (root); else the caller's groups remain, unmapped
  std::vector<UniqueFd> cgroup_tasks;  // v1: `tasks` files to write "0" into
  std::vector<LimitValue> limits;
  std::string host_name = "box";
  std::string cwd;

  int landlock_abi = 0;  // 0: the policy degrades it
  bool memory_deny_write_execute = false;
  std::vector<sock_filter> filter;
  std::vector<sock_filter> rename_filter;  // empty: renames are not notified

  UniqueFd init;  // alos-init, open for execution
  UniqueFd stdio[3];
  bool listener = false;         // a socket for primitives, which is handed out
  bool hands_over_tree = false;  // and all mounts of the box, for the agent's identity
  bool terminal = false;
  uint8_t terminal_mask = 0;
  uint16_t rows = 24, columns = 80;
  UniqueFd control;  // the box's end of init's socket to the supervisor
  // Of alos-init: its words behind its name, and what it is executed with. The pointers are into the vectors' own
  // strings, which stay where they are when a layout is moved; NULL at the end.
  std::vector<std::string> words, environment;
  std::vector<char*> argv, env;
  Fault fault;
  int64_t* times = nullptr;  // see LaunchTimes
};

}  // namespace alos::box
