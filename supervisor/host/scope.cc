#include "supervisor/host/scope.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/child.h"
#include "base/clock.h"
#include "base/paths.h"
#include "base/sys.h"

namespace alos::host {
namespace {

using box::Foothold;

Result<void> settle(const std::string& group) {
  const std::string leaf = group + "/" + std::string(box::kLeaf);
  if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("mkdir", leaf);
  const UniqueFd procs = TRY(sys::open(leaf + "/cgroup.procs", O_WRONLY));
  if (::write(procs.get(), "0", 1) != 1) return fail_errno("write", leaf + "/cgroup.procs");  // 0: the writer
  return {};
}

// org.freedesktop.systemd1(5): StartTransientUnit(name, mode, properties a(sv), aux a(sa(sv))). PIDs are moved into the
// scope by the manager, which may ask the system's to, where this user could not. A scope that ended badly goes away
// too.
std::vector<std::string> words_for(const std::string& busctl, const std::string& scope) {
  return {busctl,
          "--user",
          "--quiet",
          "--timeout=5",
          "call",
          "org.freedesktop.systemd1",
          "/org/freedesktop/systemd1",
          "org.freedesktop.systemd1.Manager",
          "StartTransientUnit",
          "ssa(sv)a(sa(sv))",
          scope,
          "fail",
          "4",
          "PIDs",
          "au",
          "1",
          std::to_string(::getpid()),
          "Delegate",
          "b",
          "true",
          "CollectMode",
          "s",
          "inactive-or-failed",
          "Description",
          "s",
          "a run of alos",
          "0"};
}

// Runs it to its end; what it said is the error's hint.
Result<void> call(std::vector<std::string> words, const std::string& object, int wait_ms) {
  sys::Pair said = TRY(sys::pipe());
  const std::vector<char*> argv = sys::pointers_to(words);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", object);
  if (pid == 0) {
    const int null = ::open("/dev/null", O_RDWR);
    if (::dup2(null, 0) < 0 || ::dup2(null, 1) < 0 || ::dup2(said.b.get(), 2) < 0) ::_exit(127);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  said.b.reset();
  const UniqueFd pidfd = TRY(sys::pidfd_open(pid));
  std::string text;
  const int64_t until = boot_ns() + int64_t{wait_ms} * 1'000'000;
  for (;;) {
    pollfd ready{.fd = said.a.get(), .events = POLLIN, .revents = 0};
    const int64_t left_ms = (until - boot_ns()) / 1'000'000;
    if (left_ms <= 0 || ::poll(&ready, 1, static_cast<int>(left_ms)) == 0) {
      (void)sys::pidfd_signal(pidfd.get(), SIGKILL);
      break;
    }
    char buffer[512];
    const ssize_t n = ::read(said.a.get(), buffer, sizeof buffer);
    if (n == 0) break;
    if (n > 0 && text.size() < 2048) text.append(buffer, static_cast<size_t>(n));
  }
  const int status = TRY(sys::wait_for(pid));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  while (text.ends_with('\n')) text.pop_back();
  return fail("scope", object, WIFSIGNALED(status) ? ETIMEDOUT : EREMOTEIO,
              text.empty() ? "the user's manager did not answer" : printable_text(text));
}

// The answer to the call says that the job is queued; that it is done shows in this process's own group.
Result<void> wait_for_scope(const std::string& scope, const ScopeRequest& request) {
  const int64_t until = boot_ns() + int64_t{request.wait_ms} * 1'000'000;
  for (;;) {
    if (TRY(box::unified_path(request.files)).ends_with("/" + scope)) return {};
    if (boot_ns() > until)
      return fail("scope", scope, ETIMEDOUT, "the user's manager did not move this process into it");
    const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

bool in_need(const box::Machine& machine, const std::vector<box::Limit>& limits) {
  return !box::unheld(box::who_holds(box::as_it_is(machine)), limits).empty();
}

}  // namespace

Result<void> stand_where_limits_hold(const std::string& run, const std::vector<box::Limit>& limits,
                                     const ScopeRequest& request) {
  // Where controllers are in v1, v2 has none that could be handed down.
  if (limits.empty() || TRY(box::has_v1_controllers(request.files))) return {};
  const box::Machine machine = TRY(box::read_machine(request.files));
  if (!in_need(machine, limits)) return {};
  const Foothold foothold = box::find_foothold(machine);
  if (foothold.kind == Foothold::Kind::settle) return settle(foothold.directory);
  if (foothold.kind != Foothold::Kind::ask) return {};
  std::string scope = "alos-" + run + ".scope";
  std::ranges::replace(scope, '_', '-');
  TRY(call(words_for(request.files.busctl, scope), scope, request.wait_ms));
  TRY(wait_for_scope(scope, request));
  const box::Machine now = TRY(box::read_machine(request.files));
  if (!now.view.own || !now.view.own->writable)
    return fail("scope", scope, EACCES, "the user's manager did not delegate it");
  return settle(now.view.own->directory);
}

}  // namespace alos::host
