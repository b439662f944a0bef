#include "syscall-broker/broker.h"

#include <google/protobuf/stubs/logging.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "base/clock.h"
#include "syscall-broker/primitives/primitives.h"

namespace alos::broker {

// The connections of the agent.
class Broker::Channels final : public Channel::Owner {
 public:
  Channels(Reactor& reactor, Agent& agent, Pipeline& pipeline, Journal& journal)
      : reactor_(reactor), agent_(agent), pipeline_(pipeline), journal_(journal) {}

  // `run`: 0 for the agent's own box.
  void listen(UniqueFd listener, uint32_t run) {
    listeners_.push_back(std::make_unique<Listener>(*this, std::move(listener), run));
    reactor_.accept(listeners_.back()->socket.get(), *listeners_.back());
  }
  // Its box is gone: nobody can connect to it any more, or reads what connections of its are sent.
  void stop(uint32_t run) {
    for (const auto& listener : listeners_)
      if (listener->run == run) listener->over = true, reactor_.cancel(*listener);
    const auto all = channels_;  // ending one may take it out
    for (const auto& [key, channel] : all)
      if (channel->run == run) channel->end();
  }
  void end() {
    for (const auto& listener : listeners_) listener->over = true, reactor_.cancel(*listener);
    const auto all = channels_;  // ending one may take it out
    for (const auto& [key, channel] : all) channel->end();
  }
  // Grows with every connection that comes or goes.
  uint64_t changes() const { return changes_; }
  bool has_answers() const {
    return std::ranges::any_of(channels_, [](const auto& one) { return one.second->backlog() > 0; });
  }
  // Somebody may be waiting for a connection.
  bool is_stalled() const { return !stalled_.empty(); }

 private:
  struct Listener final : Completion {
    Listener(Channels& channels, UniqueFd listening, uint32_t of_run)
        : of(channels), socket(std::move(listening)), run(of_run) {}
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { of.reactor_.let_go(std::move(socket)); }
    void completed(int result, unsigned flags) override {
      of.accepted(*this, result, (flags & IORING_CQE_F_MORE) != 0);
    }
    Channels& of;
    UniqueFd socket;
    uint32_t run;
    bool over = false;
  };
  static constexpr int64_t kRetryNs = 10'000'000;
  struct Retry final : Timer {
    explicit Retry(Channels& channels) : of(channels) {}
    void due() override { of.again(); }
    Channels& of;
  };

  // While there is no place for a further one.
  static constexpr int64_t kLookNs = 1'000'000'000;
  static constexpr int kLooks = 5;
  struct Looks final : Timer {
    explicit Looks(Channels& channels) : of(channels) {}
    void due() override { of.look(); }
    Channels& of;
  };

  void accepted(Listener& listener, int result, bool more) {
    if (result >= 0 && listener.over)
      reactor_.let_go(UniqueFd(result));
    else if (result >= 0)
      add(UniqueFd(result), listener.run);
    if (!more && listener.over) {
      std::erase_if(listeners_, [&](const auto& one) { return one.get() == &listener; });
      return;
    }
    if (more) return;
    if (result >= 0) return reactor_.accept(listener.socket.get(), listener);
    // Descriptors may run out for a moment: tried again when a connection ends, and after a while.
    stalled_.push_back(&listener);
    if (!retry_.is_set()) reactor_.real_timers().set(retry_, boot_ns() + kRetryNs);
  }

  void again() {
    reactor_.real_timers().cancel(retry_);
    for (Listener* listener : std::exchange(stalled_, {}))
      if (listener->over)
        std::erase_if(listeners_, [&](const auto& one) { return one.get() == listener; });
      else
        reactor_.accept(listener->socket.get(), *listener);
  }

  void add(UniqueFd socket, uint32_t run) {
    ++changes_;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || !has_place())
      return reactor_.let_go(std::move(socket));
    auto channel = std::make_shared<Channel>(reactor_, std::move(socket), *this);
    channel->client = peer.pid;
    channel->run = run;
    channels_[channel.get()] = channel;
    if (is_full() && !looks_.is_set()) look();
    channel->start();
  }

  bool is_full() const { return channels_.size() >= kChannels; }

  bool has_place() {
    if (!is_full()) return true;
    const auto most = std::ranges::max_element(
        channels_, {}, [](const auto& one) { return one.second->is_open() ? one.second->still : 0; });
    const auto channel = most->second;
    if (channel->still <= kLooks || !channel->is_open()) return false;
    if (!channel->stands_still()) return channel->still = 0, false;
    Journal::Entry entry;  // no denial: to read slowly is no fault
    entry.action = "channel.close";
    entry.target = agent_.facts().run;
    entry.reason = "its answers are not read, and its place was needed";
    entry.outcome = "failed ETIMEDOUT";
    journal_.write(entry);
    channel->end();
    return true;
  }

  void look() {
    for (const auto& [key, channel] : channels_) channel->still = channel->stands_still() ? channel->still + 1 : 0;
    if (is_full()) reactor_.real_timers().set(looks_, boot_ns() + kLookNs);
  }

  void received(Channel& channel, Received received) override {
    pipeline_.take(agent_, channel.shared_from_this(), std::move(received));
  }

  void closed(Channel& channel, const Error& why) override {
    ++changes_;
    pipeline_.left(channel);
    if (why.operation.empty()) return;
    // Whoever breaks the protocol again and again is told of less and less.
    ++broken_;
    if (broken_ > kToldOneByOne && !std::has_single_bit(broken_)) return;
    const std::string reason = why.text();
    Journal::Entry entry;
    entry.action = "channel.close";
    entry.target = agent_.facts().run;
    entry.decision = policy::Effect::deny;
    entry.rule = "protocol";
    entry.layer = "broker";
    entry.reason = reason;
    entry.details = {{"count", std::to_string(broken_)}};
    journal_.write(entry);
  }

  void idle(Channel& channel) override {
    reactor_.at_end_of_turn([this, &channel] {
      channels_.erase(&channel);
      again();
    });
  }

  void may_write(Channel& channel) override { pipeline_.may_write(channel); }

  void not_passed(Channel& channel, const Error& why) override {
    Journal::Entry entry;
    entry.action = "channel.pass";
    entry.target = agent_.facts().run;
    entry.reason = why.hint;
    entry.outcome = "failed ETOOMANYREFS";
    entry.details = {{"client", std::to_string(channel.client)}};
    journal_.write(entry);
  }

  void left_unread(UniqueFd socket) override { unread_.push_back(std::move(socket)); }

  // What is in the socket of a connection that ended counts for the user of the broker, as what is in one that goes on,
  // and only its client can take it out.
  bool takes_descriptors() override {
    if (unread_.size() < kUnread) return true;
    const auto read = std::ranges::stable_partition(unread_, is_unread);
    reactor_.let_go({std::move_iterator(read.begin()), std::move_iterator(read.end())});
    unread_.erase(read.begin(), read.end());
    return unread_.size() < kUnread;
  }

  Reactor& reactor_;
  Agent& agent_;
  Pipeline& pipeline_;
  Journal& journal_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<Listener*> stalled_;
  Retry retry_{*this};
  Looks looks_{*this};
  uint64_t changes_ = 0;
  static constexpr uint64_t kToldOneByOne = 64;
  uint64_t broken_ = 0;
  std::unordered_map<Channel*, std::shared_ptr<Channel>> channels_;
  // Sockets of connections that ended. With one less, all places may end so as well: some 640 descriptors of a run.
  static constexpr size_t kUnread = 16;
  std::vector<UniqueFd> unread_;
};

Result<std::unique_ptr<Broker>> Broker::create(FileRing files, Agent::Facts facts, policy::CompiledPolicy policy,
                                               Journal& journal, Host& host, std::optional<VirtualTime> time,
                                               Script script) {
  // It would say on standard error what it finds wrong with what agents send.
  google::protobuf::SetLogHandler(nullptr);
  auto reactor = TRY(Reactor::create(std::move(files)));
  UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  if (!event) return fail_errno("eventfd", "broker");
  return std::unique_ptr<Broker>(new Broker(std::move(reactor), std::move(event), std::move(facts), std::move(policy),
                                            journal, host, time, std::move(script)));
}

Broker::Broker(std::unique_ptr<Reactor> reactor, UniqueFd event, Agent::Facts facts, policy::CompiledPolicy policy,
               Journal& journal, Host& host, std::optional<VirtualTime> time, Script script)
    : reactor_(std::move(reactor)),
      host_(host),
      virtual_(time),
      time_(clock()),
      agent_(std::move(facts), std::move(policy), std::move(script)),
      worker_(*reactor_, std::move(event)),
      changes_(*reactor_),
      runs_(host),
      pipeline_(*reactor_, journal),
      channels_(std::make_unique<Channels>(*reactor_, agent_, pipeline_, journal)) {
  add_file_primitives(pipeline_, worker_, changes_);
  add_clock_primitives(pipeline_, time_, host_, agent_.facts());
  add_shell_primitives(pipeline_, runs_, time_);
  add_policy_primitives(pipeline_);
}

Broker::~Broker() = default;

// ---- time ----

Reactor::Time Broker::clock() {
  if (!virtual_) return {.now_ns = boot_ns, .real = true, .wall_ns = alos::wall_ns};
  return {.now_ns = [this] { return virtual_->now_ns; },
          .real = false,
          .wall_ns = [this] { return virtual_->wall_ns; },
          .rests = [this] { say_that_it_rests(); }};
}

uint64_t Broker::state() const {
  return events_ + pipeline_.changes() + channels_->changes();
}

// A call that waits for time has one timer, and nothing else has any. An answer that its client has not taken may be
// what that one waits for.
void Broker::say_that_it_rests() {
  if (told_ == state() || channels_->has_answers() || channels_->is_stalled()) return;
  auto [calls, clients] = pipeline_.unanswered();
  if (calls == 0 || reactor_->timers().size() != calls) return;
  told_ = state();
  host_.rests({.state = told_, .next_ns = *reactor_->timers().next_ns(), .clients = std::move(clients)});
}

bool Broker::advance(uint64_t state, int64_t now_ns) {
  if (!virtual_ || (state != 0 && state != this->state())) return false;
  ++events_;
  const int64_t step = std::max<int64_t>(0, now_ns - virtual_->now_ns);
  virtual_->now_ns += step;
  virtual_->wall_ns += step;
  return true;
}

// ---- what the host says ----

void Broker::listen(UniqueFd listener) {
  channels_->listen(std::move(listener), 0);
}

void Broker::leave() {
  channels_->end();
}

void Broker::identity(Result<std::pair<View::Roots, Personalities>> found) {
  agent_.identity(reactor_->files(), std::move(found));
}

void Broker::run_started(uint32_t run, Attempt<UniqueFd> listener) {
  ++events_;
  if (!listener) return runs_.started(run, std::unexpected(std::move(listener).error()));
  if (*listener) channels_->listen(std::move(*listener), run);
  runs_.started(run, {});
}

void Broker::run_ended(uint32_t run, bool executed, int status) {
  ++events_;
  channels_->stop(run);
  runs_.ended(run, executed, status);
}

void Broker::wait(std::span<pollfd> others, std::optional<int64_t> until_ns) {
  reactor_->wait(others, time_, until_ns);
}

}  // namespace alos::broker
