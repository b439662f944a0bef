#include "supervisor/host/command_runs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/sys.h"
#include "shim/init/protocol.h"
#include "supervisor/box/spec.h"

namespace alos::host {
namespace {

using box::LauncherOrder;
using box::LauncherReport;

Result<void> order_run(const UniqueFd& launcher, uint32_t number, const broker::WantRun& wanted,
                       std::span<const UniqueFd> stdio) {
  if (!launcher) return fail("run", "launcher", ESRCH);
  if (stdio.size() != 3) return fail("run", "stdio", EBADMSG);
  box::CommandRequest request;
  request.program = wanted.program;
  request.argv = wanted.argv;
  request.env = wanted.env;
  request.cwd = wanted.cwd;
  const UniqueFd text = TRY(sys::memfd("command", encode(request), true));
  LauncherOrder order;
  order.kind = LauncherOrder::Kind::run;
  order.run = number;
  order.command = wanted.command;
  const int fds[] = {text.get(), stdio[0].get(), stdio[1].get(), stdio[2].get()};
  return sys::send_message(launcher.get(), std::as_bytes(std::span(&order, 1)), fds);
}

}  // namespace

void CommandRuns::want(const UniqueFd& launcher, const broker::WantRun& wanted, std::vector<UniqueFd> stdio) {
  const std::string name = std::to_string(wanted.run);
  auto ordered = find(wanted.run) != runs_.end() ? fail("run", name, EEXIST)
                 : runs_.size() >= kMost         ? fail("run", name, EBUSY, "too many are under way")
                                                 : order_run(launcher, last_ + 1, wanted, stdio);
  if (!ordered) {
    (void)told_.started({wanted.run, ordered.error().code, ordered.error().text()}, {});
    return;
  }
  Run& run = runs_[++last_];
  run.asked = wanted.run;
  run.elevated = wanted.command >= 0;
}

std::map<uint32_t, CommandRuns::Run>::iterator CommandRuns::find(uint32_t asked) {
  return std::ranges::find_if(runs_, [&](const auto& one) { return one.second.asked == asked; });
}

void CommandRuns::end(const UniqueFd& launcher, uint32_t asked) {
  if (const auto found = find(asked); found != runs_.end()) end(launcher, found->first, found->second);
}

void CommandRuns::end(const UniqueFd& launcher, uint32_t number, Run& run) {
  if (run.over) return;
  LauncherOrder order;
  order.kind = LauncherOrder::Kind::end_run;
  order.run = number;
  if (launcher) (void)sys::send_message(launcher.get(), std::as_bytes(std::span(&order, 1)));
  // A second way: init ends at the end of its socket. One that has not started yet is ended when it is told of.
  run.control.reset();
  run.over = true;
}

void CommandRuns::end_all(const UniqueFd& launcher) {
  for (auto& [number, run] : runs_) {
    end(launcher, number, run);
    run.asked.reset();
  }
}

void CommandRuns::tell_failed(const Run& run, int error, std::string text, bool refused) {
  if (run.asked) (void)told_.started({*run.asked, error, std::move(text), refused}, {});
}

void CommandRuns::abandon() {
  std::erase_if(runs_, [&](const auto& one) {
    if (one.second.pidfd) return false;
    tell_failed(one.second, ECANCELED, "the run is over");
    return true;
  });
}

void CommandRuns::heard(const LauncherReport& report, std::vector<UniqueFd> fds) {
  const auto found = runs_.find(report.run);
  if (report.kind == LauncherReport::Kind::run_failed) {
    if (report.pid > 0) ::waitpid(report.pid, nullptr, __WALL);
    if (found == runs_.end()) return;
    tell_failed(found->second, report.error == 0 ? EIO : report.error, report.text.data(), report.refused != 0);
    runs_.erase(found);
    return;
  }
  if (found == runs_.end() || fds.size() != (report.has_listener ? 3U : 2U)) return;
  Run& run = found->second;
  run.pidfd = std::move(fds[0]);
  run.init = report.pid;
  // Its end alone: init's is another open file. Nothing of an agent's making is ever waited for here.
  if (!run.over && ::fcntl(fds[1].get(), F_SETFL, O_NONBLOCK) == 0) run.control = std::move(fds[1]);
  // A run with more rights does not speak for the agent, who could have it do so by its arguments.
  UniqueFd listener;
  if (report.has_listener && !run.elevated) listener = std::move(fds[2]);
  fds.clear();
  if (run.asked)
    if (const auto told = told_.started({*run.asked, 0, "", false}, std::move(listener)); !told) {
      tell_failed(run, told.error().code, told.error().text());
      run.asked.reset();
      run.control.reset();  // it ends by that
      run.over = true;
    }
  const init::Order go{.kind = init::Order::Kind::go, .value = 0};
  run.released = run.control && sys::send_message(run.control.get(), std::as_bytes(std::span(&go, 1)));
}

std::vector<pid_t> CommandRuns::inits() const {
  std::vector<pid_t> out;
  for (const auto& [number, run] : runs_) out.push_back(run.init);
  return out;
}

void CommandRuns::add_to(std::vector<pollfd>& fds) {
  polled_.clear();
  for (const auto& [number, run] : runs_) {
    polled_.push_back(number);
    fds.push_back({.fd = run.control ? run.control.get() : -1, .events = POLLIN, .revents = 0});
    fds.push_back({.fd = run.pidfd ? run.pidfd.get() : -1, .events = POLLIN, .revents = 0});
  }
}

bool CommandRuns::from_init(Run& run) {
  init::Report report;
  auto got = sys::receive_message(run.control.get(), std::as_writable_bytes(std::span(&report, 1)), 0);
  if (!got && got.error().code == EAGAIN) return false;
  if (!got || got->size != sizeof report) {
    run.control.reset();
    return false;
  }
  if (report.kind == init::Report::Kind::started) run.executed = true;
  if (report.kind == init::Report::Kind::not_started || report.kind == init::Report::Kind::ended) {
    run.status = report.value;
    run.told = true;
  }
  return true;
}

void CommandRuns::reap(uint32_t number, Run& run) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(run.pidfd.get()), &info, WEXITED | WNOHANG | __WALL) == 0 && info.si_pid == 0)
    return;
  while (run.control && from_init(run)) {  // its last words may still be unread
  }
  // Ended from outside: as the kernel would say of the program, where there may have been one.
  if (!run.told) run.status = run.released ? SIGKILL : ECANCELED;
  if (run.asked) told_.ended({*run.asked, run.executed || (run.released && !run.told), run.status});
  runs_.erase(number);
}

void CommandRuns::look(std::span<const pollfd> fds) {
  for (size_t i = 0; i < polled_.size() && 2 * i + 1 < fds.size(); ++i) {
    const auto found = runs_.find(polled_[i]);
    if (found == runs_.end()) continue;
    if (fds[2 * i].revents != 0 && found->second.control) (void)from_init(found->second);
    if (fds[2 * i + 1].revents != 0 && found->second.pidfd) reap(polled_[i], found->second);
  }
}

}  // namespace alos::host
