#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace alos {

// Messages, with their descriptors, that wait for room in a socket that does not block: sent whole and in their order.
// One thread.
class Outbox {
 public:
  void put(std::string words, std::vector<UniqueFd> fds = {}) {
    bytes_ += words.size();
    waiting_.push_back({std::move(words), std::move(fds)});
  }
  // Sends what the socket (SEQPACKET, O_NONBLOCK) takes now; empty() says whether that was all. Errors: of
  // sendmsg(2), EAGAIN apart.
  Result<void> send(int socket);
  // Forgets the first; its words.
  std::string drop();
  // What came with those that wait, which are forgotten.
  std::vector<UniqueFd> take_fds();
  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }
  size_t bytes() const { return bytes_; }  // of words

 private:
  struct Message {
    std::string words;
    std::vector<UniqueFd> fds;
  };
  std::deque<Message> waiting_;
  size_t bytes_ = 0;
};

}  // namespace alos
