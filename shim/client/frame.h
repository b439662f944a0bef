#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

// What carries requests to the broker and answers back: one message a frame on a SOCK_SEQPACKET socket, content beside
// it in a sealed memfd (syscall-broker/proto/alos/broker.proto). Knows nothing of what the frames say.
namespace alos::client {

inline constexpr size_t kMaxFrame = 65'536;      // bytes
inline constexpr size_t kMaxInline = 48 << 10;   // longer content goes in a memfd
inline constexpr size_t kMaxContent = 64 << 20;  // of an answer

// $ALOS_SOCKET, or /dev/alos, where every box has it.
std::string socket_path();

// A connected socket that does not block. Errors: {"connect", path, errno, what that means and what to do}.
Result<UniqueFd> connect(const std::string& path);

// What is sealed cannot change or shrink while the other side reads it. Errors: those of memfd_create(2).
Result<UniqueFd> seal(std::string_view content);
// The content of a memfd that the other side gave. One that is not sealed against every change, or not a memfd, is
// refused before anything of it is read: EPERM. Over kMaxContent: EFBIG.
Result<std::string> read_sealed(int fd);

struct Frame {
  std::string bytes;
  UniqueFd descriptor;  // of a frame that had one
};
// Sends one frame. Errors: EAGAIN while the other side does not read; lost() tells whether the connection is.
Result<void> send(int socket, std::string_view bytes, int descriptor = -1);
// Receives one frame. Errors: EAGAIN where none is there; ECONNRESET at the end of the connection, after all that was
// sent before it; EMSGSIZE for a frame that is longer than kMaxFrame or has more than one descriptor.
Result<Frame> receive(int socket);
// Whether `error` of send() means that the connection is gone. With every other one nothing was sent, and others can
// be.
bool lost(const Error& error);

}  // namespace alos::client
