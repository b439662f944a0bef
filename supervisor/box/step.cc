#include "supervisor/box/step.h"

namespace alos::box {

std::string_view name(Step step) {
  switch (step) {
    case Step::request:
      return "request";
    case Step::namespaces:
      return "namespaces";
    case Step::workspace:
      return "workspace";
    case Step::sources:
      return "sources";
    case Step::masks:
      return "masks";
    case Step::cgroup:
      return "cgroup";
    case Step::clone:
      return "clone";
    case Step::identity_map:
      return "identity-map";
    case Step::start:
      return "start";
    case Step::become:
      return "become";
    case Step::propagation:
      return "propagation";
    case Step::attach:
      return "attach";
    case Step::root:
      return "root";
    case Step::private_space:
      return "private-space";
    case Step::proc:
      return "proc";
    case Step::devices:
      return "devices";
    case Step::listener:
      return "listener";
    case Step::place:
      return "place";
    case Step::mask:
      return "mask";
    case Step::generated:
      return "generated";
    case Step::pivot:
      return "pivot";
    case Step::network:
      return "network";
    case Step::host_name:
      return "host-name";
    case Step::terminal:
      return "terminal";
    case Step::limits:
      return "limits";
    case Step::session:
      return "session";
    case Step::capabilities:
      return "capabilities";
    case Step::privileges:
      return "privileges";
    case Step::landlock:
      return "landlock";
    case Step::descriptors:
      return "descriptors";
    case Step::seccomp:
      return "seccomp";
    case Step::exec:
      return "exec";
    case Step::report:
      return "report";
    case Step::view:
      return "view";
    case Step::personality:
      return "personality";
  }
  return "?";
}

}  // namespace alos::box
