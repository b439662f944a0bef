#include "supervisor/host/supervise.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/paths.h"
#include "base/print.h"
#include "base/sys.h"
#include "shim/init/protocol.h"
#include "supervisor/box/launch_times.h"
#include "supervisor/box/protocol.h"
#include "supervisor/host/crashes.h"
#include "supervisor/host/events.h"
#include "supervisor/host/inside.h"
#include "supervisor/host/pump.h"
#include "supervisor/host/reap.h"
#include "supervisor/host/registry.h"
#include "supervisor/host/relay.h"
#include "supervisor/host/run_clock.h"
#include "supervisor/host/run_record.h"
#include "supervisor/host/say.h"
#include "supervisor/host/serving.h"
#include "supervisor/host/slow_launch.h"

namespace alos::host {
namespace {

constexpr const char* kDiskFull =
    "the disk below what the box wrote had no space left: its writes were answered ENOSPC; free space there";

using box::LauncherReport;
using nlohmann::ordered_json;

// What `alos kill --now` sends: end the box without asking the program.
const int kKillNow = SIGRTMIN;

class Supervisor {
 public:
  explicit Supervisor(SupervisorOrder order)
      : order_(std::move(order)),
        launcher_(order_.launcher),
        events_(order_.events >= 0 ? Events(UniqueFd(order_.events)) : Events()),
        verdict_(order_.verdict),
        clock_(order_.clock, UniqueFd(order_.clock_orders)),
        times_(UniqueFd(order_.times)),
        run_lock_(order_.run_lock),
        layer_lock_(order_.layer_lock),
        id_lock_(order_.id_lock),
        home_lock_(order_.home_lock),
        serving_(order_, launcher_, UniqueFd(order_.ring), record_, events_, clock_) {}

  int run() {
    started_ns_ = boot_ns();
    times_.mark("supervisor.main");
    watch_signals();
    (void)sys::raise_open_files();  // for as many as a message can have, here and in the broker (base/let_go.h)
    if (auto ready = record_.intent(order_); !ready) return refuse(ready.error());
    times_.mark("supervisor.intent-recorded");
    while (!over()) step();
    return finish();
  }

 private:
  // ---- audit ----

  // Nothing runs unrecorded: the box, which waits for its go, is ended by the closing of everything it waits on.
  int refuse(const Error& error) {
    alos::print_error("alos: not started: the audit log cannot be written: {}\n", error.text());
    ending_ = {.reason = "failed", .what = "audit", .code = kNotRun, .executed = false};
    (void)order_launcher(box::LauncherOrder::Kind::kill);
    launcher_.reset();
    reap_launcher(order_.launcher_pid, launcher_stuck_);
    emit_end();
    unregister_run(order_.run_directory);
    return kNotRun;
  }

  void record_end() {
    record_.write_counts(order_);
    const RunRecord::Totals totals{.wall_ms = wall_ms(),
                                   .usage = usage_,
                                   .not_held = given_up_,
                                   .records_refused = records_refused(),
                                   .lost_records = serving_.lost_records()};
    const auto recorded = record_.end(order_, *ending_, totals);
    if (!recorded) {
      unrecorded_ = recorded.error().text();
      say(fmt::format("alos: the end of this run could not be recorded: {}\n", unrecorded_));
    }
    constexpr auto kMissing = "alos: {} denials and outcomes of this run found no room in the audit log{}\n";
    if (totals.records_refused > 0)
      say(fmt::format(kMissing, totals.records_refused, recorded ? "; run.end has their number" : ""));
  }

  uint64_t wall_ms() const { return static_cast<uint64_t>((boot_ns() - started_ns_) / 1'000'000); }

  // ---- the loop ----

  bool over() const { return box_gone_ && launcher_done_; }

  void step() {
    std::vector<pollfd> fds{
        {.fd = launcher_ ? launcher_.get() : -1, .events = POLLIN, .revents = 0},
        {.fd = control_ ? control_.get() : -1, .events = POLLIN, .revents = 0},
        {.fd = pidfd_ && !box_gone_ ? pidfd_.get() : -1, .events = POLLIN, .revents = 0},
        {.fd = signals_.get(), .events = POLLIN, .revents = 0},
        {.fd = relay_ && relay_->wants_input() ? relay_->input() : -1, .events = POLLIN, .revents = 0},
        {.fd = relay_ && relaying_ && relay_->wants_output() ? relay_->master() : -1, .events = POLLIN, .revents = 0},
        {.fd = relay_ && relay_->wants_write() ? relay_->master() : -1, .events = POLLOUT, .revents = 0},
        {.fd = relay_ ? relay_->output() : -1, .events = POLLOUT, .revents = 0},
    };
    const size_t own = fds.size();
    serving_.add_to(fds);
    if (::poll(fds.data(), fds.size(), timeout_ms()) < 0 && errno != EINTR) return lost("poll");
    if (fds[1].revents != 0) from_init();
    if (fds[0].revents != 0) from_launcher();
    if (fds[3].revents != 0) from_signals();
    if (fds[4].revents != 0) relay_->from_terminal();
    if (fds[5].revents != 0 && relay_) relaying_ = relay_->from_box();
    if (fds[6].revents != 0 && relay_) relay_->to_box();
    if (fds[7].revents != 0 && relay_) relay_->to_terminal();
    serving_.look(std::span(fds).subspan(own));
    if (fds[2].revents != 0) reap_box();
    check_deadlines();
  }

  int timeout_ms() const {
    std::optional<int64_t> until;
    const auto earlier = [&](int64_t at) { until = until ? std::min(*until, at) : at; };
    if (order_.wall_ms && !box_gone_ && !clock_.is_given()) earlier(wall_end_ns());
    if (const auto look = serving_.next_look_ns()) earlier(*look);
    if (give_up_ns_ != 0) earlier(give_up_ns_);
    if (next_beat_ns_ != 0) earlier(next_beat_ns_);
    if (launching_) earlier(started_ns_ + kSlowLaunchNs);
    if (!until) return -1;
    return static_cast<int>(std::clamp<int64_t>((*until - boot_ns()) / 1'000'000 + 1, 0, 60'000));
  }

  void check_deadlines() {
    const int64_t now = boot_ns();
    if (next_beat_ns_ != 0 && now >= next_beat_ns_) {
      record_.beat();
      next_beat_ns_ = now + RunMark::kBeatNs;
    }
    if (const auto look = serving_.next_look_ns(); look && now >= *look)
      serving_.look_at_time(order_.wall_ms ? std::optional(wall_end_ns()) : std::nullopt);
    if (order_.wall_ms && !ending_ && !box_gone_ && clock_.now_ns() >= wall_end_ns()) {
      limit_reached("wall");
      end_box();
    }
    if (launching_ && now >= started_ns_ + kSlowLaunchNs) say_that_it_takes_long();
    if (give_up_ns_ != 0 && now >= give_up_ns_) {
      // The launcher does not answer; its janitor cleans what it leaves.
      launcher_.reset();
      launcher_done_ = launcher_stuck_ = true;
      if (!pidfd_) box_gone_ = true;
    }
  }

  int64_t wall_end_ns() const { return clock_.begun_ns() + static_cast<int64_t>(*order_.wall_ms) * 1'000'000; }

  void say_that_it_takes_long() {
    launching_ = false;
    const std::string at_work = children_at_work();
    say(fmt::format("alos: the box is still being made after {} s: {}; interrupt to give up\n", wall_ms() / 1000,
                    at_work.empty() ? "what keeps it cannot be seen" : at_work));
    events_.write("launching", {{"waited_ms", wall_ms()}, {"processes", at_work}});
  }

  void give_up_in(int64_t seconds) {
    if (give_up_ns_ == 0) give_up_ns_ = boot_ns() + seconds * 1'000'000'000;
  }

  void lost(std::string_view what) {
    end_with({.reason = "lost", .what = std::string(what), .code = kNotRun, .executed = executed_});
    end_box();
    launcher_done_ = true;
    if (!pidfd_) box_gone_ = true;
  }

  void end_with(Ending ending) {
    if (!ending_) ending_ = std::move(ending);
  }

  // `text`: as the launcher reports it, on a second line a reason where there is one.
  void limit_reached(const std::string& text) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string which = text.substr(0, end);
    const std::string why = end == text.size() ? "" : text.substr(end + 1);
    if (!ending_) limit_reason_ = why;
    end_with({.reason = "limit", .what = which, .code = kLimitReached, .executed = executed_});
    ordered_json event{{"limit", which}, {"value", limit_value(which)}};
    if (!why.empty()) event["reason"] = why;
    events_.write("limit", event);
  }

  std::string disk_full_reason() const {
    if (limit_value("disk-by") != "image") return kDiskFull;
    return fmt::format("limit 'disk' ({}) was reached: the layer's image is full, and writes were answered ENOSPC",
                       limit_value("disk"));
  }

  // The box goes on: what it makes of ENOSPC is its own.
  void disk_full() {
    disk_full_ = true;
    events_.write("limit", {{"limit", "disk"}, {"value", limit_value("disk")}, {"reason", disk_full_reason()}});
  }

  std::string limit_value(const std::string& which) const {
    const auto found = order_.limits.find(which);
    return found == order_.limits.end() ? "" : found->second;
  }

  // ---- the launcher ----

  Result<void> order_launcher(box::LauncherOrder::Kind what) {
    const box::LauncherOrder order{.kind = what};
    return sys::send_message(launcher_.get(), std::as_bytes(std::span(&order, 1)));
  }

  void from_launcher() {
    launching_ = false;
    LauncherReport report;
    auto got = sys::receive_message(launcher_.get(), std::as_writable_bytes(std::span(&report, 1)), 8);
    if (!got || got->size != sizeof report) {
      // The launcher is gone without a word. Init still answers to the socket that is held here: closing it ends the
      // box.
      launcher_.reset();
      launcher_done_ = true;
      end_with({.reason = "lost", .what = "launcher", .code = kNotRun, .executed = executed_});
      control_.reset();
      if (!pidfd_) box_gone_ = true;
      return;
    }
    report.text.back() = '\0';
    switch (report.kind) {
      case LauncherReport::Kind::started:
        return box_started(report, std::move(got->fds));
      case LauncherReport::Kind::failed:
        return launch_failed(report);
      case LauncherReport::Kind::full:
        return disk_full();
      case LauncherReport::Kind::limit:
        return limit_reached(report.text.data());
      case LauncherReport::Kind::ended:
        usage_ = report;
        launcher_done_ = true;
        launcher_.reset();
        return;
      case LauncherReport::Kind::identity:
      case LauncherReport::Kind::identity_failed:
      case LauncherReport::Kind::run_started:
      case LauncherReport::Kind::run_failed:
        return serving_.heard(report, std::move(got->fds));
    }
  }

  void launch_failed(const LauncherReport& report) {
    const std::string step(box::name(report.step));
    alos::print_error("alos: cannot start {}: step '{}': {}\n", order_.policy, step, report.text.data());
    say_if_inside_of_a_box();
    end_with({.reason = "failed", .what = "step " + step, .code = kNotRun, .executed = false});
    failed_text_ = report.text.data();
    launcher_done_ = box_gone_ = true;
  }

  void box_started(const LauncherReport& report, std::vector<UniqueFd> fds) {
    const size_t before_terminal = report.has_listener ? 3 : 2;
    if (fds.size() != before_terminal + (order_.terminal_mask != 0 ? 1 : 0)) return lost("launcher's message");
    pidfd_ = std::move(fds[0]);
    control_ = std::move(fds[1]);
    if (report.has_listener) serving_.begin(std::move(fds[2]), report.pid);
    if (order_.terminal_mask != 0) {
      output_ = open_output();
      relay_.emplace(std::move(fds.back()), order_.terminal_mask, output_ ? output_.get() : -1);
      relaying_ = true;
    }
    given_up_ = report.text.data();
    can_freeze_ = report.can_freeze != 0;
    if (!ending_) {
      say_at_start();
      register_box(report.pid);
      send_init(init::Order::Kind::go, 0);
      going_ = true;
      times_.mark("supervisor.go");
    }
  }

  // What holds less than the policy's words, and what the program will find already there.
  void say_at_start() {
    if (!given_up_.empty()) alos::print_error("alos: not held in this run, as degraded: {}\n", given_up_);
    for (const std::string& notice : order_.notices) alos::print_error("alos: {}\n", notice);
    if (!order_.continued_since.empty())
      alos::print_error(
          "alos: continuing changes that are pending since {} ('alos diff' shows them, --fresh drops them)\n",
          order_.continued_since);
  }

  UniqueFd open_output() {
    auto fd = sys::open(order_.run_directory + "/output.log", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    return fd ? std::move(*fd) : UniqueFd();
  }

  void register_box(pid_t pid) {
    RunInfo info;
    info.id = order_.run;
    info.name = order_.name;
    info.policy = order_.policy;
    info.policy_hash = order_.policy_hash;
    info.about = order_.about;
    info.workspace = order_.workspace;
    info.workspace_mode = order_.workspace_mode;
    info.argv = shown_command(order_.argv);
    info.started_ns = wall_ns();
    info.supervisor = ::getpid();
    info.box = pid;
    info.wall_ms = order_.wall_ms.value_or(0);
    info.degraded = order_.degraded;
    info.where = here();
    if (auto mark = record_.mark(order_.marks_directory, info); !mark)
      alos::print_error("alos: should this run crash, nobody will be told: {}\n", mark.error().text());
    next_beat_ns_ = boot_ns() + RunMark::kBeatNs;
    if (auto written = write_info(order_.run_directory, info); !written)
      alos::print_error("alos: this run will not be in 'alos ps': {}\n", written.error().text());
  }

  // ---- the box ----

  void send_init(init::Order::Kind kind, int value) {
    if (!control_) return;
    const init::Order order{.kind = kind, .value = value};
    (void)sys::send_message(control_.get(), std::as_bytes(std::span(&order, 1)));
  }

  void from_init() {
    init::Report report;
    auto got = sys::receive_message(control_.get(), std::as_writable_bytes(std::span(&report, 1)), 0);
    if (!got || got->size != sizeof report) {
      control_.reset();  // init is ending; its pidfd says when it has
      return;
    }
    switch (report.kind) {
      case init::Report::Kind::started:
        return program_started();
      case init::Report::Kind::not_started:
        return program_missing(report.value);
      case init::Report::Kind::stopped:
        return events_.write_repeated("stopped", {{"signal", report.value}}, ++stops_);
      case init::Report::Kind::continued:
        return events_.write_repeated("continued", ordered_json::object(), ++continues_);
      case init::Report::Kind::ended:
        return program_ended(report.value);
    }
  }

  void program_started() {
    executed_ = true;
    times_.mark("supervisor.program-started");
    events_.write("started", {{"run", order_.run},
                              {"name", order_.name},
                              {"policy", order_.policy},
                              {"policy_hash", order_.policy_hash},
                              {"argv", order_.argv},
                              {"workspace", order_.workspace},
                              {"mode", order_.workspace_mode},
                              {"clock", clock_.is_given() ? "virtual" : "real"},
                              {"script", order_.script_lines},
                              {"not_held", given_up_},
                              {"continued_since", order_.continued_since},
                              {"notices", order_.notices}});
  }

  void program_ended(int status) {
    times_.mark("supervisor.program-ended");
    if (WIFEXITED(status)) {
      end_with({.reason = "exit", .what = "", .code = WEXITSTATUS(status), .executed = true});
    } else {
      killed_by_ = WTERMSIG(status);
      const char* const name = sigabbrev_np(killed_by_);
      end_with({.reason = "signal", .what = name ? name : "?", .code = 128 + killed_by_, .executed = true});
    }
  }

  void program_missing(int error) {
    const std::string& program = order_.argv[0];
    const std::string text = why_not_started(program, error, order_.outside);
    alos::print_error("alos: {}\n", text);
    failed_text_ = text;
    end_with({.reason = "not-started",
              .what = printable(program),
              .code = error == ENOENT ? kNotFound : kNotExecutable,
              .executed = false});
  }

  void end_box() {
    if (launcher_) (void)order_launcher(box::LauncherOrder::Kind::kill);
    // A second way, for a launcher that does not answer: init ends at the end of its socket.
    control_.reset();
    give_up_in(10);
  }

  void reap_box() {
    siginfo_t info{};
    // P_PIDFD (5.4); exit_signal 0 makes it a clone child: __WALL.
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | __WALL) != 0 && errno == EINTR) return;
    times_.mark("supervisor.box-reaped");
    while (control_) from_init();  // its last words may still be unread
    box_gone_ = true;
    serving_.box_is_gone();
    if (relay_) relay_->drain();
    end_with({.reason = "killed", .what = "", .code = 128 + SIGKILL, .executed = executed_});
    give_up_in(10);
  }

  // ---- signals ----

  void watch_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, kKillNow})
      sigaddset(&set, signal);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGTTOU, SIG_IGN);  // modes are set from the background too, when a shell puts the run there
    signals_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  void from_signals() {
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGWINCH) {
        if (relay_) relay_->resize();
      } else if (signal == SIGTSTP) {
        stop_with_program();
      } else if (signal == kKillNow) {
        end_with({.reason = "killed", .what = "by operator", .code = 128 + SIGKILL, .executed = executed_});
        end_box();
      } else if (control_ && going_) {
        // Also before init has said that the program runs: it reads its orders after it started it.
        send_init(init::Order::Kind::signal, signal);
      } else {
        end_with({.reason = "signal", .what = sigabbrev_np(signal), .code = 128 + signal, .executed = false});
        end_box();
      }
    }
  }

  // Frozen where the box has a group for it; by signals elsewhere, and then jobs that were stopped before go on, too.
  enum class Pause : uint8_t { begin, end };
  void pause_box(Pause pause) {
    if (can_freeze_ && launcher_)
      (void)order_launcher(pause == Pause::begin ? box::LauncherOrder::Kind::freeze : box::LauncherOrder::Kind::thaw);
    else
      send_init(init::Order::Kind::signal_all, pause == Pause::begin ? SIGSTOP : SIGCONT);
  }

  // The program leads a session of its own, where a terminal's stop signals do nothing: it is stopped for real.
  void stop_with_program() {
    pause_box(Pause::begin);
    if (relay_) relay_->suspend();
    ::raise(SIGSTOP);
    if (relay_) relay_->resume();
    pause_box(Pause::end);
  }

  // ---- the end ----

  void account_for_memory() {
    if (usage_.memory_kills == 0 || !ending_) return;
    // The kernel ended something of the box; when that was the program, memory is the cause.
    if (ending_->reason == "killed" || (ending_->reason == "signal" && killed_by_ == SIGKILL)) {
      ending_.reset();
      limit_reached("memory");
    } else {
      events_.write("limit",
                    {{"limit", "memory"}, {"value", limit_value("memory")}, {"processes_ended", usage_.memory_kills}});
    }
  }

  // The run went on; a program that swallowed a denial and ended with 0 does not make it one that went well.
  void fail_on_denials() {
    const auto& calls = serving_.calls();
    const bool unknown = serving_.lost_records();
    if (unknown)
      say("alos: a broker of this run ended before it had said everything: what it denied may not be recorded\n");
    if (!order_.fail_on_deny || !calls || (calls->denied() == 0 && !unknown)) return;
    failed_on_deny_ = true;
    if (ending_->reason == "exit" && ending_->code == 0) ending_->code = kDenied;
    say(calls->denied() > 0 ? "alos: --fail-on deny: " + calls->denials_said()
                            : "alos: --fail-on deny: fails, for what is not known was perhaps denied\n");
  }

  int finish() {
    Carriers carriers(order_.output_carriers, signals_.get());
    carriers.box_is_gone();  // before the end is recorded: nothing comes after it
    relay_.reset();          // the caller's terminal is its own again before anything is said
    serving_.end();
    account_for_memory();
    fail_on_denials();
    if (usage_.fork_refusals > 0)
      events_.write("limit",
                    {{"limit", "processes"}, {"value", limit_value("processes")}, {"refused", usage_.fork_refusals}});
    if (disk_full_) say(fmt::format("alos: {}\n", disk_full_reason()));
    if (ending_->reason == "limit")
      say(fmt::format("alos: ended by limit '{}' ({}){}{}\n", ending_->what, limit_value(ending_->what),
                      limit_reason_.empty() ? "" : ": ", printable_text(limit_reason_)));
    if (ending_->reason == "lost")
      say(fmt::format("alos: ended: the {} of this run is gone; the box was ended with it\n", ending_->what));
    launcher_.reset();
    times_.mark("supervisor.launcher-reported");
    reap_launcher(order_.launcher_pid, launcher_stuck_);
    if (!pidfd_) reap_unfinished_box();
    times_.mark("supervisor.launcher-gone");
    record_end();
    times_.mark("supervisor.end-recorded");
    emit_end();
    unregister_run(order_.run_directory);
    times_.mark("supervisor.end");
    times_.write();
    if (verdict_ && ending_->executed)
      (void)sys::write_all(verdict_.get(), kRan + (order_.layer.empty() ? std::string() : order_.workspace));
    // The caller may look at what the run wrote as soon as this process is gone. Of a program that ended by itself
    // everything arrives, as in any pipeline; what was ended is over soon.
    const bool by_itself = ending_->reason == "exit" || ending_->reason == "signal";
    carriers.wait(by_itself ? Carriers::Patience::unbounded : Carriers::Patience::short_one,
                  {SIGINT, SIGTERM, SIGHUP, SIGQUIT, kKillNow});
    return ending_->code;
  }

  uint64_t records_refused() const { return serving_.calls() ? serving_.calls()->refused() : 0; }

  void emit_end() {
    ordered_json end{{"reason", ending_->reason}, {"code", ending_->code}, {"executed", ending_->executed}};
    if (!ending_->what.empty()) end["what"] = ending_->what;
    if (!failed_text_.empty()) end["error"] = failed_text_;
    if (failed_on_deny_) end["failed_on"] = "deny";
    if (clock_.is_given())
      end["clock"] = {{"now", rfc3339(clock_.wall_ns())}, {"moved_ms", clock_.moved_ns() / 1'000'000}};
    end["counts"] = {{"wall_ms", wall_ms()},
                     {"cpu_ms", usage_.cpu_ms},
                     {"memory_peak", usage_.memory_peak},
                     {"processes_peak", usage_.processes_peak},
                     {"processes_ended_by_memory", usage_.memory_kills},
                     {"forks_refused", usage_.fork_refusals},
                     {"stopped", stops_},
                     {"continued", continues_}};
    if (serving_.calls()) serving_.calls()->tell(end);
    if (serving_.lost_records()) end["calls_unknown"] = true;
    if (!record_.head().empty()) end["audit"] = record_.head();
    if (!unrecorded_.empty()) end["unrecorded"] = unrecorded_;
    events_.write("end", end);
  }

  SupervisorOrder order_;
  UniqueFd launcher_;
  Events events_;
  UniqueFd verdict_;
  RunClock clock_;
  box::LaunchTimes times_;
  UniqueFd run_lock_, layer_lock_, id_lock_, home_lock_;
  RunRecord record_;
  Serving serving_;
  bool can_freeze_ = false;
  std::string failed_text_, given_up_, unrecorded_;
  UniqueFd signals_, pidfd_, control_, output_;
  std::optional<Relay> relay_;
  bool relaying_ = false;
  bool launching_ = true;  // nothing was heard of the launcher yet, nor said about that
  bool going_ = false, executed_ = false, box_gone_ = false, launcher_done_ = false, launcher_stuck_ = false;
  int killed_by_ = 0;
  std::optional<Ending> ending_;
  std::string limit_reason_;  // why a limit that ended the run counts as reached; empty: it was seen to be
  bool disk_full_ = false, failed_on_deny_ = false;
  LauncherReport usage_;
  int64_t started_ns_ = 0, give_up_ns_ = 0, next_beat_ns_ = 0;
  uint64_t stops_ = 0, continues_ = 0;
};

}  // namespace

int supervise(SupervisorOrder order) {
  return Supervisor(std::move(order)).run();
}

}  // namespace alos::host
