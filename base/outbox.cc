#include "base/outbox.h"

#include <cerrno>

#include "base/sys.h"

namespace alos {

Result<void> Outbox::send(int socket) {
  for (; !waiting_.empty(); waiting_.pop_front()) {
    std::vector<int> fds;
    for (const UniqueFd& fd : waiting_.front().fds) fds.push_back(fd.get());
    auto sent = sys::send_message(socket, std::as_bytes(std::span(waiting_.front().words)), fds);
    if (!sent) return sent.error().code == EAGAIN ? Result<void>{} : sent;
  }
  return {};
}

}  // namespace alos
