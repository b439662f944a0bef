#include "supervisor/box/runs.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/clock.h"
#include "base/sys.h"
#include "supervisor/box/command.h"
#include "supervisor/box/compose.h"

namespace alos::box {
namespace {

constexpr size_t kRequestLimit = 4 << 20;

// As the front has it for the first box: a directory would be a way out, a socket could bring descriptors.
Result<void> check_stdio(const UniqueFd& fd) {
  const auto st = TRY(sys::fstat(fd.get()));
  if (S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISBLK(st.st_mode))
    return fail("run", "stdio", ENOTSUP, "a box takes pipes, files and character devices");
  return {};
}

Result<const policy::BoxCommand*> command_of(const policy::BoxPlan& plan, int32_t index,
                                             const std::vector<std::string>& argv) {
  if (plan.no_commands) return fail("run", "commands", EACCES, "the policy says 'commands: none'");
  if (argv.empty()) return fail("run", "argv", EINVAL);
  if (index < 0) return nullptr;
  if (static_cast<size_t>(index) >= plan.commands.size()) return fail("run", "command", ERANGE);
  const policy::BoxCommand& command = plan.commands[static_cast<size_t>(index)];
  TRY(check_command(plan, command, argv));
  return &command;
}

Result<BoxRequest> request_of(const Holder& holder, const LauncherOrder& order, std::vector<UniqueFd> fds) {
  if (fds.size() != 4) return fail("run", "descriptors", EBADMSG);
  auto text = TRY(decode<CommandRequest>(TRY(sys::read_file(fds[0].get(), kRequestLimit)), "command request"));
  BoxRequest out;
  out.command = TRY(command_of(holder.plan(), order.command, text.argv));
  out.program = std::move(text.program);
  out.argv = std::move(text.argv);
  out.env = std::move(text.env);
  out.cwd = std::move(text.cwd);
  for (size_t i = 0; i < 3; ++i) {
    TRY(check_stdio(fds[i + 1]));
    out.stdio[i] = std::move(fds[i + 1]);
  }
  return out;
}

}  // namespace

void send_report(const LauncherReport& report) {
  (void)sys::send_message(kLauncherSocket, std::as_bytes(std::span(&report, 1)));
}

Launched<void> hand_over(const LauncherReport& report, std::span<const int> fds, Trace& trace) {
  ALOS_STEP(trace, Step::report, Result<void>());  // what is made to fail is not sent first
  auto sent = sys::send_message(kLauncherSocket, std::as_bytes(std::span(&report, 1)), fds);
  if (!sent) return std::unexpected(LaunchError{Step::report, std::move(sent).error()});
  return {};
}

void send_failure(LauncherReport report, const LaunchError& error) {
  report.step = error.step;
  report.error = error.error.code;
  report.refused = error.error.operation == kRefused ? 1 : 0;
  report.say(report.refused != 0 ? error.error.hint : error.error.text());
  send_report(report);
}

void Runs::begin(const LauncherOrder& order, std::vector<UniqueFd> fds) {
  LauncherReport report;
  report.kind = LauncherReport::Kind::run_failed;
  report.run = order.run;
  const auto same = [&](const Run& run) { return run.number == order.run; };
  if (runs_.size() >= kMostRuns || std::ranges::any_of(runs_, same)) {
    send_failure(report, {Step::request,
                          {"run", std::to_string(order.run), EBUSY,
                           fmt::format("at most {} at a time, each with its number", kMostRuns)}});
    return;
  }
  if (auto started = start(order, std::move(fds)); !started) send_failure(report, started.error());
}

// A child that there is when something fails is in runs_, which tells of it.
Launched<void> Runs::start(const LauncherOrder& order, std::vector<UniqueFd> fds) {
  Trace trace{.fault = fault_};
  BoxRequest request = ALOS_STEP(trace, Step::request, request_of(holder_, order, std::move(fds)));
  Sources sources = ALOS_STEP(trace, Step::sources, open_all_sources(holder_));
  auto layout = compose(holder_, std::move(sources), std::move(request), trace, between_);
  if (!layout) return std::unexpected(std::move(layout).error());
  auto box = clone_box(holder_, *layout, trace);
  if (!box) return std::unexpected(std::move(box).error());
  if (auto released = release(holder_, *box, trace); !released) {
    give_up(*box);
    LauncherReport report;
    report.kind = LauncherReport::Kind::run_failed;
    report.run = order.run;
    report.pid = box->pid;
    send_failure(report, released.error());
    return {};
  }
  disk_.add(box->pid);
  runs_.push_back({order.run, std::move(*box)});
  return {};
}

bool Runs::look_at(Run& run) {
  if (run.runs) return false;  // by its pidfd
  const auto heard = hear(run.box);
  LauncherReport report;
  report.run = run.number;
  report.pid = run.box.pid;
  const auto failed = [&](const LaunchError& error) {
    give_up(run.box);
    report.kind = LauncherReport::Kind::run_failed;
    report.has_listener = 0;
    send_failure(report, error);
    return false;
  };
  if (!heard) return failed(heard.error());
  if (!*heard) return true;
  report.kind = LauncherReport::Kind::run_started;
  std::vector<int> fds{run.box.pidfd.get(), run.box.control.get()};
  if (run.box.handed.listener) fds.push_back(run.box.handed.listener.get());
  report.has_listener = run.box.handed.listener ? 1 : 0;
  Trace trace{.fault = fault_};
  if (const auto told = hand_over(report, fds, trace); !told) return failed(told.error());
  // Only the supervisor may hold init's socket: its end of file is what ends a box whose supervisor died.
  run.box.control.reset();
  run.box.report.reset();
  run.box.handed = {};
  run.runs = true;
  return true;
}

void Runs::end(uint32_t number) {
  for (const Run& run : runs_)
    if (run.number == number) give_up(run.box);
}

void Runs::add_to(std::vector<pollfd>& fds) const {
  for (const Run& run : runs_)
    fds.push_back({.fd = run.runs ? run.box.pidfd.get() : run.box.report.get(), .events = POLLIN, .revents = 0});
}

void Runs::look(std::span<const pollfd> fds) {
  auto at = fds.begin();
  for (auto run = runs_.begin(); run != runs_.end() && at != fds.end(); ++at) {
    if (at->revents == 0 || look_at(*run)) {
      ++run;
      continue;
    }
    disk_.remove(run->box.pid);
    run = runs_.erase(run);
  }
}

void Runs::end_all() {
  for (const Run& run : runs_) give_up(run.box);
  const int64_t until = boot_ns() + 5'000'000'000;
  for (const Run& run : runs_) {
    pollfd gone{.fd = run.box.pidfd.get(), .events = POLLIN, .revents = 0};
    ::poll(&gone, 1, static_cast<int>(std::max<int64_t>(0, (until - boot_ns()) / 1'000'000)));
  }
  runs_.clear();
}

}  // namespace alos::box
