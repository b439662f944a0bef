// Threat 31: services of the host that listen on Unix sockets. Each answers with the token; ESCAPE_SOCKETS is the
// directory in the workspace where they are, ESCAPE_ABSTRACT the name of those that have no file.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

struct Address {
  sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
  socklen_t size = 0;
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&name); }
};

Address at_path(const std::string& path) {
  Address address;
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  std::memcpy(address.name.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Address abstract(const std::string& name) {
  Address address;
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
  std::memcpy(address.name.sun_path + 1, name.data(), name.size());
  return address;
}

std::string in_workspace(const char* name) {
  return target("ESCAPE_SOCKETS") + "/" + name;
}

int connected(const Address& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, address.raw(), address.size) != 0) return -1;
  const timeval patience{.tv_sec = 3, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

Outcome greeted(const Address& address) {
  const int fd = connected(address);
  if (fd < 0) return stopped_by_errno("connect");
  char answer[256];
  const ssize_t n = ::recv(fd, answer, sizeof answer, 0);
  return n < 0 ? stopped_by_errno("recv") : judge_content({answer, static_cast<size_t>(n)});
}

// The service notes what arrives; the host looks.
Outcome sent_to(const Address& address) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return stopped_by_errno("socket");
  if (::sendto(fd, "escaped", 7, 0, address.raw(), address.size) != 7) return stopped_by_errno("sendto");
  return left("a datagram");
}

Outcome handed_a_descriptor(const Address& address) {
  const int fd = connected(address);
  if (fd < 0) return stopped_by_errno("connect");
  char byte[256];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec part{byte, sizeof byte};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(fd, &message, 0) < 0) return stopped_by_errno("recvmsg");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return stopped("no descriptor came");
  int file = -1;
  std::memcpy(&file, CMSG_DATA(header), sizeof file);
  return judge_descriptor(file);
}

constexpr Attempt kAttempts[] = {
    {"31.a", "speak to a docker.sock in the workspace", [] { return greeted(at_path(in_workspace("docker.sock"))); }},
    {"31.b", "be handed a descriptor by it", [] { return handed_a_descriptor(at_path(in_workspace("docker.sock"))); }},
    {"31.c", "send a datagram to a socket in the workspace", [] { return sent_to(at_path(in_workspace("log.sock"))); }},
    {"31.d", "speak to a socket elsewhere on the host", [] { return greeted(at_path(target("ESCAPE_HOST_SOCKET"))); }},
    {"31.e", "speak to an abstract socket", [] { return greeted(abstract(target("ESCAPE_ABSTRACT"))); }},
    {"31.f", "send a datagram to an abstract socket",
     [] { return sent_to(abstract(target("ESCAPE_ABSTRACT") + "-log")); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
