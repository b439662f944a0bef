#pragma once

#include <sys/types.h>

#include "supervisor/box/layout.h"
#include "supervisor/box/reporter.h"

// The box's root, made in the child: system calls only, as in enter.h. Every step succeeds or ends the launch.
namespace alos::box {

struct Root {
  int fd;
  dev_t device;
  dev_t private_device;  // of what /tmp and the home are on
};

// A new file system that is mounted nowhere yet: a descriptor, or -1 with errno. `options` are pairs of key and value.
long mount_new(const char* type, const char* const (*options)[2], size_t count, uint64_t attributes);

// An empty tmpfs, mounted at a place of the launcher's.
Root make_root(const std::string& at, dev_t private_device, const Reporter& report);
// /tmp, /dev/shm and the home.
void place_private_space(const Layout& box, const Reporter& report, const Root& root);
void mount_proc(const Reporter& report, const Root& root);
void mount_devices(const Reporter& report, const Root& root);
// The socket at kSocketPath, handed out: the box has its name, and nobody in it the socket itself.
void open_listener(const Reporter& report, const Root& root);
// What the policy shows, in this order.
void place_all(const std::vector<Place>& places, const Reporter& report, const Root& root);
void write_files(const Layout& box, const Reporter& report, const Root& root);
// What it hides in there, and what procfs tells of the machine.
void cover_all(const Layout& box, const Reporter& report, const Root& root);
// The root becomes `/`, read-only, and the host's is gone.
void pivot(const Layout& box, const Reporter& report, const Root& root);

}  // namespace alos::box
