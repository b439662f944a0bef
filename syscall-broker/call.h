#pragma once

#include <array>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/decide.h"
#include "syscall-broker/agent.h"
#include "syscall-broker/answer.h"
#include "syscall-broker/channel.h"
#include "syscall-broker/task.h"

namespace alos::broker {

class Pipeline;
struct Plan;

// A value, or how the call ends without it.
template <class T>
using Attempt = std::expected<T, Answer>;

// How a call ends that could not be done. Plain arguments, because g++ 12 destroys the temporaries of a braced list
// twice in a coroutine.
inline std::unexpected<Answer> give_up(const Error& error, bool partial = false) {
  return std::unexpected(failed(error, partial));
}
inline std::unexpected<Answer> give_up(std::string_view operation, std::string_view object, int code,
                                       std::string_view hint = {}, bool partial = false) {
  return give_up(alos::fail(operation, object, code, hint).error(), partial);
}

// In coroutines that answer an Attempt: the value of one, or of a Result.
#define ALOS_ATTEMPT(name, ...)                                                      \
  auto name##_attempt = ::alos::broker::detail::attempt(__VA_ARGS__);                \
  if (!name##_attempt) co_return std::unexpected(std::move(name##_attempt).error()); \
  [[maybe_unused]] auto name = ::alos::broker::detail::take(std::move(name##_attempt))

namespace detail {
template <class T>
Attempt<T> attempt(Attempt<T> value) {
  return value;
}
template <class T>
Attempt<T> attempt(Result<T> value) {
  if (!value) return std::unexpected(failed(value.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return std::move(*value);
}
template <class T>
T take(Attempt<T>&& value) {
  return std::move(*value);
}
inline bool take(Attempt<void>&&) {
  return true;
}
}  // namespace detail

// One request on its way through the pipeline. Lives until it is answered, also when its client left.
class Call {
 public:
  Call(Pipeline& pipeline, Agent& agent, std::shared_ptr<Channel> channel, Received received);

  const wire::Request& request() const { return received_.request; }
  uint64_t id() const { return received_.request.id(); }
  Agent& agent() const { return agent_; }
  Channel& channel() const { return *channel_; }
  Reactor& reactor() const;

  static constexpr uint64_t kMaxContent = 64 << 20;

  // Bytes of the content argument: `in_frame`, or those of the descriptor that came along (mapped: it is sealed).
  Attempt<std::string_view> content(const std::string& in_frame);

  // The descriptor of the content argument, where it came in one.
  UniqueFd take_content() { return std::move(received_.content); }
  // Of Primitive::prepare(): the path that a command's program was found by, the file that is there, and the name by
  // which a deny takes that, if one does. Without `there` it was not, and is where a line of the script has it; nothing
  // but the script answers for it then.
  struct Program {
    std::string path, file, taken;
    bool there = true;
  } program;
  // Of the same: its words as they are to be run, and the files among them that a run with more rights is handed.
  std::vector<std::string> words;
  // These name files that were not followed, for a run with more rights that a line of the script was to answer.
  bool words_not_followed = false;
  std::vector<policy::Request> files;

  // Decides on what a path was found to lead to. Nothing where it is allowed.
  std::optional<Answer> denial(policy::Right right, std::string_view asked, std::string_view reached);

  // Where the search for a path has come to, for the record. A call has at most two of them.
  enum class Side : uint8_t { from, to };
  void reaches(Side side, const std::string& asked, const std::string& path);
  // It begins anew.
  void seeks(Side side);

  // How a call ends that the kernel refused and the policy's words allow: by what covers a directory above the path
  // that `asked` was found to lead to, if anything does: by the policy (policy/way.h), and in this box. `failure`: how
  // it ends otherwise.
  Task<std::optional<Answer>> covered(policy::Right right, const std::string& asked, Side side,
                                      const Answer& failure) const;

  // A link of what primitives alone reach is followed. Where it leads is told to whoever may stat it.
  void goes_by(const std::string& asked, const std::string& link, const std::string& rule);

  // Where a way ended of which the client is not told how; for the record.
  void stops_at(const std::string& path, std::string_view why);

  // A line of the script answers this call, and its record says so.
  const ScriptLine& answer_by(size_t line) {
    scripted_ = line;
    return agent_.script().use(line);
  }

  // To be awaited before put() sends what a primitive only looked at: what each use of is recorded is not given out
  // before that is. A call that has a record of its intent by then has it already.
  Task<Attempt<bool>> recorded();

  // Sends what is not the end; to be followed by room().
  void put(wire::Output output);
  // Waits until the client has read enough, or left.
  struct Room {
    bool await_ready() const;
    void await_suspend(std::coroutine_handle<> waiting);
    void await_resume() {}
    Call& call;
  };
  Room room() { return Room{*this}; }

  // Called whenever the client has read enough to be sent more.
  void on_room(std::function<void()> what) { has_room_ = std::move(what); }

  // Of Channel::promise_descriptor(); kept until the answer is there.
  bool promise_descriptor() { return promised_ = channel_->promise_descriptor(); }

  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }  // any thread
  // What a call that waits does when its client gives it up or leaves; called once, perhaps at once.
  void on_cancel(std::function<void()> what);

 private:
  friend class Pipeline;
  Pipeline& pipeline_;
  Agent& agent_;
  std::shared_ptr<Channel> channel_;
  Received received_;
  std::unique_ptr<void, std::function<void(void*)>> mapping_;
  std::atomic<bool> cancelled_ = false;
  std::function<void()> cancel_, has_room_;
  const Plan* plan_ = nullptr;  // while it is carried out
  uint64_t intent_ = 0;         // of the journal
  uint64_t denial_ = 0;
  std::string rule_, source_;           // by which the first of its demands is allowed
  bool recorded_ = false;               // though it only looks
  bool ruled_ = false;                  // rule_ is that of a use that was asked for
  std::array<std::string, 2> reached_;  // what links led its paths to, by Side; empty: they are as asked for
  std::array<bool, 2> sought_{};        // which of them were looked for
  bool untold_ = false;                 // where a link leads that may not be looked at
  std::vector<std::string> by_;         // links of what primitives alone reach; the first of them
  size_t went_by_ = 0;                  // how many there were
  std::string stopped_;                 // where and by what, if the client is not told
  std::optional<size_t> scripted_;
  bool promised_ = false;
};

}  // namespace alos::broker
