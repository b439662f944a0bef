// Threat 32: sockets that are more than a connection: kernel interfaces, other machines' addresses, raw packets.

#include <arpa/inet.h>
#include <linux/if_alg.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "tests/payloads/payload.h"

using namespace payload;

namespace {

Outcome made(int family, int type, int protocol, std::string_view evidence) {
  return judge_call(::socket(family, type | SOCK_CLOEXEC, protocol), "socket", evidence);
}

Outcome netlink() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return stopped_by_errno("socket");
  struct {
    nlmsghdr header;
    rtgenmsg body;
  } request{};
  request.header = {.nlmsg_len = sizeof request,
                    .nlmsg_type = RTM_GETLINK,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                    .nlmsg_seq = 1,
                    .nlmsg_pid = 0};
  char answer[8192];
  if (::send(fd, &request, sizeof request, 0) < 0 || ::recv(fd, answer, sizeof answer, 0) <= 0)
    return stopped_by_errno("send");
  return escaped("listed the network interfaces");
}

Outcome crypto() {
  const int fd = ::socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return stopped_by_errno("socket");
  sockaddr_alg hash{};
  hash.salg_family = AF_ALG;
  std::ranges::copy(std::string_view("hash"), hash.salg_type);
  std::ranges::copy(std::string_view("sha256"), hash.salg_name);
  return judge_call(::bind(fd, reinterpret_cast<sockaddr*>(&hash), sizeof hash), "bind", "the kernel's crypto");
}

Outcome packets() {
  return made(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL), "raw packets");
}
Outcome raw_ip() {
  return made(AF_INET, SOCK_RAW, IPPROTO_ICMP, "raw IP");
}

constexpr Attempt kAttempts[] = {
    {"32.a", "ask the kernel by netlink", netlink},
    {"32.b", "use the kernel's crypto by AF_ALG", crypto},
    {"32.c", "a socket to the hypervisor", [] { return made(AF_VSOCK, SOCK_STREAM, 0, "a vsock socket"); }},
    {"32.d", "raw packets", packets},
    {"32.e", "raw packets in a namespace of one's own", [] { return in_nested_namespace(CLONE_NEWNET, packets); }},
    {"32.f", "raw IP in a namespace of one's own", [] { return in_nested_namespace(CLONE_NEWNET, raw_ip); }},
    {"32.g", "ICMP echo", [] { return made(AF_INET, SOCK_DGRAM, IPPROTO_ICMP, "an echo socket"); }},
    {"32.h", "SCTP", [] { return made(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP, "an SCTP socket"); }},
    {"32.i", "bluetooth", [] { return made(AF_BLUETOOTH, SOCK_RAW, 1, "a bluetooth socket"); }},
    {"32.j", "kernel events by netlink",
     [] { return made(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT, "kernel events"); }},
    {"32.k", "netfilter by netlink", [] { return made(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, "netfilter"); }},
};

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, kAttempts);
}
