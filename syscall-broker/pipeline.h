#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "syscall-broker/call.h"
#include "syscall-broker/journal.h"
#include "syscall-broker/primitive.h"
#include "syscall-broker/primitive_table.h"

namespace alos::broker {

// The one way of a request: admit, plan, decide, record, carry out, settle, answer. Who asks is the channel's to
// know, what is well formed was checked before. Nothing here knows what a primitive does.
class Pipeline {
 public:
  // Calls under way at once; sleeps have a bound of their own, because they hold nothing.
  static constexpr uint64_t kChannels = 64, kCallsOfChannel = 64, kCalls = 512, kMostCalls = kCalls + kChannels;
  static constexpr uint64_t kSleeps = 100'000;

  Pipeline(Reactor& reactor, Journal& journal) : reactor_(reactor), journal_(journal) {}
  void add(wire::Request::CallCase call, std::unique_ptr<Primitive> primitive);

  // Takes the request on; its answer goes to the channel, whenever that is.
  void take(Agent& agent, std::shared_ptr<Channel> channel, Received received);
  // Its client left: what waits is given up, what has begun ends by itself.
  void left(Channel& channel);

  Reactor& reactor() { return reactor_; }
  void may_write(Channel& channel);
  uint64_t under_way() const { return calls_ + sleeps_; }

  // Requests that are not answered yet, and the processes that made them.
  struct Unanswered {
    size_t calls = 0;
    std::vector<int32_t> clients;
  };
  Unanswered unanswered() const;
  // Grows with every request and every answer.
  uint64_t changes() const { return changes_; }

 private:
  friend class Call;
  friend struct Call::Room;
  // Resumed once the entry is in the log, or cannot be.
  struct Written {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    Result<void> await_resume() { return std::move(result); }
    Journal& journal;
    uint64_t number;
    Result<void> result{};
  };

  Job carry(std::unique_ptr<Call> call);
  Task<Answer> answer(Call& call);
  Task<Attempt<bool>> intend(Call& call);
  std::optional<Answer> decide(Call& call, const policy::Request& request);
  // Of what ended as `out`.
  static Task<std::optional<Answer>> denial_above(const Call& call, const Plan& plan, const Answer& out);
  void record_denial(Call& call, const Answer& answer);
  std::optional<Answer> admit(const wire::Request& request, Channel& channel);
  void give_back(Call& call);
  static void add_way(const Call& call, Journal::Entry& entry);
  uint64_t record(const Call& call, const PrimitiveRow& row, const Plan& plan, std::string_view outcome,
                  const std::vector<std::pair<std::string, std::string>>& details);
  void cancel(Channel& channel, uint64_t call);

  Reactor& reactor_;
  Journal& journal_;
  std::unordered_map<int, std::unique_ptr<Primitive>> primitives_;
  std::unordered_map<const Channel*, std::unordered_map<uint64_t, Call*>> running_;
  std::vector<std::pair<const Channel*, std::coroutine_handle<>>> for_room_;
  uint64_t calls_ = 0, sleeps_ = 0, changes_ = 0;
};

}  // namespace alos::broker
