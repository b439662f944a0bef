#include "supervisor/host/broker_root.h"

#include <array>
#include <cerrno>
#include <string>

#include "base/sys.h"

namespace alos::host {
namespace {

Result<void> can_have_a_root() {
  struct Setting {
    const char *file, *remedy;
  };
  // The first is Debian's own; where a file is not there, nothing is forbidden by it.
  constexpr std::array kForbidding{
      Setting{"/proc/sys/kernel/unprivileged_userns_clone", "sysctl -w kernel.unprivileged_userns_clone=1"},
      Setting{"/proc/sys/user/max_user_namespaces", "sysctl -w user.max_user_namespaces=10000"}};
  for (const auto& [file, remedy] : kForbidding)
    if (const auto text = sys::read_file(file, 64); text && *text == "0\n")
      return fail("user namespace", "the broker's root", EPERM, std::string(file) + " is 0: " + remedy);
  return {};
}

}  // namespace

Result<NewFileRing> ring_for_broker(bool as_root) {
  if (as_root) TRY(can_have_a_root());
  return create_file_ring();
}

}  // namespace alos::host
