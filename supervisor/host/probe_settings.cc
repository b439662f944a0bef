#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_ring.h"
#include "base/sys.h"
#include "supervisor/host/probe_parts.h"

namespace alos::host::parts {
namespace {

Outcome try_io_uring() {
  const auto ring = create_file_ring();
  if (ring) return worked();
  errno = ring.error().code;
  return failed(ring.error().operation);
}

Fact systemd_fact() {
  if (::access("/run/systemd/system", F_OK) == 0) return {.state = State::yes};
  return {.state = State::no, .detail = "not booted with systemd"};
}

// The user's manager owns a cgroup: scopes below it can be delegated (systemd.resource-control(5), Delegate=).
Fact delegation_fact(uid_t uid) {
  const std::string number = std::to_string(uid);
  const std::string path = "/sys/fs/cgroup/user.slice/user-" + number + ".slice/user@" + number + ".service";
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0)
    return {
        .state = State::no, .detail = "no manager of this user runs on cgroup v2", .remedy = "loginctl enable-linger"};
  if (st.st_uid != uid)
    return {.state = State::no,
            .detail = path + " belongs to someone else",
            .remedy = "set Delegate=yes for user@.service"};
  return {.state = State::yes, .detail = setting(path + "/cgroup.controllers")};
}

Fact shown(const std::string& path, std::string_view absent) {
  const std::string value = setting(path);
  return {.state = value.empty() ? State::no : State::yes,
          .detail = value.empty() ? std::string(absent) : path.substr(10) + " is " + value};
}

}  // namespace

Result<void> settings(Facts& facts) {
  const std::string disabled = setting("/proc/sys/kernel/io_uring_disabled");
  facts.io_uring = TRY(tried(
      0, try_io_uring, disabled == "1" || disabled == "2" ? "sysctl -w kernel.io_uring_disabled=0" : kNewerKernel));
  if (!facts.io_uring.there() && !disabled.empty())
    facts.io_uring.detail += ", kernel.io_uring_disabled is " + disabled;
  facts.ptrace_scope = shown("/proc/sys/kernel/yama/ptrace_scope", "not in this kernel");
  facts.tiocsti = shown("/proc/sys/dev/tty/legacy_tiocsti", "no switch for it in this kernel (6.2 has one)");
  facts.systemd = systemd_fact();
  facts.delegation = delegation_fact(facts.uid);
  return {};
}

}  // namespace alos::host::parts
