#include "shim/client/frame.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "base/sys.h"

namespace alos::client {

std::string socket_path() {
  const char* given = ::getenv("ALOS_SOCKET");
  return given && *given ? given : "/dev/alos";
}

Result<UniqueFd> connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail("connect", path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket", path);
  int rc = 0;
  // Blocking, for a listener whose queue is full answers a socket that does not block with EAGAIN (unix(7)).
  do rc = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  while (rc != 0 && errno == EINTR);
  if (rc != 0)
    return fail("connect", path, errno,
                errno == ENOENT || errno == ECONNREFUSED
                    ? "this is not in a box of alos, or the run was started with '--degrade broker'"
                    : "");
  if (::fcntl(socket.get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) return fail_errno("fcntl", path);
  return socket;
}

Result<UniqueFd> seal(std::string_view content) {
  return sys::memfd("alos-content", content, true);
}

Result<std::string> read_sealed(int fd) {
  constexpr int kWanted = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const int seals = ::fcntl(fd, F_GET_SEALS);  // EINVAL: no memfd
  if (seals < 0 || (seals & kWanted) != kWanted) return fail("fcntl F_GET_SEALS", "content", EPERM, "it is not sealed");
  const auto size = static_cast<size_t>(TRY(sys::fstat(fd)).st_size);
  if (size > kMaxContent) return fail("fstat", "content", EFBIG);
  std::string out(size, '\0');
  for (size_t at = 0; at < size;) {
    const ssize_t n = ::pread(fd, out.data() + at, size - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("pread", "content", n < 0 ? errno : EIO);
    at += static_cast<size_t>(n);
  }
  return out;
}

Result<void> send(int socket, std::string_view bytes, int descriptor) {
  return sys::send_message(socket, std::as_bytes(std::span(bytes)), {&descriptor, descriptor < 0 ? size_t{0} : 1});
}

Result<Frame> receive(int socket) {
  std::vector<std::byte> buffer(kMaxFrame);
  auto message = sys::receive_message(socket, buffer, 1);
  if (!message) return std::unexpected(message.error());
  if (message->size == 0) return fail("recvmsg", "", ECONNRESET, "the broker has closed the connection");
  if (message->fds.size() > 1) return fail("recvmsg", "", EMSGSIZE, "more than one descriptor");
  Frame out;
  out.bytes.assign(reinterpret_cast<const char*>(buffer.data()), message->size);
  if (!message->fds.empty()) out.descriptor = std::move(message->fds.front());
  return out;
}

bool lost(const Error& error) {
  return error.code == EPIPE || error.code == ECONNRESET || error.code == ENOTCONN || error.code == ECONNREFUSED;
}

}  // namespace alos::client
