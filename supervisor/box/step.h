#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace alos::box {

// The steps of a launch, in their order. Each either succeeds or ends the launch: {step, object, errno} goes to the
// supervisor, nothing is logged and gone on from.
enum class Step : uint8_t {
  request,        // what the front sent is complete and agrees with the policy
  namespaces,     // the launcher's own mount (and user) namespace
  workspace,      // layer, copy or direct tree, mounted once
  sources,        // every host path of the policy opened and made a mount of its own
  masks,          // what denies match now
  cgroup,         // made, and its limits written
  clone,          // the box's first process
  identity_map,   // uid and gid map of its user namespace
  start,          // from here on in the box: the launcher's go was received
  become,         // the box's uid and gid, groups dropped; read back
  propagation,    // mounts of the box stay in it, and the host's new ones outside
  attach,         // into the cgroup, and a cgroup namespace rooted there
  root,           // an empty root
  private_space,  // /tmp, /dev/shm and the home
  proc,
  devices,
  listener,   // of the primitives, /dev/alos
  place,      // mounts of the policy
  mask,       // and what covers parts of them
  generated,  // /etc/passwd and the like
  pivot,
  network,  // loopback up
  host_name,
  terminal,  // a pty of the box's own
  limits,
  session,       // session, keyring, dumpable
  capabilities,  // all gone, for good
  privileges,    // no_new_privs, and MDWE where the policy says
  landlock,
  descriptors,
  seccomp,
  exec,
  report,  // outside: the supervisor has what it ends the box by
  // Not of a box:
  view,         // what is brokered, as a tree of its own
  personality,  // the agent's credentials on the file ring
};

std::string_view name(Step step);
inline constexpr int kLaunchSteps = static_cast<int>(Step::report) + 1;
inline constexpr int kSteps = static_cast<int>(Step::personality) + 1;

// Fault injection for the tests: the step that is to fail with the errno given, from ALOS_FAIL_STEP=name:errno. Read by
// the launcher before it takes any privilege; a launch that is made to fail can only end earlier. With errno 0 the step
// takes half a second more instead, so that something can be killed in the middle of it.
struct Fault {
  int step = -1;
  int error = 0;

  bool hits(Step at) const { return step == static_cast<int>(at) && error != 0; }
  // True once; the sleep is the caller's.
  bool delays(Step at) {
    if (step != static_cast<int>(at) || error != 0) return false;
    step = -1;
    return true;
  }
};

// What goes up from the box's side of a launch.
struct StepReport {
  enum class Kind : uint8_t {
    failed,
    terminal,    // these four with one descriptor: the pty's master
    listener,    // the socket at kSocketPath
    tree,        // all mounts of a box once more, detached
    view,        // of what is brokered (identify.h), detached
    files,       // value: of a personality, its second (identify.h)
    registered,  // value: of a personality; the last word
  };
  Kind kind = Kind::failed;
  Step step = Step::exec;
  int32_t error = 0;
  int32_t value = 0;
  std::array<char, 256> object{};  // NUL-terminated, cut if longer
};

}  // namespace alos::box
