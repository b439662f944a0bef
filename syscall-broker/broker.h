#pragma once

#include <memory>
#include <unordered_map>

#include "syscall-broker/agent.h"
#include "syscall-broker/change_lock.h"
#include "syscall-broker/channel.h"
#include "syscall-broker/host.h"
#include "syscall-broker/journal.h"
#include "syscall-broker/pipeline.h"
#include "syscall-broker/primitives/shell.h"
#include "syscall-broker/reactor.h"
#include "syscall-broker/worker.h"

namespace alos::broker {

// Serves the boxes of one agent: accepts their connections, and carries out what they ask for. One thread, which calls
// wait() instead of poll(2).
class Broker {
 public:
  // Connections of an agent at once. A further one takes the place of one that is sent answers and has read nothing for
  // some seconds, or is closed at once.
  static constexpr size_t kChannels = Pipeline::kChannels;

  // A clock that stands until advance() moves it.
  struct VirtualTime {
    int64_t now_ns = 0;   // in place of CLOCK_BOOTTIME
    int64_t wall_ns = 0;  // in place of CLOCK_REALTIME
  };
  // `time`: none for the real clock. Errors: those of Reactor::create().
  static Result<std::unique_ptr<Broker>> create(FileRing files, Agent::Facts facts, policy::CompiledPolicy policy,
                                                Journal& journal, Host& host,
                                                std::optional<VirtualTime> time = std::nullopt,
                                                Script script = Script());
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;
  ~Broker();

  // Of its agent, before listen(): what files are reached by, or why they are not.
  void identity(Result<std::pair<View::Roots, Personalities>> found);
  // Serves what connects there, for as long as the broker is. `listener`: SOCK_SEQPACKET, made in a box of this agent.
  void listen(UniqueFd listener);
  // Everything that is under way is given up: connections end, none is taken any more.
  void leave();
  uint64_t under_way() const { return pipeline_.under_way(); }
  // What was asked of the host.
  void run_started(uint32_t run, Attempt<UniqueFd> listener);  // or what its call is answered, but for what it asked
  void run_ended(uint32_t run, bool executed, int status);

  // Of a virtual clock: it is `now_ns`, if nothing has happened since rests() said `state`; 0: in any case. Never back.
  // False: something has.
  bool advance(uint64_t state, int64_t now_ns);

  Reactor& reactor() { return *reactor_; }

  // As poll(2), and meanwhile serves. `until_ns`: CLOCK_BOOTTIME.
  void wait(std::span<pollfd> others, std::optional<int64_t> until_ns);
  // Descriptors given to wait() can be closed for good after it.
  void stop_watching() { reactor_->stop_watching(); }

 private:
  class Channels;
  Broker(std::unique_ptr<Reactor> reactor, UniqueFd event, Agent::Facts facts, policy::CompiledPolicy policy,
         Journal& journal, Host& host, std::optional<VirtualTime> time, Script script);
  Reactor::Time clock();
  uint64_t state() const;
  void say_that_it_rests();

  std::unique_ptr<Reactor> reactor_;
  Host& host_;
  std::optional<VirtualTime> virtual_;
  uint64_t events_ = 1, told_ = 0;  // what changed beside the pipeline; the state that was told last
  Reactor::Time time_;
  Agent agent_;
  Worker worker_;
  ChangeLock changes_;
  ShellRuns runs_;
  Pipeline pipeline_;
  std::unique_ptr<Channels> channels_;
};

}  // namespace alos::broker
