#include "syscall-broker/primitives/shell.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/paths.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/files.h"
#include "syscall-broker/primitives/primitives.h"

namespace alos::broker {
namespace {

using policy::Right;

constexpr uint64_t kTimeoutMs = 10 * 60'000, kLongestMs = uint64_t{24} * 3'600'000;
constexpr uint64_t kOutput = 1 << 20, kMostOutput = 64 << 20;
constexpr size_t kArguments = 64 << 10;  // bytes of argv and env together; a frame has no more

struct Pipe {
  UniqueFd read, write;
};

Attempt<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return give_up("pipe2", "command", errno);
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// A command's input, for as long as the command takes it. Frees itself.
class Feed final : public Completion {
 public:
  static void begin(Reactor& reactor, UniqueFd to, std::string bytes) {
    (new Feed(reactor, std::move(to), std::move(bytes)))->write();
  }

 private:
  Feed(Reactor& reactor, UniqueFd to, std::string bytes)
      : reactor_(reactor), to_(std::move(to)), bytes_(std::move(bytes)) {}
  ~Feed() = default;
  void write() { reactor_.write(to_.get(), std::string_view(bytes_).substr(done_), *this); }
  void completed(int result, unsigned) override {
    if (result > 0) done_ += static_cast<size_t>(result);
    const bool more = result > 0 || result == -EINTR || result == -EAGAIN;
    if (!more || done_ == bytes_.size())
      delete this;
    else
      write();
  }

  Reactor& reactor_;
  UniqueFd to_;
  std::string bytes_;
  size_t done_ = 0;
};

// One of a command's output streams: what fits the limit is sent on, the rest is read and counted, so that the command
// never waits for somebody who has had enough.
class Stream final : public Completion {
 public:
  Stream(Call& call, bool error, uint64_t limit, std::function<void()> over)
      : call_(call), error_(error), limit_(limit), over_(std::move(over)) {}

  void begin(UniqueFd from) {
    from_ = std::move(from);
    read();
  }
  // The client has read: goes on, if it had to stop.
  void go_on() {
    if (paused_) read();
  }
  bool is_over() const { return !from_; }
  bool is_paused() const { return paused_; }
  uint64_t size() const { return size_; }
  bool truncated() const { return size_ > limit_; }

 private:
  void read() {
    paused_ = call_.channel().is_open() && call_.channel().backlog() >= Channel::kEnough;
    if (!paused_) call_.reactor().read(from_.get(), buffer_, *this);
  }

  void completed(int result, unsigned) override {
    if (result == -EINTR || result == -EAGAIN) return read();
    if (result <= 0) {
      from_.reset();
      return over_();
    }
    const auto n = static_cast<uint64_t>(result);
    const uint64_t room = size_ < limit_ ? limit_ - size_ : 0;
    size_ += n;
    if (room > 0) {
      wire::Output out;
      out.set_data(buffer_.data(), std::min(n, room));
      out.set_error(error_);
      call_.put(std::move(out));
    }
    read();
  }

  Call& call_;
  bool error_;
  uint64_t limit_;
  std::function<void()> over_;
  UniqueFd from_;
  uint64_t size_ = 0;
  bool paused_ = false;
  std::array<char, 32 << 10> buffer_;
};

}  // namespace

uint32_t ShellRuns::add(Running& running) {
  running_[++last_] = &running;
  return last_;
}

void ShellRuns::started(uint32_t number, Result<void> how) {
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
    if (number_ != 0) runs_.remove(number_);
  }

  // To be awaited once.
  struct Ended {
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) {
      command.waiting_ = waiting;
      command.launch();
    }
    void await_resume() { command.call_.on_cancel(nullptr); }
    Command& command;
  };
  Ended run(Host::Run run, Pipe out, Pipe err, int64_t until_ns) {
    run_ = std::move(run);
    out_ = std::move(out);
    err_ = std::move(err);
    until_ns_ = until_ns;
    return Ended{*this};
  }

  Stream output, error;
  Result<void> start{};  // why it never started
  bool executed = false, timed_out = false;
  int status = 0;

 private:
  void launch() {
    number_ = runs_.add(*this);
    run_.number = number_;
    run_.stdio[1] = std::move(out_.write);
    run_.stdio[2] = std::move(err_.write);
    call_.reactor().timers().set(*this, until_ns_);
    runs_.host().want_run(std::move(run_));
    output.begin(std::move(out_.read));
    error.begin(std::move(err_.read));
    call_.on_cancel([this] { runs_.host().end_run(number_); });
    call_.on_room([this] {
      output.go_on();
      error.go_on();
    });
  }

  void due() override {
    timed_out = true;
    runs_.host().end_run(number_);
  }

  void started(Result<void> how) override {
    start = std::move(how);
    if (!start) gone_ = true;
    look();
  }

  void ended(bool did_execute, int with) override {
    executed = did_execute;
    status = with;
    gone_ = true;
    look();
  }

  void look() {
    if (gone_ && output.is_over() && error.is_over() && waiting_) std::exchange(waiting_, {}).resume();
  }

  Call& call_;
  ShellRuns& runs_;
  Host::Run run_;
  Pipe out_, err_;
  int64_t until_ns_ = 0;
  uint32_t number_ = 0;
  bool gone_ = false;
  std::coroutine_handle<> waiting_{};
};

std::string_view value_of(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string_view line : env)
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=')
      return line.substr(name.size() + 1);
  return "";
}

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

  // Which file the program is: looked for as a shell would in the agent's own view, so nothing is told that the agent
  // could not see itself.
  Task<Attempt<bool>> prepare(Call& call) override {
    const wire::ShellRun& wanted = call.request().shell_run();
    ALOS_ATTEMPT(sound, check(wanted));
    const std::string& program = wanted.argv(0);
    if (program.find('/') != program.npos) {
      std::string path = program.starts_with('/') ? program : cwd_of(call) + "/" + program;
      auto search = co_await look_for(call, path);
      ALOS_ATTEMPT(found, std::move(search));
      call.resolved = std::move(found);
      co_return true;
    }
    const std::string path_list(value_of(call.agent().facts().env, "PATH"));
    for (size_t at = 0; at <= path_list.size();) {
      const size_t end = std::min(path_list.find(':', at), path_list.size());
      std::string path = path_list.substr(at, end - at) + "/" + program;
      at = end + 1;
      if (!path.starts_with('/')) continue;
      auto search = co_await look_for(call, path);
      if (!search) continue;
      call.resolved = std::move(*search);
      co_return true;
    }
    co_return give_up("execve", printable(program), ENOENT, "it is not in this agent's PATH");
  }

  Attempt<Plan> plan(Call& call) override {
    const wire::ShellRun& wanted = call.request().shell_run();
    std::vector<std::string> argv(wanted.argv().begin(), wanted.argv().end());
    argv[0] = call.resolved;
    auto request = policy::Request::command(argv);
    if (!request) return give_up(request.error());
    const policy::Decision decision = policy::decide(call.agent().policy(), *request);
    Plan out;
    out.demands.push_back(std::move(*request));
    if (!decision.elevated) return out;
    // Files that a rule with more rights is handed must be the caller's own to hand over.
    const auto bindings = decision.command->usage.match(std::span(argv).subspan(1));
    if (!bindings) return give_up("shell.run", argv[0], EINVAL, bindings.error().reason);
    for (const policy::Binding& binding : *bindings) {
      const bool reading = binding.type == policy::ArgumentType::path_read;
      if (!reading && binding.type != policy::ArgumentType::path_write) continue;
      const std::string path = binding.value.starts_with('/') ? binding.value : cwd_of(call) + "/" + binding.value;
      auto file = policy::Request::file(reading ? Right::read : Right::write, path);
      if (!file) return give_up(file.error());
      out.demands.push_back(std::move(*file));
    }
    if (wanted.env_size() > 0)
      return std::unexpected(refused(out.demands[0].text(),
                                     "a run with more rights than its caller has a fixed environment",
                                     "run it without 'env'"));
    return out;
  }

  Task<Attempt<Answer>> carry_out(Call& call, const Plan& planned) override {
    const wire::ShellRun& wanted = call.request().shell_run();
    if (runs_.full())
      co_return std::unexpected(limited("commands under way", ShellRuns::kMost, "wait for one of them"));
    Host::Run run;
    const policy::Decision decision = policy::decide(call.agent().policy(), planned.demands.front());
    if (decision.elevated) run.command = static_cast<int32_t>(*decision.elevated);
    run.argv.assign(wanted.argv().begin(), wanted.argv().end());
    if (run.argv[0].find('/') == std::string::npos) run.argv[0] = call.resolved;
    ALOS_ATTEMPT(env, environment(call.agent().facts().env, wanted));
    run.env = std::move(env);
    run.cwd = cwd_of(call);
    ALOS_ATTEMPT(input, input_of(call, wanted));
    run.stdio[0] = std::move(input);
    ALOS_ATTEMPT(out, make_pipe());
    ALOS_ATTEMPT(err, make_pipe());

    const int64_t begun = time_.now_ns();
    const uint64_t timeout = std::min(wanted.has_timeout_ms() ? wanted.timeout_ms() : kTimeoutMs, kLongestMs);
    const int64_t until = begun + static_cast<int64_t>(timeout) * 1'000'000;
    const uint64_t limit = std::min(wanted.has_output_limit() ? wanted.output_limit() : kOutput, kMostOutput);
    const auto command = std::make_unique<Command>(call, runs_, limit);
    auto ended = command->run(std::move(run), std::move(out), std::move(err), until);
    co_await ended;
    call.on_room(nullptr);
    if (!command->start) co_return give_up(command->start.error());
    if (call.is_cancelled())
      co_return give_up("shell.run", printable(wanted.argv(0)), ECANCELED, "", command->executed);

    Answer answer;
    wire::ShellRun::Result& result = *answer.reply.mutable_shell_run();
    result.set_started(command->executed);
    result.set_timed_out(command->timed_out);
    if (!command->executed && !command->timed_out) {
      result.set_code(command->status == ENOENT ? 127 : 126);
    } else {
      const int status = command->executed ? command->status : SIGKILL;
      result.set_signal(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
      result.set_code(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    result.set_output_size(command->output.size());
    result.set_error_size(command->error.size());
    result.set_output_truncated(command->output.truncated());
    result.set_error_truncated(command->error.truncated());
    result.set_wall_ms(static_cast<uint64_t>((time_.now_ns() - begun) / 1'000'000));
    if (decision.elevated) result.set_rule(std::string(decision.rule_name()));
    co_return answer;
  }

 private:
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

  static std::string cwd_of(const Call& call) {
    const std::string& wanted = call.request().shell_run().cwd();
    const std::string& workspace = call.agent().facts().workspace;
    const std::string at = wanted.empty()            ? (workspace.empty() ? policy::kBoxHome : workspace)
                           : wanted.starts_with('/') ? wanted
                                                     : "/" + wanted;
    return canonical_path(at).value_or("/");
  }

  // The path of the file that would be executed.
  static Task<Attempt<std::string>> look_for(Call& call, const std::string& path) {
    ALOS_ATTEMPT(asked, path_argument(path));
    auto search = co_await find(call, asked, {.rights = Right::execute, .absent = Right::execute});
    ALOS_ATTEMPT(found, std::move(search));
    if (!found.there()) co_return give_up("execve", found.place.path, ENOENT);
    if (!S_ISREG(found.st.st_mode) || (found.st.st_mode & 0111) == 0)
      co_return give_up("execve", found.place.path, EACCES, "it is no program");
    if (found.place.brokered)
      co_return give_up("execve", found.place.path, EACCES, "it is read through the broker alone");
    co_return std::move(found.place.path);
  }

  // Through a pipe; what is long is the client's own sealed memfd.
  static Attempt<UniqueFd> input_of(Call& call, const wire::ShellRun& wanted) {
    if (call.request().attached()) {
      if (!wanted.stdin().empty()) return give_up("stdin", "content", EINVAL, "it is in the frame and attached");
      return call.take_content();
    }
    auto pipe = make_pipe();
    if (!pipe) return std::unexpected(std::move(pipe).error());
    if (!wanted.stdin().empty()) Feed::begin(call.reactor(), std::move(pipe->write), wanted.stdin());
    return std::move(pipe->read);
  }

  ShellRuns& runs_;
  const Reactor::Time& time_;
};

void add_shell_primitives(Pipeline& pipeline, ShellRuns& runs, const Reactor::Time& time) {
  pipeline.add(wire::Request::kShellRun, std::make_unique<ShellRun>(runs, time));
}

}  // namespace alos::broker
