#include "syscall-broker/primitives/shell.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/paths.h"
#include "policy/elevation.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/files.h"
#include "syscall-broker/primitives/primitives.h"
#include "syscall-broker/primitives/shell_program.h"
#include "syscall-broker/primitives/shell_streams.h"

namespace alos::broker {
namespace {

using policy::Right;

constexpr uint64_t kTimeoutMs = 10 * 60'000, kLongestMs = uint64_t{24} * 3'600'000;
constexpr uint64_t kOutput = 1 << 20, kMostOutput = 64 << 20;
constexpr size_t kArguments = 64 << 10;  // bytes of argv and env together; a frame has no more

// So long is waited for the end of a command's output once nothing of it is left: its pipes end with it, unless it gave
// one away.
constexpr int64_t kEndNs = 1'000'000'000;

}  // namespace

uint32_t ShellRuns::add(Running& running) {
  running_[++last_] = &running;
  return last_;
}

void ShellRuns::started(uint32_t number, Attempt<void> how) {
  if (const auto found = running_.find(number); found != running_.end()) found->second->started(std::move(how));
}

void ShellRuns::ended(uint32_t number, bool executed, int status) {
  if (const auto found = running_.find(number); found != running_.end()) found->second->ended(executed, status);
}

namespace {

// One command under way, awaited by its call: over when it never started, or when nothing of it is left and all that it
// wrote was read.
class Command final : public ShellRuns::Running, public Timer {
 public:
  Command(Call& call, ShellRuns& runs, uint64_t output_limit)
      : output(call, false, output_limit, [this] { look(); }),
        error(call, true, output_limit, [this] { look(); }),
        call_(call),
        runs_(runs) {}
  ~Command() override {
    call_.reactor().timers().cancel(*this);
    call_.reactor().real_timers().cancel(end_of_output_);
    if (feed_) feed_->stop();
    if (number_ != 0) runs_.remove(number_);
  }

  // To be awaited once.
  struct Over {
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) {
      command.waiting_ = waiting;
      command.launch();
    }
    void await_resume() { command.call_.on_cancel(nullptr); }
    Command& command;
  };
  Over run(Host::Run run, std::shared_ptr<Feed> feed, Pipe out, Pipe err, int64_t until_ns) {
    run_ = std::move(run);
    feed_ = std::move(feed);
    out_ = std::move(out);
    err_ = std::move(err);
    until_ns_ = until_ns;
    return Over{*this};
  }

  Stream output, error;
  Attempt<void> start{};  // why it never started
  Ended end;

 private:
  struct EndOfOutput final : Timer {
    explicit EndOfOutput(Command& of) : command(of) {}
    void due() override {
      command.output.cut();
      command.error.cut();
    }
    Command& command;
  };

  void launch() {
    number_ = runs_.add(*this);
    run_.number = number_;
    run_.stdio[1] = std::move(out_.write);
    run_.stdio[2] = std::move(err_.write);
    call_.reactor().timers().set(*this, until_ns_);
    runs_.host().want_run(std::move(run_));
    output.begin(std::move(out_.read));
    error.begin(std::move(err_.read));
    call_.on_cancel([this] {
      if (!gone_) runs_.host().end_run(number_);
    });
    call_.on_room([this] {
      output.go_on();
      error.go_on();
    });
  }

  void due() override {
    end.timed_out = true;
    runs_.host().end_run(number_);
  }

  void started(Attempt<void> how) override {
    start = std::move(how);
    if (!start) gone();
  }

  void ended(bool executed, int status) override {
    end.executed = executed;
    end.status = status;
    gone();
  }

  void gone() {
    gone_ = true;
    call_.reactor().timers().cancel(*this);
    call_.reactor().real_timers().set(end_of_output_, boot_ns() + kEndNs);
    if (feed_) feed_->stop();
    look();
  }

  void look() {
    if (!gone_ || !output.is_over() || !error.is_over() || !waiting_) return;
    // Not from within a stream: this ends with the call.
    call_.reactor().at_end_of_turn([waiting = std::exchange(waiting_, {})] { waiting.resume(); });
  }

  Call& call_;
  ShellRuns& runs_;
  Host::Run run_;
  std::shared_ptr<Feed> feed_;
  EndOfOutput end_of_output_{*this};
  Pipe out_, err_;
  int64_t until_ns_ = 0;
  uint32_t number_ = 0;
  bool gone_ = false;
  std::coroutine_handle<> waiting_{};
};

}  // namespace

wire::ShellRun::Result result_of(const Ended& ended, const Sent& output, const Sent& error) {
  wire::ShellRun::Result out;
  out.set_started(ended.executed);
  out.set_timed_out(ended.timed_out);
  if (!ended.executed && !ended.timed_out) {
    out.set_code(ended.status == ENOENT ? 127 : 126);
  } else {
    const int status = ended.executed ? ended.status : SIGKILL;
    out.set_signal(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    out.set_code(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  out.set_output_size(output.size());
  out.set_error_size(error.size());
  out.set_output_truncated(output.truncated());
  out.set_error_truncated(error.truncated());
  return out;
}

namespace {

bool has_nul(std::string_view text) {
  return text.find('\0') != text.npos;
}

// Of the agent's own runs: the policy's environment, then the request's. What alos says to programs stays.
Attempt<std::vector<std::string>> environment(const std::vector<std::string>& base, const wire::ShellRun& wanted) {
  std::vector<std::string> out = base;
  for (const wire::Variable& variable : wanted.env()) {
    const std::string& name = variable.name();
    if (name.empty() || name.find('=') != name.npos || has_nul(name) || has_nul(variable.value()))
      return give_up("env", printable(name), EINVAL, "a name has no '=', and neither has a NUL");
    if (name.starts_with("ALOS"))
      return give_up("env", printable(name), EINVAL, "names that begin with ALOS are alos's own");
    std::erase_if(out, [&](const std::string& line) { return line.starts_with(name + "="); });
    out.push_back(name + "=" + variable.value());
  }
  return out;
}

}  // namespace

class ShellRun final : public Primitive {
 public:
  ShellRun(ShellRuns& runs, const Reactor::Time& time) : runs_(runs), time_(time) {}

  bool prepares() const override { return true; }

  // Which file the program is, and which files a rule with more rights is handed: looked for in the agent's own view,
  // so nothing is told that the agent could not see itself.
  Task<Attempt<bool>> prepare(Call& call) override {
    const wire::ShellRun& wanted = call.request().shell_run();
    ALOS_ATTEMPT(sound, check(wanted));
    auto search = co_await find_program(call);
    ALOS_ATTEMPT(program, std::move(search));
    call.words.assign(wanted.argv().begin(), wanted.argv().end());
    call.words[0] = call.program.file;
    auto judged = co_await judge_by_rule(call);
    ALOS_ATTEMPT(whole, std::move(judged));
    co_return co_await find_files(call);
  }

  Attempt<Plan> plan(Call& call) override {
    auto request = policy::Request::command(call.words);
    if (!request) return give_up(request.error());
    const policy::Decision decision = policy::decide(call.agent().policy(), *request);
    Plan out;
    out.demands.push_back(std::move(*request));
    const std::string& called = call.request().shell_run().argv(0);
    if (!decision.elevated && call.program.path != call.program.file)
      out.details.emplace_back("called", printable(called));
    out.details.emplace_back("cwd", decision.elevated ? "/" : printable(cwd_of(call)));
    // What its box would refuse as well, where a script does not answer for it; but there nobody would be told why. A
    // run with more rights needs no right of its caller's to its program, and has none to what a deny takes.
    const std::string& name = decision.elevated || !call.program.taken.empty() ? call.program.taken : call.program.path;
    if (!name.empty()) {
      auto executed = policy::Request::file(Right::execute, name, call.program.file);
      if (!executed) return give_up(executed.error());
      out.demands.push_back(std::move(*executed));
      return out;
    }
    // Files that a rule with more rights is handed must be the caller's own to hand over.
    for (policy::Request& file : call.files) out.demands.push_back(std::move(file));
    if (call.request().shell_run().env_size() > 0)
      return std::unexpected(refused(out.demands[0].shown(),
                                     "a run with more rights than its caller has a fixed environment",
                                     "run it without 'env'"));
    return out;
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::ShellRun& wanted = call.request().shell_run();
    if (runs_.full())
      co_return std::unexpected(limited("commands under way", ShellRuns::kMost, "wait for one of them"));
    const policy::Request& request = planned.demands.front();
    const policy::Decision decision = policy::decide(call.agent().policy(), request);
    ALOS_ATTEMPT(env, environment(call.agent().facts().env, wanted));
    if (call.request().attached() && !wanted.stdin().empty())
      co_return give_up("stdin", "content", EINVAL, "it is in the frame and attached");

    const int64_t begun = time_.now_ns();
    const auto line = call.agent().script().line_for(called(call), request.arguments());
    if (!line && call.words_not_followed)
      co_return give_up("shell.run", printable(wanted.argv(0)), EAGAIN,
                        "another call used up the line of the script that was to answer it; ask again");
    auto work = line ? by_script(call, *line) : in_a_box(call, std::move(env), request, decision);
    auto done = co_await std::move(work);
    ALOS_ATTEMPT(result, std::move(done));
    result.set_wall_ms(static_cast<uint64_t>((time_.now_ns() - begun) / 1'000'000));
    if (decision.elevated) result.set_rule(std::string(decision.rule_name()));
    Answer answer;
    *answer.reply.mutable_shell_run() = std::move(result);
    co_return answer;
  }

 private:
  using Outcome = Attempt<wire::ShellRun::Result>;

  Task<Outcome> in_a_box(Call& call, std::vector<std::string> env, const policy::Request& request,
                         const policy::Decision& decision) {
    const wire::ShellRun& wanted = call.request().shell_run();
    if (!call.program.there)
      co_return give_up("execve", printable(wanted.argv(0)), ENOENT,
                        "it is not where it was looked for, and no line of the script answers this call of it");
    Host::Run run;
    run.program = call.program.path;
    run.argv.assign(wanted.argv().begin(), wanted.argv().end());
    // Its words say that path, and the kernel's walk of them another.
    if (("/" + run.argv[0]).find("/../") != std::string::npos) run.argv[0] = run.program;
    run.cwd = cwd_of(call);
    if (decision.elevated) {
      run.command = static_cast<int32_t>(*decision.elevated);
      run.argv = call.words;
      run.cwd = "/";
    }
    run.env = std::move(env);
    ALOS_ATTEMPT(input, input_of(call));
    run.stdio[0] = std::move(input.read);
    ALOS_ATTEMPT(out, make_pipe());
    ALOS_ATTEMPT(err, make_pipe());
    const int64_t until = time_.now_ns() + static_cast<int64_t>(timeout_of(wanted)) * 1'000'000;
    const auto command = std::make_unique<Command>(call, runs_, output_limit_of(wanted));
    auto over = command->run(std::move(run), std::move(input.feed), std::move(out), std::move(err), until);
    co_await over;
    call.on_room(nullptr);
    // Before whatever else ended it: when the caller gives up is the caller's choice.
    if (!command->start && command->start.error().reply.has_denied()) {
      Answer why = std::move(command->start).error();
      why.reply.mutable_denied()->set_request(request.shown());
      co_return std::unexpected(std::move(why));
    }
    if (call.is_cancelled())
      co_return given_up(wanted, command->start ? command->end : Ended{}, command->output.sent, command->error.sent);
    // Ended while its box was made, it never started, and that is not why.
    if (!command->start && !command->end.timed_out) co_return std::unexpected(std::move(command->start).error());
    co_return result_of(command->end, command->output.sent, command->error.sent);
  }

  Task<Outcome> by_script(Call& call, size_t line) {
    const wire::ShellRun& wanted = call.request().shell_run();
    const ScriptLine& answer = call.answer_by(line);
    if (answer.fails != 0) co_return give_up("shell.run", printable(wanted.argv(0)), answer.fails, kScriptSaysSo);
    const ShellRuns::Scripted counted(runs_);
    Sent output(call, false, output_limit_of(wanted)), error(call, true, output_limit_of(wanted));
    const Ended ended = co_await end_by_script(call, answer, timeout_of(wanted), time_, output, error);
    if (call.is_cancelled()) co_return given_up(wanted, ended, output, error);
    co_return result_of(ended, output, error);
  }

  // Its caller gave it up, or left; the record has how the command ended all the same, by itself perhaps.
  static std::unexpected<Answer> given_up(const wire::ShellRun& wanted, const Ended& end, const Sent& output,
                                          const Sent& error) {
    Answer ended;
    *ended.reply.mutable_shell_run() = result_of(end, output, error);
    auto out = give_up("shell.run", printable(wanted.argv(0)), ECANCELED, "", end.executed);
    if (end.executed || end.timed_out) out.error().details = details_of(ended);
    return out;
  }

  static uint64_t timeout_of(const wire::ShellRun& wanted) {
    return std::min(wanted.has_timeout_ms() ? wanted.timeout_ms() : kTimeoutMs, kLongestMs);
  }
  static uint64_t output_limit_of(const wire::ShellRun& wanted) {
    return std::min(wanted.has_output_limit() ? wanted.output_limit() : kOutput, kMostOutput);
  }

  static Attempt<void> check(const wire::ShellRun& wanted) {
    if (wanted.argv_size() == 0 || wanted.argv(0).empty())
      return give_up("shell.run", "argv", EINVAL, "it names no program");
    size_t bytes = 0;
    for (const std::string& word : wanted.argv()) {
      if (has_nul(word)) return give_up("shell.run", printable(word), EINVAL, "an argument has no NUL");
      bytes += word.size() + 1;
    }
    if (bytes > kArguments) return give_up("shell.run", "argv", E2BIG);
    if (has_nul(wanted.cwd())) return give_up("shell.run", "cwd", EINVAL);
    return {};
  }

  static Script::Program called(const Call& call) {
    return {.word = call.request().shell_run().argv(0), .path = call.program.path, .file = call.program.file};
  }

  // What the script answers is run in no box: the names of its files are what is decided on.
  static Task<Attempt<bool>> find_files(Call& call) {
    ALOS_ATTEMPT(asked, policy::Request::command(call.words));
    const policy::Decision decision = policy::decide(call.agent().policy(), asked);
    if (!decision.elevated || !call.program.taken.empty()) co_return true;
    const auto bindings = decision.command->usage.match(asked.arguments());
    if (!bindings) co_return give_up("shell.run", call.words[0], EINVAL, bindings.error().reason);
    const bool scripted = call.agent().script().line_for(called(call), asked.arguments()).has_value();
    for (const policy::Binding& binding : *bindings) {
      if (!policy::is_path(binding.type)) continue;
      call.words_not_followed = scripted;
      auto handed = co_await hand_over(call, *decision.command, binding, scripted);
      ALOS_ATTEMPT(done, std::move(handed));
    }
    ALOS_ATTEMPT(run, policy::Request::command(call.words));
    const policy::Decision again = policy::decide(call.agent().policy(), run);
    if (again.effect == policy::Effect::allow && again.elevated != decision.elevated)
      co_return give_up("shell.run", call.words[0], EINVAL,
                        "no rule takes the real paths of the files among its words");
    co_return true;
  }

  // A file among the words of a run with more rights: the path that the caller's own box leads to is what is decided on
  // and what the run is given, because the run starts in another directory and sees more. There it leads to the same
  // file. A component that the agent can put a link in place of lies in a tree that it writes, where the run follows
  // no link (compose.cc); one that it can move away leaves what it put there, which is its own.
  static Task<Attempt<bool>> hand_over(Call& call, const policy::CommandRule& rule, const policy::Binding& binding,
                                       bool scripted) {
    const Right right = binding.type == policy::ArgumentType::path_read ? Right::read : Right::write;
    std::string value = binding.value.starts_with('/') ? binding.value : cwd_of(call) + "/" + binding.value;
    ALOS_ATTEMPT(asked, path_argument(value));
    if (auto no = not_handed(call, rule, right, asked)) co_return std::unexpected(std::move(*no));
    ALOS_ATTEMPT(by_name, policy::Request::file(right, asked));
    if (scripted || policy::decide(call.agent().policy(), by_name).effect != policy::Effect::allow) {
      call.files.push_back(std::move(by_name));  // and decided on as any other
      co_return true;
    }
    auto search = co_await find(call, asked, {.rights = right, .absent = right, .beside = false, .brokered = false});
    if (!search) {
      auto denial = co_await call.covered(right, asked, Call::Side::from, search.error());
      co_return std::unexpected(denial ? std::move(*denial) : std::move(search).error());
    }
    ALOS_ATTEMPT(found, std::move(search));
    const std::string& path = found.place.path;
    if (!found.there() && right == Right::read) co_return give_up("open", path, ENOENT);
    if (auto no = not_handed(call, rule, right, path)) co_return std::unexpected(std::move(*no));
    if (found.there() && S_ISDIR(found.st.st_mode) && leads_on(call, rule, path))
      co_return std::unexpected(refused("shell.run " + printable(path),
                                        "it is a directory that leads the run on to more than is its caller's",
                                        "name the files, or a directory that the caller writes"));
    if (is_among_programs(call, path))
      co_return std::unexpected(refused("shell.run " + printable(path), policy::kAmongPrograms, policy::kHandOwnFile));
    ALOS_ATTEMPT(reached, policy::Request::file(right, asked, path));
    call.files.push_back(std::move(reached));
    std::string& word = call.words[binding.position + 1];
    word.replace(word.size() - binding.value.size(), binding.value.size(), path);
    co_return true;
  }

  static std::optional<Answer> not_handed(const Call& call, const policy::CommandRule& rule, Right right,
                                          const std::string& path) {
    std::string why = policy::not_handed_over(path);
    if (why.empty() && lies_below(path, "/tmp") && is_boxs_own(call, right, path)) why = policy::kOwnTmp;
    if (why.empty() && hides(call, rule, right, path)) why = policy::kHidden;
    if (why.empty()) return std::nullopt;
    return refused("shell.run " + printable(path), why, "give it another file, or its standard input");
  }

  static bool is_boxs_own(const Call& call, Right right, const std::string& path) {
    const auto asked = policy::Request::file(right, path);
    return !asked || policy::is_made_for_boxes(path) ||
           policy::decide(call.agent().policy(), *asked).layer == policy::Layer::built_in;
  }

  // What the rule gives of the host there is another file than the caller's box has: supervisor/box/command.cc holds it
  // against the plan.
  static bool hides(const Call& call, const policy::CommandRule& rule, Right right, const std::string& path) {
    const policy::Policy& all = call.agent().policy().policy();
    const bool own = is_boxs_own(call, right, path);
    const bool copied = !all.workspace.empty() && all.workspace_mode != policy::WorkspaceMode::direct &&
                        lies_below(path, all.workspace);
    const auto gives = [&](const policy::PathPattern& given) {
      return given.pattern.matches(path) &&
             (own || (copied && !lies_below(given.pattern.literal_prefix(), all.workspace)));
    };
    return std::ranges::any_of(rule.read, gives) || std::ranges::any_of(rule.write, gives);
  }

  // By the rules; the launcher looks at the mount that the file lies in (supervisor/box/command.cc).
  static bool is_among_programs(const Call& call, const std::string& path) {
    const auto asked = policy::Request::file(Right::execute, path);
    if (!asked || policy::decide(call.agent().policy(), *asked).effect != policy::Effect::allow) return false;
    return std::ranges::none_of(call.agent().policy().policy().files, [&](const policy::FileRule& rule) {
      return rule.effect == policy::Effect::allow && rule.rights.has(Right::write) && rule.matches(path);
    });
  }

  // The rule's files lie below it, or links of the host may: those of what the caller writes are not followed.
  static bool leads_on(const Call& call, const policy::CommandRule& rule, const std::string& directory) {
    const auto below = [&](const policy::PathPattern& path) {
      return lies_below(path.pattern.literal_prefix(), directory) && path.pattern.literal_prefix() != directory;
    };
    if (std::ranges::any_of(rule.read, below) || std::ranges::any_of(rule.write, below)) return true;
    const auto writing = policy::Request::file(Right::write, directory);
    return !writing || policy::decide(call.agent().policy(), *writing).effect != policy::Effect::allow;
  }

  struct Input {
    UniqueFd read;
    std::shared_ptr<Feed> feed;
  };

  // Through a pipe; what is long is the client's own sealed memfd.
  static Attempt<Input> input_of(Call& call) {
    const wire::ShellRun& wanted = call.request().shell_run();
    if (call.request().attached()) return Input{call.take_content(), nullptr};
    auto pipe = make_pipe();
    if (!pipe) return std::unexpected(std::move(pipe).error());
    Input out{std::move(pipe->read), nullptr};
    if (!wanted.stdin().empty()) out.feed = Feed::begin(call.reactor(), std::move(pipe->write), wanted.stdin());
    return out;
  }

  ShellRuns& runs_;
  const Reactor::Time& time_;
};

void add_shell_primitives(Pipeline& pipeline, ShellRuns& runs, const Reactor::Time& time) {
  pipeline.add(wire::Request::kShellRun, std::make_unique<ShellRun>(runs, time));
}

}  // namespace alos::broker
