#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "alos/broker.pb.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/client/calls.h"
#include "shim/client/frame.h"

namespace alos::client {

// A connection to the broker with any number of calls in flight, for any number of threads. It has no thread of its
// own: one of those that wait reads for all, and also who cannot send because the broker does not read.
//
// Every call ends. When the connection does (the broker is gone, breaks the protocol, or says that we did), those in
// flight end as Unknown, for their effect may have happened, or as Failed where they have none. Later ones end as
// Failed: nothing was sent. Not to be used in a child after fork.
class Connection {
 public:
  explicit Connection(UniqueFd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}

  struct About {
    std::string_view name;  // lives as long as the program
    EffectClass effect;
    wire::Reply::AnswerCase answer;
  };
  // Sends `request`, whose id it chooses, with `content` in a memfd unless that is empty. The id is to be waited for or
  // dropped; what cannot be sent ends as Failed or Limit all the same.
  uint64_t send(const About& about, wire::Request& request, std::string_view content = {});

  struct Arrived {
    wire::Reply reply;
    UniqueFd descriptor;
  };
  using OnOutput = std::function<void(std::string_view data, bool error)>;
  // Blocks until the call has ended; `on_output` is called meanwhile, by this thread and without a lock. Once for an
  // id.
  Arrived wait(uint64_t id, const OnOutput& on_output);
  // Whether wait() would not block. Reads nothing.
  bool ended(uint64_t id);
  void cancel(uint64_t id);
  // Its answer is thrown away when it comes.
  void drop(uint64_t id);

  // For what only a reader of the content can see. How the call then ends.
  wire::Reply violated(const About& about, const Error& why);

 private:
  struct Call {
    About about;
    std::deque<wire::Output> output;  // of a command
    std::string content{};            // of a file, before what its result holds
    std::optional<Arrived> end;
    bool dropped = false;
  };
  using Lock = std::unique_lock<std::mutex>;

  uint64_t enter(const About& about);
  void refuse(uint64_t id, wire::Reply&& reply);
  std::optional<Error> transmit(const std::string& bytes, int descriptor);
  void wait_until_writable();
  void read_one(Lock& lock, short events);
  void take(Result<Frame>&& frame);
  std::optional<Error> dispatch(Frame& frame);
  void end_all(const Error& why);
  wire::Reply lost_reply(const About& about, const Error& why) const;

  UniqueFd socket_;
  std::string path_;
  std::mutex sending_;  // taken before mutex_
  std::mutex mutex_;    // what follows
  std::condition_variable changed_;
  std::map<uint64_t, Call> calls_;
  uint64_t last_ = 0;
  bool reading_ = false;
  std::optional<Error> over_;
};

}  // namespace alos::client
