#include "base/outbox.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/let_go.h"
#include "base/sys.h"

namespace alos {

Result<void> Outbox::send(int socket) {
  while (!waiting_.empty()) {
    std::vector<int> fds;
    for (const UniqueFd& fd : waiting_.front().fds) fds.push_back(fd.get());
    auto sent = sys::send_message(socket, std::as_bytes(std::span(waiting_.front().words)), fds);
    if (!sent) return sent.error().code == EAGAIN ? Result<void>{} : sent;
    drop();
  }
  return {};
}

std::string Outbox::drop() {
  std::string out = std::move(waiting_.front().words);
  // Whoever received them may have closed them by now.
  let_go(std::move(waiting_.front().fds));
  bytes_ -= out.size();
  waiting_.pop_front();
  return out;
}

std::vector<UniqueFd> Outbox::take_fds() {
  std::vector<UniqueFd> out;
  bytes_ = 0;
  for (Message& message : std::exchange(waiting_, {})) std::ranges::move(message.fds, std::back_inserter(out));
  return out;
}

}  // namespace alos
