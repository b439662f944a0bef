#include "supervisor/host/action.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/print.h"
#include "base/sys.h"
#include "supervisor/audit/log.h"
#include "supervisor/host/ids.h"

namespace alos::host {
namespace {

Result<void> write_record(const std::string& directory, const audit::Record& record) {
  audit::Log log = TRY(audit::Log::open(directory));
  TRY(log.append(record));
  TRY(log.close());
  return {};
}

// The id that the supervisor has when root starts runs.
Result<uid_t> owner_of(const std::string& directory) {
  TRY(sys::make_dirs(directory, 0711));
  const UniqueFd fd = TRY(sys::open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const auto st = TRY(sys::fstat(fd.get()));
  if (st.st_uid != 0) return st.st_uid;
  TRY(sys::fchmod(fd.get(), 0700));
  TRY(sys::fchown(fd.get(), kSupervisorId, kSupervisorId));
  return kSupervisorId;
}

}  // namespace

Result<void> record_action(const std::string& state, const audit::Record& record) {
  const std::string directory = state + "/audit";
  if (::geteuid() != 0) return write_record(directory, record);
  const uid_t owner = TRY(owner_of(directory));
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", "audit");
  if (pid == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(owner, owner, owner) != 0 || ::setresuid(owner, owner, owner) != 0)
      ::_exit(EPERM);
    const auto written = write_record(directory, record);
    if (!written) alos::print_error("alos: {}\n", written.error().text());
    ::_exit(written ? 0 : written.error().code != 0 ? written.error().code : EIO);
  }
  const int status = TRY(sys::wait_for(pid));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail("audit", directory, WIFEXITED(status) ? WEXITSTATUS(status) : EIO, "nothing is done unrecorded");
}

}  // namespace alos::host
